"""Programs written at random: the same seed, the same program."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from rustygrad.ops import OPS

from ..cases import EXPONENTS, SPECIAL
from ..programs import INFIX, Program, call, literal

__all__ = ["write"]

_STATEMENTS: list[Callable[[Any], None]] = []
_WEIGHTS: list[int] = []
#: Those with one operand twice, or the pairs of two such would be rare.
_OPS: Final = [*OPS.values(), *(op for op in OPS.values() if op.arity == 1)]
_TWO: Final = [op for op in _OPS if op.arity == 2]


def write(seed: int) -> Program:
    """The program of a seed: a few leaves, 10 to 40 statements, and backward."""
    writer = _Writer(seed)
    for _ in range(writer.draw.randint(10, 40)):
        writer.draw.choices(_STATEMENTS, cum_weights=_WEIGHTS)[0](writer)
    last = ", ".join(writer.values[-6:])
    writer.value_of(f"rustygrad.sum([{last}])")
    writer.lines.append(f"{writer.values[-1]}.backward()")
    return Program(writer.lines, writer.names, f"program {seed}")


class _Writer:
    """A program that is being written.

    Attributes:
        draw: where chance comes from.
        lines: what is written.
        values: the names of its Values.
        names: of all that is to be compared afterwards.
    """

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.extreme = self.draw.random() < 0.25
        self.lines = [
            "import copy, gc, pickle, random",
            "from fractions import Fraction",
            "import numpy as np",
        ]
        self.values: list[str] = []
        self.names: list[str] = []
        for name in "abcd"[: self.draw.randint(2, 4)]:
            self.keep(name, f"Value({self.number()!r})")
            self.values.append(name)

    def keep(self, name: str, expression: str) -> None:
        """Give something a name."""
        self.lines.append(f"{name} = {expression}")
        self.names.append(name)

    def fresh(self, kind: str) -> str:
        """A name that is not in use."""
        return f"{kind}{len(self.names)}"

    def value_of(self, expression: str) -> str:
        """Give a new Value a name."""
        name = self.fresh("v")
        self.keep(name, expression)
        self.values.append(name)
        return name

    def number(self) -> float:
        """For a leaf or a constant."""
        if self.extreme and self.draw.random() < 0.5:
            return self.draw.choice(SPECIAL)
        if self.draw.random() < 0.3:
            return self.draw.choice((1.0, 2.0, -1.0, 0.5, 3.0, -2.0, 0.0))
        return self.draw.uniform(-2.0, 2.0)

    def constant(self) -> str:
        """A number as an operand, of one of the types that numbers have."""
        chance = self.draw.random()
        if chance < 0.8:
            return literal(self.number())
        if chance < 0.9:
            return self.draw.choice(("2", "1", "(-3)", "0", "True", "10**20"))
        return self.draw.choice(
            (
                "np.float64(0.3)",
                "np.int64(-2)",
                "np.float32(1.7)",
                "Fraction(1, 3)",
                "np.array(2.5)",
            )
        )

    def value(self) -> str:
        """A Value that exists; a recent one or a leaf more often than others."""
        chance = self.draw.random()
        if chance < 0.5:
            return self.draw.choice(self.values[-5:])
        if chance < 0.7:
            return self.draw.choice(self.values[:4])
        return self.draw.choice(self.values)

    def operand(self) -> str:
        """A Value or a constant."""
        return self.value() if self.draw.random() < 0.8 else self.constant()

    def some(self, low: int, high: int) -> list[str]:
        """A few operands, a Value among them."""
        found = [self.operand() for _ in range(self.draw.randint(low, high))]
        found[self.draw.randrange(len(found))] = self.value()
        return found


_Statement = Callable[[_Writer], None]


def _statement(weight: int) -> Callable[[_Statement], _Statement]:
    def add(statement: _Statement) -> _Statement:
        _STATEMENTS.append(statement)
        _WEIGHTS.append(weight + (_WEIGHTS[-1] if _WEIGHTS else 0))
        return statement

    return add


# --- operations -------------------------------------------------------------


@_statement(110)
def _operation(w: _Writer) -> None:
    op = w.draw.choice(_OPS)
    if op.arity is None:
        operands = w.some(1, 5)
    elif op.arity == 1:
        operands = [w.value()]
    else:
        operands = w.some(op.arity, op.arity)
    attribute = w.draw.choice(EXPONENTS) if w.extreme else w.draw.choice(EXPONENTS[:10])
    w.value_of(call(op, operands, attribute if op.attribute else None))


@_statement(8)
def _in_place(w: _Writer) -> None:
    op = w.draw.choice([op for op in _TWO if op.name in INFIX])
    name = w.value_of(w.value())
    w.lines.append(f"{name} {INFIX[op.name]}= {w.operand()}")


@_statement(8)
def _function(w: _Writer) -> None:
    x, y = w.value(), w.operand()
    w.value_of(
        w.draw.choice(
            (
                f"rustygrad.softmax([{x}, {y}, {x}])[0]",
                f"rustygrad.cross_entropy([{x}, {y}], 1)",
                f"rustygrad.hinge([{x}, {y}], [1, -1])",
                f"rustygrad.mse([{x}, {y}], [0.5, {x}])",
                f"rustygrad.clip({x}, -1, 1.5)",
                f"rustygrad.tanh({y})" if y in w.values else f"rustygrad.tanh({x})",
                f"rustygrad.detach({x})",
                f"sum([{x}, {y}])",
                f"np.dot(np.array([{x}, {x}], dtype=object), [{y}, 2.0])",
                f"+{x}",
                f"({x}).__class__({x}.data)",
            )
        )
    )


@_statement(6)
def _custom(w: _Writer) -> None:
    vjp = w.draw.choice(
        ("(y * g, x * g)", "[g, -g]", "(g * out, 0.0)", "(y * g, x * g)", "(g,)", "(g, None)")
    )
    f = w.fresh("f")
    w.lines.append(
        f"{f} = rustygrad.custom(lambda x, y: x * y + x, lambda g, out, x, y: {vjp}, 'blend')"
    )
    w.value_of(f"{f}({w.value()}, {w.operand()})")


# --- modes ------------------------------------------------------------------


@_statement(4)
def _without_gradient(w: _Writer) -> None:
    mode = w.draw.choice(("no_grad", "no_grad", "anomaly"))
    name, x, y = w.fresh("v"), w.value(), w.operand()
    w.lines.append(f"with rustygrad.{mode}():\n    {name} = ({x} * {y}).tanh()")
    w.names.append(name)
    w.values.append(name)


@_statement(1)
def _backward_with_checks(w: _Writer) -> None:
    w.lines.append(f"with rustygrad.anomaly():\n    {w.value()}.backward()")


# --- backward, and what changes before it -----------------------------------


@_statement(14)
def _backward(w: _Writer) -> None:
    grad = w.draw.choice(("", "", "", "-0.5", "3", "grad=2.5"))
    w.lines.append(f"{w.value()}.backward({grad})")


@_statement(4)
def _backward_by_hand(w: _Writer) -> None:
    x = w.value()
    w.lines += [f"{x}.grad = 1.0", f"{x}._backward()"]


@_statement(8)
def _change(w: _Writer) -> None:
    what = w.draw.choice(("data", "data", "grad"))
    number = w.constant() if what == "data" else w.draw.choice(("0", "None", "0.0", "1.5"))
    w.lines.append(f"{w.value()}.{what} = {number}")


@_statement(3)
def _change_in_place(w: _Writer) -> None:
    x = w.value()
    w.lines.append(f"{x}.data -= 0.05 * {x}.grad")


@_statement(1)
def _begin_anew(w: _Writer) -> None:
    x = w.value()
    w.lines.append(
        w.draw.choice(
            (f"{x}.__init__({w.constant()})", f"{x}.__init__(2.0, ({w.values[0]},), 'f')")
        )
    )


# --- nodes built by hand ----------------------------------------------------

_PULLS: Final = (
    "{x}.grad += {y}.data * {out}.grad",
    "{x}.grad += {out}.grad; {y}.grad -= 0.5 * {out}.grad",
    "{y}.backward()",
    "{x}.data = {x}.data + 1.0",
    "{out}._backward = lambda: None",
    "{x}._backward = lambda: None",
    "{x}.backward(0.25); {y}.grad += {x}.grad",
    "raise RuntimeError('in a closure')",
    "pass",
)


@_statement(5)
def _by_hand(w: _Writer) -> None:
    x, y = w.value(), w.value()
    out = w.value_of(f"Value({w.number()!r}, ({x}, {y}), 'f')")
    if w.draw.random() < 0.8:
        _assign_backward(w, out, x, y)


@_statement(2)
def _replaced_backward(w: _Writer) -> None:
    out = w.value()
    older = w.values[: w.values.index(out)] or w.values[:1]  # or it would run itself
    _assign_backward(w, out, w.draw.choice(older), w.draw.choice(older))


def _assign_backward(w: _Writer, out: str, x: str, y: str) -> None:
    body = w.draw.choice(_PULLS).format(x=x, y=y, out=out)
    w.lines += [f"def pull():\n    {body}", f"{out}._backward = pull"]


# --- objects ----------------------------------------------------------------


@_statement(5)
def _copy(w: _Writer) -> None:
    x, y = w.value(), w.value()
    if w.draw.random() < 0.5:
        w.value_of(f"copy.{w.draw.choice(('copy', 'deepcopy'))}({x})")
        return
    first, second = w.fresh("v"), w.fresh("u")
    w.lines.append(f"{first}, {second} = pickle.loads(pickle.dumps(({x}, {y})))")
    w.names += [first, second]
    w.values += [first, second]


@_statement(4)
def _look(w: _Writer) -> None:
    x, y = w.value(), w.operand()
    w.keep(
        w.fresh("t"),
        w.draw.choice(
            (
                f"{x} < {y}, {x} >= {y}, {y} > {x}, {x} != {y}, bool({x})",
                f"repr({x}), format({x}, '.3f'), {x}._op, len({x}._prev)",
                f"str(rustygrad.Graph.capture({x}, {w.value()}))",
                f"str(rustygrad.differentiate(rustygrad.Graph.capture({x}), [0]))",
                f"sorted(map(id, {x}._prev)) == sorted(id(p) for p in {x}._prev)",
                f"max([{x}, {w.value()}], key=lambda v: v.data).data",
            )
        ),
    )


@_statement(4)
def _attribute(w: _Writer) -> None:
    x = w.value()
    w.lines.append(
        w.draw.choice(
            (
                f"{x}.label = 'name'",
                f"{x}.best = {w.value()}",
                f"{x}.m = 0.5",
                f"{x}.history = [{w.value()}, {w.value()}]",
                f"{x}._role = 'parameter'",
                f"vars({x})['seen'] = {w.value()}",
            )
        )
    )


@_statement(2)
def _subclass(w: _Writer) -> None:
    w.lines.append("class Named(Value):\n    label = 'kind'")
    if w.draw.random() < 0.5:
        w.value_of(f"Named({w.number()!r})")
    else:
        w.value_of(f"Named(0.5, [{w.value()}], 'g', label='mine')")


@_statement(2)
def _forget(w: _Writer) -> None:
    if len(w.values) > 6:
        index = w.draw.randrange(4, len(w.values) - 1)
        name = w.values.pop(index)
        w.lines.append(f"del {name}")
    w.lines.append(w.draw.choice(("gc.collect(0)", "pass")))


# --- modules and optimisers -------------------------------------------------


@_statement(3)
def _model(w: _Writer) -> None:
    m = w.fresh("m")
    sizes = w.draw.choice(("[2, 1]", "[1]", "[3, 2, 1]"))
    activation = w.draw.choice(("relu", "tanh", "sigmoid"))
    w.lines += [
        f"{m} = rustygrad.MLP(2, {sizes}, activation={activation!r}, backend=backend.name)",
    ]
    w.value_of(f"{m}([{w.operand()}, {w.operand()}])")
    if w.draw.random() < 0.6:
        w.lines.append(f"{w.values[-1]}.backward()")
        w.lines.append(f"o = {_optimiser(w, f'{m}.parameters()')}")
        w.lines += ["o.step()", "o.zero_grad()"][: w.draw.randint(1, 2)]
        w.keep(w.fresh("t"), f"[(p.data, p.grad) for p in {m}.parameters()]")
        w.value_of(f"{m}([{w.operand()}, 1])")


@_statement(3)
def _optimise(w: _Writer) -> None:
    o = w.fresh("o")
    leaves = ", ".join(w.draw.sample(w.values[:4], 2))
    w.lines.append(f"{o} = {_optimiser(w, f'[{leaves}]')}")
    for _ in range(w.draw.randint(1, 3)):
        w.lines += [f"{w.value()}.backward()", f"{o}.step()"]
    if w.draw.random() < 0.3:
        w.keep(w.fresh("t"), f"rustygrad.optim.clip_grad_norm({o}.parameters, 0.7)")


def _optimiser(w: _Writer, parameters: str) -> str:
    return w.draw.choice(
        (
            f"rustygrad.optim.SGD({parameters}, lr=0.1)",
            f"rustygrad.optim.SGD({parameters}, lr=0.1, momentum=0.9, weight_decay=0.01)",
            f"rustygrad.optim.Adam({parameters}, lr=0.1, weight_decay=0.01)",
            f"rustygrad.optim.AdamW({parameters}, lr=0.1)",
        )
    )


# --- mistakes ---------------------------------------------------------------


@_statement(1)
def _mistake(w: _Writer) -> None:
    x = w.value()
    w.keep(
        w.fresh("t"),
        w.draw.choice(
            (
                f"{x} + None",
                f"{x} * 'text'",
                f"(1.0,) + {x}",
                f"{x} - (2.0,)",
                f"{x} / [1.0]",
                f"{x} ** 1j",
                f"{x} + 10**400",
                f"{x} < 'text'",
                f"Value({x})",
                "Value('1.0')",
                "Value(1.0, (2.0,))",
                "Value(None)",
                f"rustygrad.sum([{x}, None])",
                f"rustygrad.dot([{x}], [{x}, {x}])",
                "rustygrad.mean([])",
                f"{x}.backward('1')",
                f"setattr({x}, 'data', None)",
                f"setattr({x}, '_backward', 3)",
                f"float({x})",
                f"{x}.missing",
                f"rustygrad.optim.SGD([{x}], lr=-1)",
            )
        ),
    )
