"""Why an operation gives nan, inf or 0, and why its derivative does: in words.

One `Reason` a case, under the operation it belongs to. `explain` takes the first
whose condition holds. What is not listed has the reason that any operation may
have: a number too large or too small for a float.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from .. import ops
from ..ops import Op

__all__ = [
    "KINDS",
    "RESULTS",
    "SLOPES",
    "Reason",
    "dot_products",
    "dot_terms",
    "reason_for_result",
    "reason_for_slope",
]

_T = TypeVar("_T")

#: What a number is called that somebody may ask about, with its test.
KINDS: Final[Mapping[str, Callable[[float], bool]]] = {
    "nan": math.isnan,
    "inf": math.isinf,
    "zero": lambda x: x == 0.0,
}


class Reason:
    """One case in which an operation gives something unusual.

    Attributes:
        why: the cause, a clause that begins with a small letter.
        advice: what to do about it, a clause too; '' where it may be as it should.
        when: whether this is the case. Of a result it is called with the result, the
            operands and the attribute if there is one; of a derivative, with the
            position of the operand before them.
    """

    __slots__ = ("advice", "when", "why")

    def __init__(
        self, why: str, advice: str = "", when: Callable[..., bool] = lambda *_: True
    ) -> None:
        self.why = why
        self.advice = advice
        self.when = when

    def __repr__(self) -> str:
        return f"<reason {self.why!r}>"


def reason_for_result(kind: str, op: Op, out: float, operands: list[float]) -> Reason:
    """Why an operation gave `out`, which is of that kind; `operands` end with the attribute."""
    listed = RESULTS.get(kind, {}).get(op, ())
    return next((r for r in listed if r.when(out, *operands)), _ANY_RESULT[kind])


def reason_for_slope(kind: str, op: Op, position: int, out: float, operands: list[float]) -> Reason:
    """Why the derivative by the operand at that position is of that kind."""
    finite = all(map(math.isfinite, (out, *operands)))
    listed = (*SLOPES[kind].get(op, ()), _ANY_SLOPE[kind if finite else "nan"])
    return next(r for r in listed if r.when(position, out, *operands))


# --- conditions ---------------------------------------------------------------


def dot_products(operands: Sequence[_T]) -> list[tuple[_T, ...]]:
    """The factors of what dot adds up: the bias alone if there is one, and the pairs."""
    biased = len(operands) % 2
    pairs = zip(operands[biased::2], operands[biased + 1 :: 2], strict=True)
    return [*((bias,) for bias in operands[:biased]), *pairs]


def dot_terms(operands: Sequence[float]) -> list[float]:
    """What dot adds up."""
    return list(map(math.prod, dot_products(operands)))


def _overflows(products: Iterable[tuple[float, ...]]) -> bool:
    """Whether a nan sum of these had no inf and -inf to begin with, and made one itself."""
    return len({math.prod(p) for p in products if any(map(math.isinf, p))}) < 2


def _indefinite_product(_: float, *operands: float) -> bool:
    """Whether one of dot's products is 0 * inf; no operand is nan here."""
    return any(map(math.isnan, dot_terms(operands)))


def _factor(position: int, operands: tuple[float, ...]) -> float:
    """What the operand at that position of dot, not its bias, is multiplied by."""
    biased = len(operands) % 2
    return operands[biased + ((position - biased) ^ 1)]


# --- texts that several operations share --------------------------------------

_SCALE = "scale the numbers down, or compute with their logarithms"
_POSITIVE = "keep the operand above 0, as rustygrad.maximum(x, 1e-12) does"
_DIVISOR = "keep the divisor away from 0, as y + 1e-12 does where y is never negative"
_INFINITE = "find out where the inf comes from"
_DEAD = "lower the learning rate, start from other weights, or let it leak: maximum(x, 0.01 * x)"
_SATURATED = "keep its operand near 0: smaller weights, or inputs of mean 0 and deviation 1"
_SMOOTH = "stay away from 0, as (x + 1e-12) does where x is never negative"
_CANCEL = "inf and -inf have no sum"
_ZERO_TIMES_INF = "0 * inf has no value"
_FRACTION = "a negative number has no real power with a fractional exponent"
_NEGATIVE_POWER = "0 to a negative power is a division by 0"
_CANCELLED = "its terms add up to 0 exactly"
_OTHER_FACTOR = "the derivative is the other factor, and that is 0"
_OTHER_IS_INF = "the derivative is the other factor, and that is inf"
_CHOSEN = "another operand was chosen, and that one takes all of the gradient"
_NO_SLOPE = "a choice has no derivative"
_STEEP = "the operation is infinitely steep at 0"
_FLAT = "the operation is flat at 0"

# --- results --------------------------------------------------------------------

_INSIDE = "a part of the sum is larger than the largest float, 1.8e308"
_SUMS_NAN = (
    Reason(f"{_INSIDE}, and {_CANCEL}", _SCALE, lambda out, *xs: _overflows([(x,) for x in xs])),
    Reason(_CANCEL, _INFINITE),
)
_SUMS_INF = (Reason(_INSIDE, _SCALE),)
_SUMS_ZERO = (Reason(_CANCELLED, when=lambda out, *xs: ops.SUM.forward(*xs) == 0.0),)
_TOO_LARGE = Reason("the result is larger than the largest float, 1.8e308", _SCALE)
_TOO_SMALL = Reason("the result is smaller than the smallest float, 4.9e-324", _SCALE)

