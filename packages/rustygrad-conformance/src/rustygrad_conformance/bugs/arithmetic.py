"""Bugs of the forward pass: wrong numbers, wrong rounding, wrong nodes."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Any

from .. import cases
from ..engine import Engine
from . import bug

_IEEE = "test_numbers_follow_ieee_754_and_never_raise"
_ROUNDING = "test_rounding_happens_where_the_contract_says"
_REFLECTED = "test_reflected_operators_keep_their_order"
_ONE_NODE = "test_an_operation_makes_one_node_of_micrograds_name"


# --- operators --------------------------------------------------------------


@bug("2 - x computes x - 2", f"{_REFLECTED}[-]")
def reflected_sub_swapped(m: Engine) -> None:
    m.Value.__rsub__ = m.Value.__sub__


@bug("2 / x computes x / 2", f"{_REFLECTED}[/]")
def reflected_div_swapped(m: Engine) -> None:
    m.Value.__rtruediv__ = m.Value.__truediv__


@bug("2 ** x computes x ** 2", f"{_REFLECTED}[**]")
def reflected_pow_swapped(m: Engine) -> None:
    m.Value.__rpow__ = m.Value.__pow__


@bug("+= changes the Value that it is applied to", "test_in_place_forms_rebind_to_a_new_node[+]")
def in_place_changes_the_value(m: Engine) -> None:
    def add(v: Any, other: Any) -> Any:
        v._data += getattr(other, "_data", other)
        return v

    m.Value.__iadd__ = add


@bug(
    "the 0 that sum() starts from makes a node",
    "test_the_integer_0_that_sum_starts_from_makes_no_node",
)
def sum_starts_with_a_node(m: Engine) -> None:
    m.Value.__radd__ = lambda v, other: m.value._binary(m.ops.ADD, other, v)


@bug("a - b is made of two nodes, a + (-b)", f"{_ONE_NODE}[a - b]")
def sub_is_two_nodes(m: Engine) -> None:
    m.Value.__sub__ = lambda v, other: v + (-other)


@bug("a / b is made of two nodes, a * b**-1", f"{_ONE_NODE}[a / b]")
def div_is_two_nodes(m: Engine) -> None:
    m.Value.__truediv__ = lambda v, other: v * other**-1


@bug(
    "arithmetic with what it does not know raises instead of returning NotImplemented",
    "test_arithmetic_lets_strangers_reflect",
)
def strangers_are_refused(m: Engine) -> None:
    m.value._binary = lambda op, x, y: m.value.apply(op, (x, y))


# --- rounding ---------------------------------------------------------------


@bug("results are rounded to single precision", f"{_ROUNDING}[numbers-are-doubles]")
def single_precision(m: Engine) -> None:
    node = m.value._node

    def rounded(op: Any, data: float, *rest: Any) -> Any:
        try:
            data = struct.unpack("f", struct.pack("f", data))[0]
        except OverflowError:
            data = math.copysign(math.inf, data)
        return node(op, data, *rest)

    m.value._node = rounded


def _fused_dot(*operands: float) -> float:
    total = operands[0] if len(operands) % 2 else -0.0
    for w, x in zip(
        operands[len(operands) % 2 :: 2], operands[len(operands) % 2 + 1 :: 2], strict=True
    ):
        if all(map(math.isfinite, (w, x, total))) and w and x:
            total = float(Fraction(w) * Fraction(x) + Fraction(total))
        else:
            total = total + w * x
    return total


@bug(
    "dot is compiled to fused multiply-adds, which do not round the products",
    f"{_ROUNDING}[dot-rounds-each-product]",
)
def dot_is_fused(m: Engine) -> None:
    m.ops.DOT.forward = _fused_dot


@bug("dot adds the bias last", f"{_ROUNDING}[dot-begins-with-the-bias]")
def dot_adds_the_bias_last(m: Engine) -> None:
    dot = m.ops.DOT.forward
    m.ops.DOT.forward = lambda *xs: (
        dot(*xs[1:]) + xs[0] if len(xs) % 2 and len(xs) > 1 else dot(*xs)
    )


@bug("dot starts from 0.0, which turns -0.0 into 0.0", f"{_ROUNDING}[dot-keeps-negative-0]")
def dot_starts_from_0(m: Engine) -> None:
    dot = m.ops.DOT.forward
    m.ops.DOT.forward = lambda *xs: dot(*xs) if len(xs) % 2 else dot(0.0, *xs)


def _with_total(m: Engine, total: Any) -> None:
    def safe(*xs: float) -> float:
        try:
            return float(total(xs))
        except (OverflowError, ValueError):
            return m.ops._sum(*xs)  # type: ignore[no-any-return]

    m.ops.SUM.forward = safe


@bug("sum compensates rounding", f"{_ROUNDING}[sum-is-not-compensated]")
def sum_is_compensated(m: Engine) -> None:
    _with_total(m, math.fsum)


@bug("sum adds in pairs", f"{_ROUNDING}[sum-is-not-pairwise]")
def sum_is_pairwise(m: Engine) -> None:
    def total(xs: tuple[float, ...]) -> float:
        half = len(xs) // 2
        return total(xs[:half]) + total(xs[half:]) if half else xs[0]

    _with_total(m, total)


@bug("sum adds from right to left", f"{_ROUNDING}[sum-adds-from-left-to-right]")
def sum_is_backwards(m: Engine) -> None:
    _with_total(m, lambda xs: m.ops._sum(*xs[::-1]))


@bug("sum forgets its last operand", f"{_ROUNDING}[sum-is-not-compensated]")
def sum_forgets_one(m: Engine) -> None:
    _with_total(m, lambda xs: m.ops._sum(*xs[:-1] or xs))


@bug("mean divides each operand before it adds", f"{_ROUNDING}[mean-divides-last]")
def mean_divides_first(m: Engine) -> None:
    m.ops.MEAN.forward = lambda *xs: m.ops._sum(*[x / len(xs) for x in xs])


@bug("mean multiplies with 1/n", f"{_ROUNDING}[mean-divides-the-sum]")
def mean_multiplies(m: Engine) -> None:
    m.ops.MEAN.forward = lambda *xs: m.ops._sum(*xs) * (1.0 / len(xs))


@bug(
    "a / b is computed as a * (1 / b)",
    f"{_ROUNDING}[division-is-not-a-product-with-the-inverse]",
)
def div_multiplies(m: Engine) -> None:
    divide = m.ops.DIV.forward
    m.ops.DIV.forward = lambda x, y: x * divide(1.0, y)


def _pow_by_libm(m: Engine, exponent: float) -> None:
    right, libm = m.ops.POW.forward, m.ops.POWER.forward
    m.ops.POW.forward = lambda x, n: libm(x, n) if n == exponent else right(x, n)


if cases.where_pow_rounds_otherwise(2.0):  # else it makes no difference on this machine

    @bug("x ** 2 calls pow", "test_squares_and_inverses_are_not_libms_pow[square]")
    def square_calls_pow(m: Engine) -> None:
        _pow_by_libm(m, 2.0)


if cases.where_pow_rounds_otherwise(-1.0):

    @bug("x ** -1 calls pow", "test_squares_and_inverses_are_not_libms_pow[inverse]")
    def inverse_calls_pow(m: Engine) -> None:
        _pow_by_libm(m, -1.0)


@bug(
    "whole powers are repeated products",
    "test_powers_other_than_squares_are_libms_pow[1.1-4.0]",
)
def pow_multiplies(m: Engine) -> None:
    libm = m.ops.POW.forward

    def power(x: float, n: float) -> float:
        return math.prod([x] * int(n)) if n in (3.0, 4.0, 5.0, 7.0) else float(libm(x, n))

    m.ops.POW.forward = power


# --- the edges of the numbers -----------------------------------------------


@bug("powers go through exp and log", f"{_IEEE}[odd-power-overflows-to-negative-inf]")
def pow_through_logarithms(m: Engine) -> None:
    libm, log, exp = m.ops.POW.forward, m.ops.LOG.forward, m.ops.EXP.forward
    m.ops.POW.forward = lambda x, n: libm(x, n) if n in (2, 0, -1) else exp(n * log(x))


@bug("log raises at 0", f"{_IEEE}[log-of-0]")
def log_raises(m: Engine) -> None:
    m.ops.LOG.forward = math.log


@bug("exp raises where it overflows", f"{_IEEE}[exp-overflows-to-inf]")
def exp_raises(m: Engine) -> None:
    m.ops.EXP.forward = math.exp


@bug("division by 0 raises", f"{_IEEE}[1-over-0]")
def div_raises(m: Engine) -> None:
    m.ops.DIV.forward = lambda x, y: x / y


@bug("powers that overflow raise", f"{_IEEE}[power-overflows-to-inf]")
def pow_raises(m: Engine) -> None:
    pow_ = m.ops.POW.forward
    m.ops.POW.forward = lambda x, n: x**n if x and n not in (2.0, -1.0) else pow_(x, n)


@bug(
    "the root of a negative number is complex, without a word",
    f"{_IEEE}[root-of-negative-by-power]",
)
def pow_turns_complex(m: Engine) -> None:
    pow_ = m.ops.POW.forward
    m.ops.POW.forward = lambda x, n: x**n if x == -2.0 and n == 0.5 else pow_(x, n)


@bug(
    "sigmoid is 1 / (1 + exp(-x)), which overflows",
    f"{_IEEE}[sigmoid-of-large-negative]",
)
def sigmoid_overflows(m: Engine) -> None:
    m.ops.SIGMOID.forward = lambda x: 1.0 / (1.0 + math.exp(-x))


@bug(
    "sigmoid is 1 / (1 + exp(-x)), which loses small results",
    f"{_IEEE}[sigmoid-keeps-small-results]",
)
def sigmoid_underflows(m: Engine) -> None:
    m.ops.SIGMOID.forward = lambda x: 1.0 - 1.0 / (1.0 + m.ops.EXP.forward(x))


@bug(
    "tanh is (exp(2x) - 1) / (exp(2x) + 1), which is nan for large x",
    f"{_IEEE}[tanh-of-large]",
)
def tanh_overflows(m: Engine) -> None:
    def tanh(x: float) -> float:
        e = m.ops.EXP.forward(2.0 * x)
        return float((e - 1.0) / (e + 1.0))

    m.ops.TANH.forward = tanh


@bug("logsumexp overflows where its operands are large", f"{_IEEE}[logsumexp-of-large]")
def logsumexp_overflows(m: Engine) -> None:
    exp, log = m.ops.EXP.forward, m.ops.LOG.forward
    m.ops.LOGSUMEXP.forward = lambda *xs: log(m.ops._sum(*map(exp, xs)))


@bug("relu is max(0, x), which turns nan into 0", f"{_IEEE}[relu-of-nan]")
def relu_hides_nan(m: Engine) -> None:
    m.ops.RELU.forward = lambda x: max(0.0, x)


@bug("relu of -0.0 is -0.0", f"{_IEEE}[relu-of-negative-0]")
def relu_keeps_negative_0(m: Engine) -> None:
    m.ops.RELU.forward = lambda x: 0.0 if x < 0.0 else x


@bug("maximum leaves nan out", f"{_IEEE}[maximum-of-nan]")
def maximum_hides_nan(m: Engine) -> None:
    m.ops.MAXIMUM.forward = lambda *xs: max([x for x in xs if x == x], default=math.nan)


@bug("maximum gives the last of ties", f"{_IEEE}[maximum-of-tied-zeros-is-the-first]")
def maximum_is_the_last_of_ties(m: Engine) -> None:
    maximum = m.ops.MAXIMUM.forward
    m.ops.MAXIMUM.forward = lambda *xs: maximum(*xs[::-1])


@bug("0 ** 0 is nan", f"{_IEEE}[0-to-the-0]")
def zero_to_the_0_is_nan(m: Engine) -> None:
    pow_ = m.ops.POW.forward
    m.ops.POW.forward = lambda x, n: math.nan if x == 0.0 == n else pow_(x, n)


@bug("where takes nan for false", f"{_IEEE}[where-of-nan-holds]")
def where_of_nan_is_false(m: Engine) -> None:
    m.ops.WHERE.forward = lambda c, x, y: x if c > 0.0 or c < 0.0 else y


@bug(
    "where multiplies with a mask, so nan comes through from the one not taken",
    f"{_IEEE}[where-ignores-the-other]",
)
def where_multiplies(m: Engine) -> None:
    m.ops.WHERE.forward = lambda c, x, y: (c != 0) * x + (c == 0) * y
