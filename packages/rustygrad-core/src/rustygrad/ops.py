"""The op table: what each operation computes and how its gradient flows back.

One `Op` an operation, its forward and its derivative side by side. Everything
else reads this table: the reference engine computes with it, graphs name their
nodes by it, the documentation prints it, the conformance suite is made from it
and compiled backends are checked against it.

A derivative is a *vjp* rule, a vector-Jacobian product: given ``g``, the
gradient of the final result with respect to this operation's ``out``, it gives
the gradient that each operand receives. A rule is written once and runs on
floats (eager `backward`) and on graph references (`differentiate`) alike. For
that it may use ``+ - *`` and unary ``-`` freely, and calls the table's own
operations for the rest, because Python's ``/`` and ``**`` raise where IEEE 754
says inf or nan.

The bits are part of the meaning. Reductions associate from left to right,
every product is rounded before it is added, and a rule's own order of
operations is the one written here.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

__all__ = ["LEAF", "OPAQUE", "OPS", "Op", "by_code"]

inf, nan = math.inf, math.nan


class Op:
    """One row of the table. Rows are compared by identity.

    Attributes:
        name: unique identifier, as stored in a saved graph.
        symbol: what `Value._op` shows; micrograd's names where it has one.
        arity: number of operands; None for any number from one up.
        forward: the result, from the operands and the attribute if there is one.
        vjp: ``vjp(g, out, *operands[, attribute])``, the operands' gradients: a
            bare number where `arity` is 1, else a sequence in operand order.
        formula: the mathematical definition, over ``x``, ``y``, ``z`` or the
            list ``xs``, in a notation that a program can evaluate.
        domain: for each operand the interval where the operation is real and
            finite; the last one holds for all that follow.
        kinks: where the operation has no derivative, in words; empty if it has
            one in the whole domain.
        attribute: name of the constant that belongs to the node, if any.
        last_first: whether the operands receive their gradients last to first.
        expands: whether `forward` is made of ``+`` and ``*`` (and a final
            division) alone, so that a graph may write it out.
        mask: whether it yields a choice, 0.0 or 1.0 or an index: its derivative
            is zero. Masks appear in derivatives and not in users' programs.
        code: position in the table, the op column of a graph.
    """

    __slots__ = (
        "arity", "attribute", "code", "domain", "expands", "formula", "forward",
        "kinks", "last_first", "mask", "name", "symbol", "vjp",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        symbol: str,
        arity: int | None,
        *,
        formula: str,
        forward: Callable[..., Any],
        vjp: Callable[..., Any],
        domain: tuple[tuple[float, float], ...] = ((-inf, inf),),
        kinks: str = "",
        attribute: str | None = None,
        last_first: bool = False,
        expands: bool = False,
        mask: bool = False,
    ) -> None:
        self.name = name
        self.symbol = symbol
        self.arity = arity
        self.formula = formula
        self.forward = forward
        self.vjp = vjp
        self.domain = domain
        self.kinks = kinks
        self.attribute = attribute
        self.last_first = last_first
        self.expands = expands
        self.mask = mask
        self.code = len(_TABLE)
        _TABLE.append(self)

    def __call__(self, *operands: Any) -> Any:
        """Compute on floats; on graph references, write a node instead."""
        for operand in operands:
            if type(operand) is not float:
                return operand.emit(self, operands)
        return self.forward(*operands)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Callable[[str], Op], tuple[str]]:
        return by_name, (self.name,)

    def display(self, attribute: float | None) -> str:
        """The symbol as shown to people, with the attribute: ``**2``, ``**0.5``."""
        if attribute is None:
            return self.symbol
        whole = attribute.is_integer() and abs(attribute) < 1e16
        return f"{self.symbol}{int(attribute) if whole else attribute}"


_TABLE: list[Op] = []


def by_code(code: int) -> Op:
    """The row at a position of the table."""
    return _TABLE[code]


def by_name(name: str) -> Op:
    """The row of a name, `LEAF` and `OPAQUE` included; KeyError if there is none."""
    return _BY_NAME[name]


# --- IEEE 754 where Python raises -------------------------------------------


def _divide(x: float, y: float) -> float:
    try:
        return x / y
    except ZeroDivisionError:
        if x == 0.0 or x != x:
            return nan
        return math.copysign(inf, x) * math.copysign(1.0, y)


def _power(x: float, y: float) -> float:
    """C's pow, called as such."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -inf if x < 0.0 and y % 2.0 == 1.0 else inf
    except ValueError:
        if x == 0.0:  # a pole: x ** -1, x ** -2, ...
            return math.copysign(inf, x) if y % 2.0 == 1.0 else inf
        return nan  # a negative base and a fractional exponent


