"""Operands at which each operation is compared with the reference, bit for bit."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice, product
from math import inf, nan
from typing import Final

from rustygrad.ops import Op

from .programs import Program, call

__all__ = ["EXPONENTS", "SPECIAL", "points", "program", "where_pow_rounds_otherwise"]

#: Zeros, ones, infinities, the ends of the range and numbers with all bits in use.
SPECIAL: Final = (
    0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, inf, -inf, nan, 1e-320, 5e-324, 1e308, -1e200, 1e16,
    0.1, -0.7, 1.2345678901234567, 709.9, -745.5, 22.0, 3.141592653589793,
)  # fmt: skip
_PAIRED: Final = (0.0, -0.0, 1.0, -1.0, 2.0, -2.5, 0.5, 3.0, inf, -inf, nan, 1e300, 0.1, 1e-310)
#: What a Value is raised to.
EXPONENTS: Final = (2.0, 3.0, -1.0, -2.0, -3.0, 0.5, -0.5, 0.0, 1.0, 1.5, 1e3, inf, -inf, nan)

Point = tuple[tuple[float, ...], float | None]


@cache
def points(op: Op) -> Sequence[Point]:
    """Operands and attributes, the same ones every time."""
    if op.attribute:
        return [((x,), n) for x, n in product(SPECIAL, EXPONENTS)]
    return [(operands, None) for operands in _operands(op)]


def _operands(op: Op) -> Iterator[tuple[float, ...]]:
    rng = random.Random(op.name)
    if op.arity == 1:
        yield from ((x,) for x in SPECIAL)
        yield from ((rng.gauss(0.0, 3.0),) for _ in range(60))
    elif op.arity == 2:
        yield from product(_PAIRED, repeat=2)
        yield from ((rng.gauss(0.0, 3.0), rng.gauss(0.0, 3.0)) for _ in range(60))
    else:
        for count in (op.arity,) * 60 if op.arity else (1, 2, 3, 4, 5, 6, 9) * 12:
            yield tuple(rng.gauss(0.0, 3.0) for _ in range(count))
            yield tuple(rng.choice((rng.uniform(-2, 2), 1.0, 0.0)) for _ in range(count))
            if rng.random() < 0.3:
                yield tuple(rng.choice(SPECIAL) for _ in range(count))


@cache
def where_pow_rounds_otherwise(exponent: float) -> Sequence[float]:
    """Some x for which libm's pow differs from x * x or 1 / x; few libms have none."""
    correct: Callable[[float], float] = (
        (lambda x: x * x) if exponent == 2.0 else (lambda x: 1.0 / x)
    )
    candidates = (1.0 + i / 7919.0 for i in range(1, 40_000))
    differing = (x for x in candidates if math.pow(x, exponent) != correct(x))
    return tuple(islice(differing, 3))


def program(op: Op, operands: Sequence[float], attribute: float | None) -> Program:
    """The program that applies an operation once to leaves and runs backward."""
    names = [f"x{i}" for i in range(len(operands))]
    lines = [f"{name} = Value({x!r})" for name, x in zip(names, operands, strict=True)]
    lines += [f"y = {call(op, names, attribute)}", "y.backward(1.5)"]
    return Program(lines, [*names, "y"])
