"""Bugs made from the op table: for each operand of each row, a gradient that is wrong.

A new row is covered at once. What cannot be told from the right rule, such as
the two gradients of ``x + y`` exchanged, is left out: it is no bug.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from rustygrad.ops import OPS, Op

from .. import oracle
from ..engine import Engine
from . import Bug

__all__ = ["generated"]

Change = Callable[[Any, list[Any]], list[Any]]
_WAYS: Final[dict[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "negated": ("has the wrong sign", lambda g, grad: -grad),
    "forgotten": ("is forgotten", lambda g, grad: 0.0),
    "doubled": ("is given twice", lambda g, grad: grad + grad),
    "invented": ("has the incoming gradient added", lambda g, grad: grad + g),
}


def generated() -> Iterator[Bug]:
    """Every derivative bug that makes a difference."""
    for op in OPS.values():
        for position in range(op.arity) if op.arity else (0, -1):
            for way, (text, change) in _WAYS.items():
                yield from _bug(op, f"{_ordinal(op, position)}_{way}", text, _at(position, change))
        if op.arity != 1:
            text = "and the second's are exchanged"
            yield from _bug(op, "first_exchanged", text, lambda g, x: [*x[1::-1], *x[2:]])


def _ordinal(op: Op, position: int) -> str:
    if op.arity == 1:
        return "only"
    return ("first", "second", "third", "last")[position]


def _at(position: int, change: Callable[[Any, Any], Any]) -> Change:
    def changed(g: Any, grads: list[Any]) -> list[Any]:
        grads[position] = change(g, grads[position])
        return grads

    return changed


def _bug(op: Op, name: str, text: str, change: Change) -> Iterator[Bug]:
    if _is_harmless(op, change):
        return
    which = name.partition("_")[0]
    owner = "the gradient" if which == "only" else f"the {which} operand's gradient"

    def put_in(m: Engine) -> None:
        row = m.ops.OPS[op.name]
        row.vjp = _changed(row.vjp, op, change)

    yield Bug(
        f"{op.name}_{name}",
        f"{owner} of {op.name} {text}",
        f"test_gradients_agree_with_50_digits[{op.name}]",
        put_in,
        generated=True,
    )


def _changed(rule: Callable[..., Any], op: Op, change: Change) -> Callable[..., Any]:
    def vjp(g: Any, out: Any, *operands: Any) -> Any:
        grads = rule(g, out, *operands)
        changed = change(g, [grads] if op.arity == 1 else list(grads))
        return changed[0] if op.arity == 1 else tuple(changed)

    return vjp


def _is_harmless(op: Op, change: Change) -> bool:
    """Whether the change cannot be seen at any of the points that operations are judged at."""
    rule = _changed(op.vjp, op, change)
    for operands, attribute in oracle.points(op):
        arguments = operands if attribute is None else (*operands, attribute)
        out = op.forward(*arguments)
        if rule(1.0, out, *arguments) != op.vjp(1.0, out, *arguments):
            return False
    return True
