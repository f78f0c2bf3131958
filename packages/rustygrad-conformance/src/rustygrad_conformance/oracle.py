"""The truth, to 50 digits: an operation's formula and its derivative by mpmath.

Nothing here looks at an operation's `forward` or `vjp`. The derivative is taken
of the formula numerically, at a working precision that leaves 50 digits.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import mpmath
from rustygrad.ops import Op

__all__ = ["POINTS", "Truth", "gradients", "points", "value"]

#: How many random points each operation is judged at.
POINTS: Final = 6
_EXPONENTS: Final = (2.0, 3.0, -1.0, 0.5, -2.5, 1.0, 0.0)
_FUNCTIONS: Final[dict[str, Any]] = {
    "abs": abs,
    "bias": lambda xs: xs[0] if len(xs) % 2 else mpmath.mpf(0),
    "len": len,
    "max": max,
    "min": min,
    "pairs": lambda xs: list(zip(xs[len(xs) % 2 :: 2], xs[len(xs) % 2 + 1 :: 2], strict=True)),
    "sum": lambda terms: mpmath.fsum(terms),
}


class Truth:
    """A number to 50 digits, and how far a float computation may be from it.

    Attributes:
        exact: the number.
        scale: the size of what its inputs contribute: an error of one rounding in
            each of them moves the result by about ``epsilon * scale``.
        terms: how many roundings a good computation may make.
    """

    def __init__(self, exact: Any, scale: Any, terms: int) -> None:
        self.exact = exact
        self.scale = scale
        self.terms = terms

    def problem(self, got: Any) -> str:
        """What is wrong with a number, in words; '' if it is close enough."""
        if type(got) is not float:
            return f"{got!r} is a {type(got).__name__}, not a float"
        with mpmath.workdps(50):
            error = abs(mpmath.mpf(got) - self.exact)
            unit = sys.float_info.epsilon * max(self.scale, mpmath.mpf(sys.float_info.min))
            if error <= self.terms * unit:
                return ""
            right = mpmath.nstr(self.exact, 20)
        return f"{got!r} should be {right}, and is off by {float(error / unit):.3g} roundings"


def points(op: Op) -> list[tuple[tuple[float, ...], float | None]]:
    """Operands and attributes inside an operation's domain, the same ones every time."""
    rng = random.Random(op.name)
    found = []
    for i in range(POINTS if op.attribute is None else 2 * POINTS):
        count = op.arity if op.arity is not None else (2, 3, 1, 4, 5, 6)[i % 6]
        intervals = [op.domain[min(k, len(op.domain) - 1)] for k in range(count)]
        operands = tuple(_inside(rng, low, high) for low, high in intervals)
        attribute = _EXPONENTS[i % len(_EXPONENTS)] if op.attribute else None
        found.append((operands, attribute))
    return found


def _inside(rng: random.Random, low: float, high: float) -> float:
    """A number of moderate size in an interval, away from its ends and from 0."""
    size = rng.uniform(0.25, 2.0)
    if low >= 0.0 or high <= 0.0:
        size = min(size, (high - low) / 2)
        return low + size if low > -1e300 else high - size
    return min(size, high / 2) if rng.random() < 0.5 else max(-size, low / 2)


def _evaluate(op: Op, operands: Sequence[Any], attribute: float | None) -> Any:
    names = dict(zip("xyz", operands, strict=False))
    scope = {**vars(mpmath), **_FUNCTIONS, **names, "xs": list(operands)}
    if attribute is not None:
        scope["n"] = mpmath.mpf(attribute)
    return mpmath.mpf(eval(op.formula, scope))


def _derivative(
    op: Op, operands: tuple[float, ...], attribute: float | None, orders: tuple[int, ...]
) -> Any:
    """A partial derivative of the formula, `orders` times by each operand."""
    if len(operands) == 1:
        return mpmath.diff(lambda x: _evaluate(op, [x], attribute), operands[0], orders[0])
    return mpmath.diff(lambda *xs: _evaluate(op, xs, attribute), operands, orders)


def _unit(count: int, *positions: int) -> tuple[int, ...]:
    return tuple([positions.count(i) for i in range(count)])


@cache
def value(op: Op, operands: tuple[float, ...], attribute: float | None) -> Truth:
    """What the formula gives."""
    with mpmath.workdps(50):
        exact = _evaluate(op, [mpmath.mpf(x) for x in operands], attribute)
        count = len(operands)
        scale = abs(exact)
        for i, x in enumerate(operands):
            scale += abs(x * _derivative(op, operands, attribute, _unit(count, i)))
        return Truth(exact, scale, 3 + count)


@cache
def gradients(op: Op, operands: tuple[float, ...], attribute: float | None) -> tuple[Truth, ...]:
    """The derivative of the formula by each operand."""
    with mpmath.workdps(50):
        count = len(operands)
        found = []
        for i in range(count):
            exact = _derivative(op, operands, attribute, _unit(count, i))
            scale = abs(exact)
            for j, x in enumerate(operands):
                scale += abs(x * _derivative(op, operands, attribute, _unit(count, i, j)))
            found.append(Truth(exact, scale, 3 + count))
        return tuple(found)
