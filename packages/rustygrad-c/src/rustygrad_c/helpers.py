"""What the engine asks Python for: everything that is rare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rustygrad import copying
from rustygrad.convert import as_number, no_operand, refuse_stranger
from rustygrad.modes import Mode, current
from rustygrad.opaque import Pull, check_children, made_of_itself
from rustygrad.sweep import check_backward, check_forward, remember_line

if TYPE_CHECKING:
    from ._engine import Value

__all__ = [
    "assign_backward",
    "by_hand",
    "check_backward",
    "clone",
    "number",
    "observe",
    "reduce",
    "refuse",
    "refuse_cycle",
    "restore",
]


def number(x: Any) -> float | None:
    """The float of a number, None for what is none.

    Raises:
        MixedBackendsError: `x` is a Value of another backend.
    """
    found = as_number(x)
    if found is None:
        refuse_stranger(x, "c")
    return found


def refuse(x: Any) -> None:
    """Raise, because `x` is no operand.

    Raises:
        ConversionError: always.
    """
    raise no_operand(x)


def refuse_cycle(node: Value) -> None:
    """Raise, because a node that is captured is made of itself.

    Raises:
        GraphError: always.
    """
    raise made_of_itself(node)


def by_hand(node: Value, children: Iterable[Any], name: str = "") -> None:
    """Give a new leaf the operands that the user wrote, if any, and the name of what they made.

    Raises:
        ConversionError: a child is not a Value.
        MixedBackendsError: a child is a Value of another backend.
    """
    from ._engine import make_opaque

    operands = tuple(children)
    check_children(operands, node._backend)
    if operands:
        make_opaque(node, Pull(name), operands)
        if current.get().recording:
            remember_line(node)


def assign_backward(node: Value, closure: Any) -> None:
    """Let a closure hand the node's gradient on.

    Raises:
        ConversionError: it cannot be called.
    """
    from ._engine import make_opaque

    make_opaque(node, Pull.assigned(node, closure), None)


def observe(node: Value, mode: Mode) -> bool:
    """Check a new node where the mode says so. Whether it becomes a leaf.

    Raises:
        AnomalyError: finite operands made a result that is not finite.
    """
    if mode.anomaly:
        check_forward(node)
    if mode.recording:
        remember_line(node)
    return not mode.grad


# --- copying ----------------------------------------------------------------


def clone(node: Value) -> Value:
    """What `copy.copy` gives."""
    from ._engine import rebuild

    twin: Value = copying.clone(node, rebuild)
    return twin


def reduce(root: Value) -> tuple[Any, ...]:
    """What `__reduce_ex__` answers."""
    from ._engine import rebuild

    return copying.reduce(root, rebuild, _order_of)


def restore(root: Value, owned: dict[int, Any]) -> None:
    """What `__setstate__` does."""
    copying.restore(root, owned, _order_of)


def _order_of(roots: Iterable[Any]) -> list[Any]:
    from ._engine import columns

    return columns(tuple(roots), True)[5] or []