def _pow(x: Any, exponent: float) -> Any:
    if exponent == 2.0:
        return x * x
    if exponent == -1.0:
        return DIV(1.0, x)
    return POWER(x, exponent)


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return inf


def _log(x: float) -> float:
    if x > 0.0:
        return math.log(x)
    return -inf if x == 0.0 else nan


def _sqrt(x: float) -> float:
    return nan if x < 0.0 else math.sqrt(x)


def _sin(x: float) -> float:
    return nan if math.isinf(x) else math.sin(x)


def _cos(x: float) -> float:
    return nan if math.isinf(x) else math.cos(x)


# --- the longer forward functions and rules ---------------------------------


def _relu(x: float) -> float:
    return 0.0 if x <= 0.0 else x


def _sigmoid(x: float) -> float:
    """Either form is exact where the other overflows or cancels."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def _sum(*xs: Any) -> Any:
    total = xs[0]
    for x in xs[1:]:  # not the built-in sum: from Python 3.12 on it compensates rounding
        total = total + x
    return total


def _mean(*xs: Any) -> Any:
    return DIV(_sum(*xs), float(len(xs)))


def _mean_vjp(g: Any, out: Any, *xs: Any) -> tuple[Any, ...]:
    return (DIV(g, float(len(xs))),) * len(xs)


def _dot(*operands: Any) -> Any:
    """Operands are ``w0, x0, w1, x1, ...``, after the bias if their number is odd."""
    rest = iter(operands)
    total = next(rest) if len(operands) % 2 else next(rest) * next(rest)
    for w in rest:
        total = total + w * next(rest)
    return total


def _dot_vjp(g: Any, out: Any, *operands: Any) -> list[Any]:
    """Of a product, each factor gets the other one times g; the bias gets g."""
    biased = len(operands) % 2
    grads = [operand * g for operand in operands]
    grads[biased::2], grads[biased + 1 :: 2] = grads[biased + 1 :: 2], grads[biased::2]
    if biased:
        grads[0] = g
    return grads


def _first(better: Callable[[float, float], bool]) -> Callable[..., float]:
    """The index of the first best operand; of the first nan if there is one."""

    def index(*xs: float) -> float:
        best = 0
        for i, x in enumerate(xs):
            if x != x:
                return float(i)
            if better(x, xs[best]):
                best = i
        return float(best)

    return index


_argmax, _argmin = _first(operator.gt), _first(operator.lt)


def _maximum(*xs: float) -> float:
    return xs[int(_argmax(*xs))]


def _minimum(*xs: float) -> float:
    return xs[int(_argmin(*xs))]


def _choice_vjp(chosen: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """All of the gradient to the operand whose index `chosen` gives."""

    def vjp(g: Any, out: Any, *xs: Any) -> tuple[Any, ...]:
        index = chosen(*xs)
        return tuple(WHERE(EQUAL(index, float(i)), g, 0.0) for i in range(len(xs)))

    return vjp


def _logsumexp(*xs: float) -> float:
    peak = _maximum(*xs)
    if not math.isfinite(peak):
        return peak
    return peak + math.log(_sum(*[math.exp(x - peak) for x in xs]))


def _pow_vjp(g: Any, out: Any, x: Any, exponent: float) -> Any:
    if exponent == 0.0:
        return 0.0
    return (exponent * POW(x, exponent - 1.0)) * g


def _power_vjp(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """PyTorch's limits: d/dx of x**0 is 0, and so is d/dy of 0**y for y >= 0."""
    dx = WHERE(EQUAL(y, 0.0), 0.0, (y * POWER(x, y - 1.0)) * g)
    flat = WHERE(EQUAL(x, 0.0), WHERE(GREATER(0.0, y), 0.0, 1.0), 0.0)
    dy = WHERE(flat, 0.0, (out * LOG(x)) * g)
    return dx, dy


