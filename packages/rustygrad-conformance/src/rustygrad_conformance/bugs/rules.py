"""Bugs of the derivative rules: kinks, ties, limits and rounding."""

from __future__ import annotations

import struct
from typing import Any

from ..engine import Engine
from . import bug

_TRUTH = "test_gradients_agree_with_50_digits"
_CORNER = "test_gradients_at_kinks_ties_and_limits"
_BITS = "test_gradients_have_the_reference_bits"


@bug("b's gradient of a - b has the wrong sign", f"{_TRUTH}[sub]")
def sub_has_the_wrong_sign(m: Engine) -> None:
    m.ops.SUB.vjp = lambda g, out, x, y: (g, g)


@bug("a * b gives each operand its own number as gradient", f"{_TRUTH}[mul]")
def mul_is_swapped(m: Engine) -> None:
    m.ops.MUL.vjp = lambda g, out, x, y: (x * g, y * g)


@bug("tanh ignores the gradient that flows in", f"{_BITS}[tanh]")
def tanh_ignores_the_gradient(m: Engine) -> None:
    m.ops.TANH.vjp = lambda g, out, x: 1.0 - out * out


@bug("the exponent's own derivative is missing from x ** y", f"{_TRUTH}[power]")
def power_forgets_the_exponent(m: Engine) -> None:
    vjp = m.ops.POWER.vjp
    m.ops.POWER.vjp = lambda g, out, x, y: (vjp(g, out, x, y)[0], 0.0)


@bug("dot forgets the gradient of its bias", f"{_TRUTH}[dot]")
def dot_forgets_the_bias(m: Engine) -> None:
    vjp = m.ops.DOT.vjp

    def forgetful(g: Any, out: Any, *xs: Any) -> Any:
        grads = vjp(g, out, *xs)
        return (0.0, *grads[1:]) if len(xs) % 2 else grads

    m.ops.DOT.vjp = forgetful


@bug("mean hands on the gradient undivided", f"{_TRUTH}[mean]")
def mean_forgets_to_divide(m: Engine) -> None:
    m.ops.MEAN.vjp = lambda g, out, *xs: (g,) * len(xs)


@bug("gradients are kept in single precision", "test_assigned_gradient_becomes_a_float[float]")
def gradients_in_single_precision(m: Engine) -> None:
    slot = m.Value._grad

    def set_grad(v: Any, grad: float) -> None:
        if grad and abs(grad) < 1e38:  # the sweep tells its own zero by identity
            grad = struct.unpack("f", struct.pack("f", grad))[0]
        slot.__set__(v, grad)

    m.Value._grad = property(slot.__get__, set_grad)


@bug("relu has the slope 1 at 0", f"{_CORNER}[relu-at-0]")
def relu_slope_at_0(m: Engine) -> None:
    m.ops.RELU.vjp = lambda g, out, x: m.ops.WHERE(m.ops.GREATER(0.0, x), 0.0, g)


@bug("relu has the slope 1/2 at 0", f"{_CORNER}[relu-at-0]")
def relu_slope_half_at_0(m: Engine) -> None:
    op = m.ops
    op.RELU.vjp = lambda g, out, x: op.WHERE(
        op.GREATER(x, 0.0), g, op.WHERE(op.EQUAL(x, 0.0), 0.5 * g, 0.0)
    )


@bug("relu multiplies the gradient with its result", f"{_TRUTH}[relu]")
def relu_multiplies(m: Engine) -> None:
    m.ops.RELU.vjp = lambda g, out, x: out * g


@bug("abs has the slope 1 at 0", f"{_CORNER}[abs-at-0]")
def abs_slope_at_0(m: Engine) -> None:
    m.ops.ABS.vjp = lambda g, out, x: m.ops.WHERE(m.ops.GREATER(0.0, x), -g, g)


@bug("abs divides x by its size, which is nan at 0", f"{_CORNER}[abs-at-0]")
def abs_divides(m: Engine) -> None:
    m.ops.ABS.vjp = lambda g, out, x: m.ops.DIV(x, out) * g