_ANY_RESULT: Final = {
    "nan": Reason("the operands are outside the operation's domain"),
    "inf": _TOO_LARGE,
    "zero": _TOO_SMALL,
    "huge": Reason("none of its operands is a finite number"),
}

#: Why a result is nan, inf or 0 where no operand is, by kind and operation.
RESULTS: Final[Mapping[str, Mapping[Op, tuple[Reason, ...]]]] = {
    "nan": {
        ops.ADD: (Reason(_CANCEL, _INFINITE),),
        ops.SUB: (Reason("inf - inf has no value", _INFINITE),),
        ops.SUM: _SUMS_NAN,
        ops.MEAN: _SUMS_NAN,
        ops.DOT: (
            Reason(f"in one of its products, {_ZERO_TIMES_INF}", _INFINITE, _indefinite_product),
            Reason(f"{_INSIDE}, and {_CANCEL}", _SCALE,
                   lambda out, *xs: _overflows(dot_products(xs))),
            Reason(_CANCEL, _INFINITE),
        ),
        ops.MUL: (Reason(_ZERO_TIMES_INF, _INFINITE),),
        ops.DIV: (
            Reason("0 / 0 has no value", _DIVISOR, lambda out, x, y: y == 0.0),
            Reason("inf / inf has no value", _INFINITE),
        ),
        ops.POW: (Reason(_FRACTION, _POSITIVE),),
        ops.POWER: (Reason(_FRACTION, _POSITIVE),),
        ops.LOG: (Reason("a negative number has no real logarithm", _POSITIVE),),
        ops.SQRT: (Reason("a negative number has no real square root", _POSITIVE),),
        ops.SIN: (Reason("an infinite angle has no sine", _INFINITE),),
        ops.COS: (Reason("an infinite angle has no cosine", _INFINITE),),
    },
    "inf": {
        ops.SUM: _SUMS_INF,
        ops.MEAN: _SUMS_INF,
        ops.DOT: _SUMS_INF,
        ops.DIV: (Reason("it divides by 0", _DIVISOR, lambda out, x, y: y == 0.0),),
        ops.POW: (Reason(_NEGATIVE_POWER, _DIVISOR, lambda out, x, n: x == 0.0),),
        ops.POWER: (Reason(_NEGATIVE_POWER, _DIVISOR, lambda out, x, y: x == 0.0),),
        ops.EXP: (
            Reason(
                "exp is larger than the largest float from 709.8 on",
                "use log_softmax, logsumexp or sigmoid, which subtract the largest first",
            ),
        ),
        ops.LOG: (Reason("the logarithm falls to -inf at 0", _POSITIVE),),
    },
    "zero": {
        ops.ADD: _SUMS_ZERO,
        ops.SUB: (Reason("its operands are equal"),),
        ops.SUM: _SUMS_ZERO,
        ops.MEAN: _SUMS_ZERO,
        ops.DOT: (Reason(_CANCELLED, when=lambda out, *xs: any(dot_terms(xs))),),
        ops.DIV: (
            Reason("it divides by inf", _INFINITE, lambda out, x, y: math.isinf(y)),
            _TOO_SMALL,
        ),
        ops.POW: (
            Reason("it divides by inf", _INFINITE, lambda out, x, n: math.isinf(x)),
            _TOO_SMALL,
        ),
        ops.POWER: (
            Reason("a power of inf or by inf vanishes", _INFINITE,
                   lambda out, x, y: math.isinf(x) or math.isinf(y)),
            _TOO_SMALL,
        ),
        ops.RELU: (Reason("relu is 0 of every negative number"),),
        ops.SIGMOID: (Reason("sigmoid is saturated: it is 0 below -745", _SATURATED),),
        ops.EXP: (Reason("exp is smaller than the smallest float below -745.1", _SCALE),),
        ops.LOG: (Reason("the logarithm of 1 is 0"),),
        ops.LOGSUMEXP: (Reason("the exponentials of its operands add up to 1"),),
        ops.GREATER: (Reason("its first operand is not greater than the second"),),
        ops.EQUAL: (Reason("its operands are not equal"),),
        ops.ARGMAX: (Reason("its first operand is the one that is chosen"),),
        ops.ARGMIN: (Reason("its first operand is the one that is chosen"),),
    },
}  # fmt: skip

# --- derivatives ------------------------------------------------------------------

_ANY_SLOPE: Final = {
    "nan": Reason("the numbers of the forward pass are not finite here"),
    "inf": Reason("the gradient is larger than the largest float, 1.8e308", _SCALE),
    "zero": Reason("the gradient is smaller than the smallest float, 4.9e-324", _SCALE),
}

_CHOICE = (Reason(_NO_SLOPE),)
_ELSEWHERE = (Reason(_CHOSEN),)

