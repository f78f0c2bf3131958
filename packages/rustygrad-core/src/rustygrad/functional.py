"""Functions over Values and numbers. Each follows its operands' backend.

The reductions take any iterable and make one node, however many operands there
are. Given numbers alone, a function makes a Value of the selected backend.

All of them raise `ConversionError` for an operand that is neither a Value nor a
real number, and `MixedBackendsError` for Values of two backends. Numbers never
raise: what has no finite result is inf or nan, as IEEE 754 has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import ops
from .convert import as_float, as_number, as_whole, backend_of, kind_of
from .errors import ArgumentError, ConversionError, LengthError
from .ops import Op
from .selection import operands_backend

if TYPE_CHECKING:
    from .reference import Value

__all__ = [
    "clip",
    "cos",
    "cross_entropy",
    "custom",
    "detach",
    "dot",
    "exp",
    "hinge",
    "log",
    "log_softmax",
    "logsumexp",
    "maximum",
    "mean",
    "minimum",
    "mse",
    "relu",
    "sigmoid",
    "sin",
    "softmax",
    "sqrt",
    "sum",
    "tanh",
    "where",
]


def _apply(op: Op, operands: Sequence[Any]) -> Value:
    value: Value = operands_backend(operands).apply(op, operands)
    return value


def _items(values: Any, function: str) -> list[Any]:
    """The items of an iterable.

    Raises:
        ConversionError: it is not one.
    """
    try:
        return list(values)
    except TypeError:
        raise ConversionError(
            f"{function}() takes an iterable of Values and numbers, not {kind_of(values)}"
        ) from None


def _some(values: Any, function: str) -> list[Any]:
    """The items of an iterable that must have some.

    Raises:
        ConversionError: it is not iterable.
        LengthError: it is empty.
    """
    items = _items(values, function)
    if not items:
        raise LengthError(f"{function}() of no values: give it one or more")
    return items


# --- one operand ------------------------------------------------------------


def relu(x: Any) -> Value:
    """max(x, 0), from 0 up; its derivative at 0 is 0, and nan stays nan."""
    return _apply(ops.RELU, (x,))


def tanh(x: Any) -> Value:
    """The hyperbolic tangent, from -1 to 1."""
    return _apply(ops.TANH, (x,))


def sigmoid(x: Any) -> Value:
    """1 / (1 + exp(-x)), from 0 to 1, without overflow."""
    return _apply(ops.SIGMOID, (x,))


def exp(x: Any) -> Value:
    """E to the power of x; inf where that is too large."""
    return _apply(ops.EXP, (x,))


def log(x: Any) -> Value:
    """The natural logarithm; -inf at 0 and nan below."""
    return _apply(ops.LOG, (x,))


def sqrt(x: Any) -> Value:
    """The square root; nan below 0."""
    return _apply(ops.SQRT, (x,))


def sin(x: Any) -> Value:
    """The sine of an angle in radians, from -1 to 1; nan of an infinite one."""
    return _apply(ops.SIN, (x,))


def cos(x: Any) -> Value:
    """The cosine of an angle in radians, from -1 to 1; nan of an infinite one."""
    return _apply(ops.COS, (x,))


# --- many operands, one node ------------------------------------------------


def sum(values: Iterable[Any], start: Any = 0) -> Value:  # noqa: A001  (the field's name for it)
    """The sum, added from left to right; 0 of nothing.

    It takes the arguments of the built-in `sum`, and is one node as well.

    Args:
        values: what to add up.
        start: what to add it to, the first operand of the node unless it is the int 0.
    """
    items = _items(values, "sum")
    if type(start) is not int or start != 0:
        items.insert(0, start)
    return _apply(ops.SUM, items or (0.0,))


def mean(values: Iterable[Any]) -> Value:
    """The sum divided by the number of values.

    Raises:
        LengthError: there are no values.
    """
    return _apply(ops.MEAN, _some(values, "mean"))


def dot(ws: Iterable[Any], xs: Iterable[Any], bias: Any = None) -> Value:
    """``bias + w0*x0 + w1*x1 + ...``, added in that order, each product rounded first.

    Raises:
        LengthError: `ws` and `xs` differ in length.
    """
    weights, inputs = _items(ws, "dot"), _items(xs, "dot")
    if len(weights) != len(inputs):
        raise LengthError(
            f"dot() takes as many weights as inputs, and got {len(weights)} and {len(inputs)}"
        )
    operands = dot_operands(weights, inputs, bias)
    return _apply(ops.DOT, operands or (0.0,))


def dot_operands(ws: Sequence[Any], xs: Sequence[Any], bias: Any = None) -> list[Any]:
    """The operands of `dot` in the op table's order: the bias if any, then w0, x0, w1, x1, ..."""
    first = 0 if bias is None else 1
    operands = [bias] * (first + 2 * len(ws))
    operands[first::2] = ws
    operands[first + 1 :: 2] = xs
    return operands