# --- the table --------------------------------------------------------------

_POSITIVE = (0.0, inf)

LEAF: Final[Op] = Op(
    "leaf", "", 0, formula="x",
    forward=lambda: nan,
    vjp=lambda g, out: (),
)  # fmt: skip
OPAQUE: Final[Op] = Op(
    "opaque", "?", None, formula="?",
    forward=lambda *xs: nan,
    vjp=lambda g, out, *xs: (),
)  # fmt: skip

ADD: Final[Op] = Op(
    "add", "+", 2, formula="x + y",
    forward=operator.add,
    vjp=lambda g, out, x, y: (g, g),
)  # fmt: skip
SUB: Final[Op] = Op(
    "sub", "-", 2, formula="x - y",
    forward=operator.sub,
    vjp=lambda g, out, x, y: (g, -g),
)  # fmt: skip
MUL: Final[Op] = Op(
    "mul", "*", 2, formula="x * y",
    forward=operator.mul,
    vjp=lambda g, out, x, y: (y * g, x * g),
)  # fmt: skip
DIV: Final[Op] = Op(
    "div", "/", 2, formula="x / y", kinks="y = 0",
    forward=_divide,
    vjp=lambda g, out, x, y: (DIV(g, y), -(DIV(out, y) * g)),
)  # fmt: skip
POW: Final[Op] = Op(
    "pow", "**", 1, formula="x ** n", attribute="exponent", domain=(_POSITIVE,),
    forward=_pow,
    vjp=_pow_vjp,
)  # fmt: skip
POWER: Final[Op] = Op(
    "power", "**", 2, formula="x ** y", domain=(_POSITIVE, (-inf, inf)),
    forward=_power,
    vjp=_power_vjp,
)  # fmt: skip
NEG: Final[Op] = Op(
    "neg", "neg", 1, formula="-x",
    forward=operator.neg,
    vjp=lambda g, out, x: -g,
)  # fmt: skip
ABS: Final[Op] = Op(
    "abs", "abs", 1, formula="abs(x)", kinks="x = 0, where it is taken as 0",
    forward=abs,
    vjp=lambda g, out, x: WHERE(GREATER(x, 0.0), g, WHERE(GREATER(0.0, x), -g, 0.0)),
)  # fmt: skip
RELU: Final[Op] = Op(
    "relu", "ReLU", 1, formula="max(x, 0)", kinks="x = 0, where it is taken as 0",
    forward=_relu,
    vjp=lambda g, out, x: WHERE(GREATER(x, 0.0), g, 0.0),
)  # fmt: skip
TANH: Final[Op] = Op(
    "tanh", "tanh", 1, formula="tanh(x)",
    forward=math.tanh,
    vjp=lambda g, out, x: (1.0 - out * out) * g,
)  # fmt: skip
SIGMOID: Final[Op] = Op(
    "sigmoid", "sigmoid", 1, formula="1 / (1 + exp(-x))",
    forward=_sigmoid,
    vjp=lambda g, out, x: (out * (1.0 - out)) * g,
)  # fmt: skip
EXP: Final[Op] = Op(
    "exp", "exp", 1, formula="exp(x)",
    forward=_exp,
    vjp=lambda g, out, x: out * g,
)  # fmt: skip
LOG: Final[Op] = Op(
    "log", "log", 1, formula="log(x)", domain=(_POSITIVE,),
    forward=_log,
    vjp=lambda g, out, x: DIV(g, x),
)  # fmt: skip
SQRT: Final[Op] = Op(
    "sqrt", "sqrt", 1, formula="sqrt(x)", domain=(_POSITIVE,),
    forward=_sqrt,
    vjp=lambda g, out, x: DIV(g, 2.0 * out),
)  # fmt: skip
SIN: Final[Op] = Op(
    "sin", "sin", 1, formula="sin(x)",
    forward=_sin,
    vjp=lambda g, out, x: COS(x) * g,
)  # fmt: skip
COS: Final[Op] = Op(
    "cos", "cos", 1, formula="cos(x)",
    forward=_cos,
    vjp=lambda g, out, x: -(SIN(x) * g),
)  # fmt: skip
SUM: Final[Op] = Op(
    "sum", "sum", None, formula="sum(xs)", expands=True,
    forward=_sum,
    vjp=lambda g, out, *xs: (g,) * len(xs),
)  # fmt: skip
MEAN: Final[Op] = Op(
    "mean", "mean", None, formula="sum(xs) / len(xs)", expands=True,
    forward=_mean,
    vjp=_mean_vjp,
)  # fmt: skip
DOT: Final[Op] = Op(
    "dot", "dot", None, formula="sum(x * y for x, y in pairs(xs)) + bias(xs)",
    expands=True, last_first=True,
    forward=_dot,
    vjp=_dot_vjp,
)  # fmt: skip
MAXIMUM: Final[Op] = Op(
    "maximum", "max", None, formula="max(xs)", kinks="ties, where the first operand takes all",
    forward=_maximum,
    vjp=_choice_vjp(lambda *xs: ARGMAX(*xs)),
)  # fmt: skip
MINIMUM: Final[Op] = Op(
    "minimum", "min", None, formula="min(xs)", kinks="ties, where the first operand takes all",
    forward=_minimum,
    vjp=_choice_vjp(lambda *xs: ARGMIN(*xs)),
)  # fmt: skip
LOGSUMEXP: Final[Op] = Op(
    "logsumexp", "logsumexp", None, formula="log(sum(exp(x) for x in xs))",
    forward=_logsumexp,
    vjp=lambda g, out, *xs: tuple([EXP(x - out) * g for x in xs]),
)  # fmt: skip
WHERE: Final[Op] = Op(
    "where", "where", 3, formula="y if x else z", kinks="x = 0",
    forward=lambda condition, x, y: x if condition else y,
    vjp=lambda g, out, condition, x, y: (0.0, WHERE(condition, g, 0.0), WHERE(condition, 0.0, g)),
)  # fmt: skip