@bug("the gradient of x ** 0 at 0 is nan", f"{_CORNER}[0-to-the-0]")
def pow_0_is_nan(m: Engine) -> None:
    m.ops.POW.vjp = lambda g, out, x, n: (n * m.ops.POW(x, n - 1.0)) * g


@bug("the gradient of x ** n divides by x, which is nan at 0", f"{_CORNER}[0-to-the-0]")
def pow_divides(m: Engine) -> None:
    m.ops.POW.vjp = lambda g, out, x, n: m.ops.DIV(n * out, x) * g


@bug("the gradient of 0 ** y by y is -inf or nan", f"{_CORNER}[0-to-the-0-of-values]")
def power_base_0_is_not_flat(m: Engine) -> None:
    vjp, log = m.ops.POWER.vjp, m.ops.LOG
    m.ops.POWER.vjp = lambda g, out, x, y: (vjp(g, out, x, y)[0], (out * log(x)) * g)


@bug("the last of tied operands takes the gradient of maximum", f"{_CORNER}[maximum-of-ties]")
def maximum_gradient_to_the_last(m: Engine) -> None:
    vjp = m.ops.MAXIMUM.vjp
    m.ops.MAXIMUM.vjp = lambda g, out, *xs: tuple(vjp(g, out, *xs[::-1])[::-1])


@bug("tied operands share the gradient of maximum", f"{_CORNER}[maximum-of-ties]")
def maximum_gradient_shared(m: Engine) -> None:
    def vjp(g: Any, out: Any, *xs: Any) -> Any:
        ties = sum(x == out for x in xs) or 1
        return tuple([g / ties if x == out else 0.0 for x in xs])

    m.ops.MAXIMUM.vjp = vjp


@bug("every one of tied operands takes the gradient of minimum", f"{_CORNER}[minimum-of-ties]")
def minimum_gradient_to_all(m: Engine) -> None:
    m.ops.MINIMUM.vjp = lambda g, out, *xs: tuple(
        [m.ops.WHERE(m.ops.EQUAL(x, out), g, 0.0) for x in xs]
    )


@bug("where multiplies the gradient with its condition", f"{_TRUTH}[where]")
def where_gradient_multiplies(m: Engine) -> None:
    m.ops.WHERE.vjp = lambda g, out, c, x, y: (
        0.0, c * g, m.ops.WHERE(c, 0.0, g),
    )  # fmt: skip


@bug("softmax of logsumexp is computed without its result", f"{_CORNER}[logsumexp-of-large]")
def logsumexp_gradient_overflows(m: Engine) -> None:
    op = m.ops

    def vjp(g: Any, out: Any, *xs: Any) -> Any:
        total = op._sum(*[op.EXP(x) for x in xs])
        return tuple([op.DIV(op.EXP(x), total) * g for x in xs])

    op.LOGSUMEXP.vjp = vjp


@bug("the product with the incoming gradient is rounded elsewhere", f"{_BITS}[pow]")
def pow_gradient_in_another_order(m: Engine) -> None:
    op = m.ops

    def vjp(g: Any, out: Any, x: Any, n: float) -> Any:
        return 0.0 if n == 0.0 else n * (op.POW(x, n - 1.0) * g)

    op.POW.vjp = vjp


@bug("the derivative of tanh is rounded as (1 - t) * (1 + t)", f"{_BITS}[tanh]")
def tanh_gradient_factored(m: Engine) -> None:
    m.ops.TANH.vjp = lambda g, out, x: ((1.0 - out) * (1.0 + out)) * g


@bug("a / b hands b its gradient as -a / b**2", f"{_BITS}[div]")
def div_gradient_by_the_square(m: Engine) -> None:
    op = m.ops
    op.DIV.vjp = lambda g, out, x, y: (op.DIV(g, y), -(op.DIV(x, y * y) * g))