def maximum(*values: Any) -> Value:
    """The largest of an iterable, or of several arguments; the first of ties takes the gradient.

    Raises:
        LengthError: there are no values.
    """
    return _apply(ops.MAXIMUM, _some(values[0] if len(values) == 1 else values, "maximum"))


def minimum(*values: Any) -> Value:
    """The smallest of an iterable, or of several arguments; the first of ties takes the gradient.

    Raises:
        LengthError: there are no values.
    """
    return _apply(ops.MINIMUM, _some(values[0] if len(values) == 1 else values, "minimum"))


def logsumexp(values: Iterable[Any]) -> Value:
    """log(exp(x0) + exp(x1) + ...), computed from the largest so that nothing overflows.

    It is ``m + log(exp(x0 - m) + exp(x1 - m) + ...)`` with m the largest (Blanchard,
    Higham & Higham 2021, "Accurately computing the log-sum-exp and softmax functions").

    Raises:
        LengthError: there are no values.
    """
    return _apply(ops.LOGSUMEXP, _some(values, "logsumexp"))


def where(condition: Any, x: Any, y: Any) -> Value:
    """`x` where the condition holds, else `y`; the one not taken gets the gradient 0.

    Args:
        condition: a bool, or a number or Value, which holds unless it is 0.
        x: a Value or number.
        y: a Value or number.
    """
    return _apply(ops.WHERE, (condition, x, y))


# --- built on them ----------------------------------------------------------


def softmax(values: Iterable[Any]) -> list[Value]:
    """exp(x) / (exp(x0) + exp(x1) + ...) for each x, from 0 to 1; they add up to 1.

    Raises:
        LengthError: there are no values.
    """
    return [exp(x) for x in log_softmax(_some(values, "softmax"))]


def log_softmax(values: Iterable[Any]) -> list[Value]:
    """The logarithm of `softmax`, ``x - logsumexp(values)``, finite where softmax underflows.

    Raises:
        LengthError: there are no values.
    """
    items = _some(values, "log_softmax")
    total = logsumexp(items)
    return [x - total for x in items]


def cross_entropy(logits: Iterable[Any], target: int) -> Value:
    """-log_softmax(logits)[target], in nats: the loss of one sample.

    Args:
        logits: the scores of the classes, any real numbers.
        target: the index of the right class.

    Raises:
        ArgumentError: `target` is not the index of a class.
        LengthError: there are no logits.
    """
    items = _some(logits, "cross_entropy")
    index = int(target) if isinstance(target, bool) else as_whole(target)  # y > 0 is a class, too
    if index is None or not 0 <= index < len(items):
        raise ArgumentError(
            f"cross_entropy() takes the index of one of {len(items)} classes, not {target!r}"
        )
    loss: Value = logsumexp(items) - items[index]
    return loss


def hinge(scores: Iterable[Any], targets: Iterable[Any]) -> Value:
    """The max-margin loss (Cortes & Vapnik 1995), the mean of max(0, 1 - target * score).

    Args:
        scores: one a sample.
        targets: one a sample, -1 or 1.

    Raises:
        LengthError: they differ in number, or there are none.
    """
    margins = [1 - y * s for s, y in _pairs(scores, targets, "hinge", "scores")]
    apply = operands_backend(margins).apply
    return mean([apply(ops.RELU, (margin,)) for margin in margins])