GREATER: Final[Op] = Op(
    "greater", ">", 2, formula="1 if x > y else 0", kinks="x = y", mask=True,
    forward=lambda x, y: 1.0 if x > y else 0.0,
    vjp=lambda g, out, x, y: (0.0, 0.0),
)  # fmt: skip
EQUAL: Final[Op] = Op(
    "equal", "==", 2, formula="1 if x == y else 0", kinks="x = y", mask=True,
    forward=lambda x, y: 1.0 if x == y else 0.0,
    vjp=lambda g, out, x, y: (0.0, 0.0),
)  # fmt: skip
ARGMAX: Final[Op] = Op(
    "argmax", "argmax", None, formula="xs.index(max(xs))", kinks="ties", mask=True,
    forward=_argmax,
    vjp=lambda g, out, *xs: (0.0,) * len(xs),
)  # fmt: skip
ARGMIN: Final[Op] = Op(
    "argmin", "argmin", None, formula="xs.index(min(xs))", kinks="ties", mask=True,
    forward=_argmin,
    vjp=lambda g, out, *xs: (0.0,) * len(xs),
)  # fmt: skip

_BY_NAME = {op.name: op for op in _TABLE}
#: Every operation by name, in the order of the table.
OPS: Final = {op.name: op for op in _TABLE if op not in (LEAF, OPAQUE)}
