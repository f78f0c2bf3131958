"""Formulas as text, made by running the op table's own rules on text.

A rule runs on floats and on graph references; here it runs on terms, which
write down what is done to them. So nobody writes a derivative a second time,
and what a page shows is what the engine computes, in its order.

Operands are called as in `Op.formula`: ``x``, ``y``, ``z``, or ``xs[0]``,
``xs[1]``, … where there may be any number of them. ``out`` is the result, and
``n`` the attribute where no number is given for it. The texts are Python
expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .building import Symbol
from .ops import ADD, DIV, DOT, EQUAL, GREATER, MEAN, MUL, NEG, POW, POWER, SUB, WHERE, Op

__all__ = ["LONGEST", "forward_formula", "local_formulas"]

#: Operands up to which a reduction is written out.
LONGEST: Final = 12

# How tightly an expression binds, as in Python.
_CHOICE, _COMPARISON, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(7)
_INFIX: Final = {
    ADD: _SUM, SUB: _SUM, MUL: _PRODUCT, DIV: _PRODUCT, POW: _POWER, POWER: _POWER,
    GREATER: _COMPARISON, EQUAL: _COMPARISON,
}  # fmt: skip


class _Term(Symbol):
    """An expression in the making. Arithmetic on it writes a longer one."""

    __slots__ = ("binding", "text")

    def __init__(self, text: str, binding: int = _ATOM) -> None:
        self.text = text
        self.binding = binding

    def within(self, binding: int) -> str:
        """The text as an operand of what binds so tightly at least."""
        return self.text if self.binding >= binding else f"({self.text})"

    def emit(self, op: Op, arguments: Sequence[Any]) -> _Term:
        """Write an operation; the attribute, if it has one, comes last."""
        terms = [_term(x) for x in arguments]
        if op in _INFIX:
            return _infix(op, *terms)
        if op is NEG:
            return _Term("-" + terms[0].within(_SIGN), _SIGN)
        if op is WHERE:
            condition, x = (t.within(_COMPARISON) for t in terms[:2])
            return _Term(f"{x} if {condition} else {terms[2].text}", _CHOICE)
        # an operation of any number of operands takes all of them wherever a rule has one
        inside = "xs" if op.arity is None else ", ".join(t.text for t in terms)
        return _Term(f"{op.name}({inside})")


_ONE: Final = _Term("1")


def _term(x: Any) -> _Term:
    if isinstance(x, _Term):
        return x
    text = str(int(x)) if x.is_integer() and abs(x) < 1e16 else repr(x)
    return _Term(text, _SIGN if text.startswith("-") else _ATOM)


def _infix(op: Op, x: _Term, y: _Term) -> _Term:
    """``x * y``; a factor or an exponent of 1 is left out."""
    binding = _INFIX[op]
    if op is MUL and _ONE.text in (x.text, y.text):
        return y if x.text == _ONE.text else x
    if op in (POW, POWER) and y.text == _ONE.text:
        return x
    # both operands of ** are bracketed, so that nobody has to know which comes first
    left = x.within(binding + (binding == _POWER))
    return _Term(f"{left} {op.symbol} {y.within(binding + 1)}", binding)


def _operands(op: Op, count: int) -> list[_Term]:
    names = [f"xs[{i}]" for i in range(count)] if op.arity is None else ["x", "y", "z"][:count]
    return [_Term(name) for name in names]


def forward_formula(op: Op, count: int) -> str:
    """What an operation computes from `count` operands.

    ``sum``, ``dot`` and ``mean`` are written out, in the order of their additions. Of more
    than `LONGEST` operands ``...`` stands for those in the middle. Of other operations it
    is the formula of the table.
    """
    if not op.expands or (op is MEAN and count > LONGEST):
        return op.formula
    operands = _operands(op, count)
    if count > LONGEST:
        # a product by 1 is that product's other factor, so these are one term of either
        gap = [_Term("..."), _ONE] if op is DOT else [_Term("...")]
        operands[4 + count % 2 : -2] = gap
    result: _Term = op.forward(*operands)
    return result.text


def local_formulas(op: Op, count: int, attribute: float | None = None) -> list[str]:
    """The derivative of an operation by each of its `count` operands.

    It is the rule of the table for an incoming gradient of 1.

    Args:
        op: an operation of the table.
        count: how many operands the node has.
        attribute: the constant of the node; ``n`` stands for it by default.
    """
    arguments: list[Any] = [*_operands(op, count)]
    if op.attribute:
        arguments.append(_Term("n") if attribute is None else attribute)
    grads = op.vjp(_ONE, _Term("out"), *arguments)
    return [_term(g).text for g in ((grads,) if op.arity == 1 else grads)]
