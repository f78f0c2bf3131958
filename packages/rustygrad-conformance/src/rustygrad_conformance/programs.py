"""Small programs as source text: run on two backends, compared, and shown when they differ."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from typing import Any, Final

import rustygrad
from rustygrad.ops import Op

from . import local, target
from .judge import Judge, shown

__all__ = ["INFIX", "DifferenceError", "Outcome", "Program", "call", "literal"]

#: What a program left behind, by expression: ``{"a.data": 1.0, "a.grad": 2.0}``.
Outcome = dict[str, Any]
#: The operators between two operands.
INFIX: Final = {"add": "+", "sub": "-", "mul": "*", "div": "/", "power": "**"}
_PREFIX: Final = {"neg": "-{}", "abs": "abs({})"}


def call(op: Op, operands: Sequence[str], attribute: float | None = None) -> str:
    """How a program writes an operation: with an operator, a method or a function.

    A row of the table that has none of them yet goes through `Backend.apply`.
    """
    if op.name in INFIX:
        return f"{operands[0]} {INFIX[op.name]} {operands[1]}"
    if op.name == "pow":
        return f"{operands[0]} ** {attribute!r}"
    if op.name in _PREFIX:
        return _PREFIX[op.name].format(*operands)
    if op.name == "dot":
        bias = f", {operands[0]}" if len(operands) % 2 else ""
        pairs = operands[len(operands) % 2 :]
        return f"rustygrad.dot([{', '.join(pairs[::2])}], [{', '.join(pairs[1::2])}]{bias})"
    if (
        op.arity == 1
        and not op.attribute
        and hasattr(rustygrad.get_backend("python").Value, op.name)
    ):
        return f"{operands[0]}.{op.name}()"
    if op.name in rustygrad.__all__ and not op.attribute:
        listed = ", ".join(operands)
        return f"rustygrad.{op.name}({listed if op.arity else f'[{listed}]'})"
    extra = f", {attribute!r}" if op.attribute else ""
    return f"backend.apply(rustygrad.ops.OPS[{op.name!r}], [{', '.join(operands)}]{extra})"


def literal(x: float) -> str:
    """A number as an operand."""
    return f"({x!r})" if repr(x).startswith("-") else repr(x)


class Program:
    """Lines of Python that use `Value`, `backend` and `rustygrad`.

    Args:
        lines: the program, without the lines that get hold of the backend.
        names: the variables to compare afterwards, in order.
        title: what tracebacks call it.
    """

    def __init__(self, lines: Sequence[str], names: Sequence[str], title: str = "program") -> None:
        self.lines = list(lines)
        self.names = list(names)
        self.code = compile("\n".join(self.lines), f"<{title}>", "exec")

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def start(self, backend: Any) -> dict[str, Any]:
        """The variables that it begins with on a backend."""
        return {
            "Value": backend.Value,
            "backend": backend,
            "rustygrad": rustygrad,
            "inf": inf,
            "nan": nan,
        }

    def run(self, backend: Any) -> dict[str, Any]:
        """The variables of the program once it has run on a backend."""
        variables = self.start(backend)
        exec(self.code, variables)
        return variables

    def outcome(self, backend: Any) -> Outcome:
        """The data and gradient of every variable once it has run on a backend."""
        variables = self.run(backend)
        found = {}
        for name in self.names:
            found[f"{name}.data"] = variables[name].data
            found[f"{name}.grad"] = variables[name].grad
        return found

    def source(self, name: str) -> str:
        """The whole program, for the backend of that name."""
        return "\n".join([*target.header(name), *self.lines])

    def check(self, name: str, backend: Any) -> None:
        """Run it on a backend and on the reference, and compare.

        Args:
            name: how the backend was asked for, see `target.load`.
            backend: the backend.

        Raises:
            DifferenceError: they differ.
        """
        __tracebackhide__ = True
        right = self.outcome(rustygrad.get_backend("python"))
        try:
            got: Outcome | None = self.outcome(backend)
            problems = self._differences(backend, got, right)
        except Exception as error:
            got, problems = None, [f"it raises {type(error).__name__}: {error}"]
        if problems:
            raise DifferenceError(self, name, got, problems)

    def _differences(self, backend: Any, got: Any, right: Outcome) -> list[str]:
        ulps = getattr(getattr(backend, "numerics", None), "ulps", 0)
        if ulps:
            return local.problems(self.run(backend), self.names, ulps)
        judge = Judge(0)
        return [
            f"{what} is {shown(got[what])} and should be {number!r}"
            for what, number in right.items()
            if not judge.same(got[what], number)
        ]


class DifferenceError(AssertionError):
    """A program that differs: its text says the program, the numbers and a hint.

    The text is made when it is asked for, because the hint takes time and
    hypothesis goes through hundreds of failures to find the smallest.
    """

    def __init__(
        self, program: Program, name: str, got: Outcome | None, problems: Sequence[str]
    ) -> None:
        super().__init__(program, name, got, problems)
        self.program = program
        self.name = name
        self.got = got
        self.problems = problems

    def __str__(self) -> str:
        from .hints import hint

        program = "\n".join(f"    {line}" for line in self.program.source(self.name).split("\n"))
        problems = "\n".join(f"    {problem}" for problem in self.problems)
        return (
            f"{self.problems[0]}\n\nThis program differs from the reference:\n\n{program}\n\n"
            f"{problems}\n\n{hint(self.program, self.got)}"
        )