#: Why the derivative by one operand is nan, inf or 0, by kind and operation.
SLOPES: Final[Mapping[str, Mapping[Op, tuple[Reason, ...]]]] = {
    "nan": {
        ops.DIV: (
            Reason("the derivative is 0 / 0 or inf / inf", _DIVISOR, lambda k, out, x, y: y == 0.0),
        ),
        ops.POW: (Reason(_FRACTION, _POSITIVE, lambda k, out, x, n: x < 0.0),),
        ops.POWER: (
            Reason(
                "the derivative by the exponent is out * log(x), and a negative number has no "
                "real logarithm",
                "give the exponent as a number, or keep the base above 0",
                lambda k, out, x, y: k == 1 and x < 0.0,
            ),
            Reason(_FRACTION, _POSITIVE, lambda k, out, x, y: x < 0.0),
        ),
        ops.SQRT: (
            Reason("a negative number has no real square root", _POSITIVE, lambda k, out, x: x < 0),
        ),
        ops.LOGSUMEXP: (
            Reason("inf - inf has no value", _INFINITE, lambda k, out, *xs: math.isinf(out)),
        ),
    },
    "inf": {
        ops.MUL: (Reason(_OTHER_IS_INF, _INFINITE, lambda k, out, *xs: math.isinf(xs[1 - k])),),
        ops.DOT: (Reason(_OTHER_IS_INF, _INFINITE, lambda k, out, *xs: math.isinf(_factor(k, xs))),),
        ops.DIV: (Reason("it divides by 0", _DIVISOR, lambda k, out, x, y: y == 0.0),),
        ops.POW: (Reason(_STEEP, _SMOOTH, lambda k, out, x, n: x == 0.0),),
        ops.POWER: (Reason(_STEEP, _SMOOTH, lambda k, out, x, y: x == 0.0),),
        ops.EXP: (
            Reason("the derivative is the result, and that is inf", _INFINITE,
                   lambda k, out, x: math.isinf(out)),
        ),
        ops.LOG: (Reason(_STEEP, _SMOOTH, lambda k, out, x: x == 0.0),),
        ops.SQRT: (Reason(_STEEP, _SMOOTH, lambda k, out, x: out == 0.0),),
    },
    "zero": {
        ops.MUL: (Reason(_OTHER_FACTOR, when=lambda k, out, *xs: xs[1 - k] == 0.0),),
        ops.DOT: (Reason(_OTHER_FACTOR, when=lambda k, out, *xs: _factor(k, xs) == 0.0),),
        ops.DIV: (
            Reason("it divides by inf", _INFINITE, lambda k, out, x, y: math.isinf(y)),
            Reason("the numerator is 0, whatever the divisor",
                   when=lambda k, out, x, y: k == 1 and x == 0.0),
        ),
        ops.POW: (
            Reason("x ** 0 is 1, whatever x is", when=lambda k, out, x, n: n == 0.0),
            Reason(_FLAT, when=lambda k, out, x, n: x == 0.0),
        ),
        ops.POWER: (
            Reason("x ** 0 is 1, whatever x is", when=lambda k, out, x, y: k == 0 and y == 0.0),
            Reason("1 ** y is 1, whatever y is", when=lambda k, out, x, y: k == 1 and x == 1.0),
            Reason(_FLAT, when=lambda k, out, x, y: x == 0.0),
        ),
        ops.ABS: (
            Reason("the derivative of abs at 0 is taken as 0", when=lambda k, out, x: x == 0.0),
        ),
        ops.RELU: (Reason("relu hands nothing on where its operand is not above 0", _DEAD),),
        ops.TANH: (
            Reason("tanh is saturated: it is flat at -1 and 1", _SATURATED,
                   lambda k, out, x: abs(out) == 1.0),
        ),
        ops.SIGMOID: (
            Reason("sigmoid is saturated: it is flat at 0 and 1", _SATURATED,
                   lambda k, out, x: out in (0.0, 1.0)),
        ),
        ops.EXP: (
            Reason("the derivative is the result, and that is 0", _SCALE,
                   lambda k, out, x: out == 0.0),
        ),
        ops.LOG: (Reason("it is flat at inf", _INFINITE, lambda k, out, x: math.isinf(x)),),
        ops.SQRT: (Reason("it is flat at inf", _INFINITE, lambda k, out, x: math.isinf(x)),),
        ops.COS: (Reason("cos is flat at its top, 0", when=lambda k, out, x: x == 0.0),),
        ops.MAXIMUM: _ELSEWHERE,
        ops.MINIMUM: _ELSEWHERE,
        ops.LOGSUMEXP: (
            Reason("another operand is so much larger that this one does not count", _SCALE,
                   lambda k, out, *xs: ops.EXP.forward(xs[k] - out) == 0.0),
        ),
        ops.WHERE: (
            Reason("the condition only chooses, and a choice has no derivative",
                   when=lambda k, out, *xs: k == 0),
            Reason("the other branch was taken"),
        ),
        ops.GREATER: _CHOICE,
        ops.EQUAL: _CHOICE,
        ops.ARGMAX: _CHOICE,
        ops.ARGMIN: _CHOICE,
    },
}  # fmt: skip