def mse(predictions: Iterable[Any], targets: Iterable[Any]) -> Value:
    """The mean of (prediction - target)**2.

    Raises:
        LengthError: they differ in number, or there are none.
    """
    pairs = _pairs(predictions, targets, "mse", "predictions")
    apply = operands_backend([x for pair in pairs for x in pair]).apply
    return mean([apply(ops.SUB, pair) ** 2 for pair in pairs])


def clip(x: Any, low: Any, high: Any) -> Value:
    """`x` limited to the interval from `low` to `high`; outside it the gradient of x is 0.

    Raises:
        ArgumentError: `low` is above `high`.
        ConversionError: one of the three is neither a Value nor a real number.
    """
    for operand in (x, low, high):
        if backend_of((operand,)) is None and as_number(operand) is None:
            raise ConversionError(f"clip() takes Values and numbers, not {kind_of(operand)}")
    if low > high:
        raise ArgumentError(f"clip() takes low <= high, not low={low} and high={high}")
    apply = operands_backend((x, low, high)).apply
    clipped: Value = apply(ops.MINIMUM, (apply(ops.MAXIMUM, (x, low)), high))
    return clipped


def _pairs(xs: Any, ys: Any, function: str, name: str) -> list[tuple[Any, Any]]:
    first, second = _items(xs, function), _items(ys, function)
    if len(first) != len(second):
        raise LengthError(
            f"{function}() takes as many targets as {name}, and got {len(second)} and {len(first)}"
        )
    _some(first, function)
    return list(zip(first, second, strict=True))


# --- outside the graph ------------------------------------------------------


def detach(value: Any) -> Value:
    """A leaf with the same data and label, and no history.

    Raises:
        ConversionError: `value` is not a Value.
    """
    backend = backend_of([value])
    if backend is None:
        raise ConversionError(f"detach() takes a Value, not {kind_of(value)}")
    leaf: Value = backend.Value(value.data, label=value.label)
    return leaf


class Custom:
    """An operation of the user's own, see `custom`."""

    def __init__(self, forward: Callable[..., Any], vjp: Callable[..., Any], name: str) -> None:
        self.forward = forward
        self.vjp = vjp
        self.name = name

    def __call__(self, *operands: Any) -> Value:
        """Apply it to Values and numbers."""
        backend = operands_backend(operands)
        data = [x.data if isinstance(x, backend.Value) else as_float(x) for x in operands]
        result = as_float(self.forward(*data))
        node: Value = backend.custom(self.name, operands, result, self._gradients)
        return node

    def _gradients(self, g: float, out: float, *operands: float) -> tuple[float, ...]:
        grads = self.vjp(g, out, *operands)
        single = as_number(grads) is not None or not hasattr(grads, "__iter__")
        grads = (grads,) if single else tuple(grads)
        if len(grads) != len(operands):
            raise LengthError(
                f"the vjp of {self.name!r} gave {len(grads)} gradients for {len(operands)} operands"
            )
        return tuple([as_float(g) for g in grads])

    def __repr__(self) -> str:
        return f"<custom operation {self.name}>"


def custom(forward: Callable[..., Any], vjp: Callable[..., Any], name: str = "") -> Custom:
    """Make an operation of your own.

    Args:
        forward: the result, from the operands' floats.
        vjp: ``vjp(g, out, *operands)``, all floats: the gradient of each operand,
            given `g`, the gradient of the result `out`. A tuple, or a bare
            number where there is one operand.
        name: what the node is called; by default the name of `forward`.

    Returns:
        A function of Values and numbers. Its nodes draw, and refuse to compile.

    Raises:
        ArgumentError: `forward` or `vjp` is no function.

    Example:
        >>> import math, rustygrad
        >>> cbrt = rustygrad.custom(math.cbrt, lambda g, out, x: g / (3 * out * out))
        >>> x = rustygrad.Value(8.0)
        >>> cbrt(x).backward()
        >>> round(x.grad, 6)
        0.083333
    """
    for what, function in (("forward", forward), ("vjp", vjp)):
        if not callable(function):
            raise ArgumentError(f"custom() takes two functions, and {what} is {kind_of(function)}")
    return Custom(forward, vjp, name or getattr(forward, "__name__", "custom"))
