"""Graphs as expressions and statements, in any language that has infix arithmetic.

The rules of the op table run on `Text` as they run on floats: what `sum`, `dot`
or a power is made of is asked of the table. A `Language` spells the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from ..building import Symbol
from ..graph import ROLES, Graph
from ..modes import scope_path
from ..ops import ADD, DIV, EQUAL, GREATER, LEAF, MUL, NEG, POW, SUB, WHERE, Op, by_code
from .names import Names, comment_text

__all__ = ["Body", "Language", "Statement", "Text", "write"]

# How tightly an expression holds together.
CHOICE: Final = 0
SUM: Final = 1
PRODUCT: Final = 2
SIGN: Final = 3
CALL: Final = 4
ATOM: Final = 5

#: Longer expressions are taken apart. It bounds their depth too, for compilers.
_WIDTH: Final = 72


class Text(Symbol):
    """An expression as text.

    Attributes:
        body: where what is made of it is written.
        code: the text.
        level: how tightly it holds together, from `CHOICE` to `ATOM`.
        number: what it is if it is a literal, else None.
        test: of a mask that is 1 or 0, the comparison alone; else ''.
    """

    __slots__ = ("body", "code", "level", "number", "test")

    def __init__(
        self, body: Body, code: str, level: int, number: float | None = None, test: str = ""
    ) -> None:
        self.body = body
        self.code = code
        self.level = level
        self.number = number
        self.test = test

    def emit(self, op: Op, arguments: Sequence[Any]) -> Text:
        """Spell an operation."""
        return self.body.spell(op, arguments)

    def at(self, level: int) -> str:
        """The text where at least this level is needed, in parentheses if it is looser."""
        return self.code if self.level >= level else f"({self.code})"


class Language(ABC):
    """How a language spells what the op table does not say.

    Attributes:
        infix: operations that have an operator, and how tightly it holds.
        functions: what the other ones are called, by name of the operation.
        mentioned: what has been used that a file may have to define or import.
    """

    infix: ClassVar[dict[Op, tuple[str, int]]] = {
        ADD: ("+", SUM), SUB: ("-", SUM), MUL: ("*", PRODUCT)
    }  # fmt: skip
    functions: ClassVar[dict[str, str]]

    def __init__(self) -> None:
        self.mentioned: set[str] = set()

    @abstractmethod
    def number(self, x: float) -> str:
        """A literal of exactly this number."""
        ...

    @abstractmethod
    def choice(self, test: str, x: str, y: str) -> str:
        """One of two, by a comparison."""
        ...

    @abstractmethod
    def is_true(self, code: str) -> str:
        """Whether a number is not 0, as a comparison."""
        ...

    @abstractmethod
    def call(self, body: Body, function: str, op: Op, operands: Sequence[str]) -> str:
        """A function of the operands, in a body that may have to set them down first."""
        ...


class Statement:
    """A line of a function.

    Attributes:
        target: the variable that is set; '' for a comment alone, or an empty line.
        code: what it is set to.
        comment: what to say beside it, made harmless.
    """

    __slots__ = ("code", "comment", "target")

    def __init__(self, target: str, code: str, comment: str = "") -> None:
        self.target = target
        self.code = code
        self.comment = comment


class Body:
    """A function in the making.

    Attributes:
        statements: what has been written.
        wide: how many elements of an array of that name are set in them, see `gather`.
    """

    def __init__(self, language: Language, names: Names) -> None:
        self.language = language
        self.names = names
        self.statements: list[Statement] = []
        self.wide = 0
        self._gathered: dict[tuple[str, ...], int] = {}
        self._section = self._entered = ""

    def name(self, code: str) -> Text:
        """A variable or an element of an array."""
        return Text(self, code, ATOM)

    def number(self, x: float) -> Text:
        """A literal."""
        code = self.language.number(x)
        return Text(self, code, SIGN if code.startswith("-") else ATOM, number=x)

    def enter(self, section: str) -> None:
        """What the next statements belong to, '' for nothing in particular."""
        self._entered = section

    def keep(self, text: Text, target: str = "", comment: str = "") -> Text:
        """A variable that is set to an expression; names and literals stay as they are."""
        if text.level == ATOM or text.number is not None:
            return text
        target = target or self.names.unique("t1")
        self._append(Statement(target, text.code, comment))
        return self.name(target)

    def gather(self, codes: Sequence[str]) -> int:
        """Set elements of the array ``wide`` to some expressions, and give the first one's index.

        What has been gathered before is there already.
        """
        start = self._gathered.setdefault(tuple(codes), self.wide)
        if start == self.wide:
            self.wide += len(codes)
            for k, code in enumerate(codes, start):
                self._append(Statement(f"wide[{k}]", code))
        return start

    def _append(self, statement: Statement) -> None:
        if self._section != self._entered:
            self.statements.append(Statement("", "", self._entered))
            self._section = self._entered
        self.statements.append(statement)

    def spell(self, op: Op, arguments: Sequence[Any]) -> Text:
        """The expression of an operation, from texts and numbers."""
        texts = [x if isinstance(x, Text) else self.number(x) for x in arguments]
        numbers = [text.number for text in texts if text.number is not None]
        if len(numbers) == len(texts):
            return self.number(op.forward(*numbers))
        if op in (MUL, DIV) and texts[1].number == 1.0:  # exact for every x, nan and -0.0 too
            return texts[0]
        if op is MUL and texts[0].number == 1.0:
            return texts[1]
        if sum(len(text.code) for text in texts) > _WIDTH:
            texts = [self.keep(t) if len(t.code) > _WIDTH // 3 else t for t in texts]
        return self._spelt(op, texts)

    def _spelt(self, op: Op, texts: list[Text]) -> Text:
        if op in self.language.infix:
            symbol, level = self.language.infix[op]
            left, right = texts
            return Text(self, f"{left.at(level)} {symbol} {right.at(level + 1)}", level)
        if op is NEG:
            return Text(self, f"-{texts[0].at(CALL)}", SIGN)
        if op in (GREATER, EQUAL):
            test = f"{texts[0].at(SUM)} {op.symbol} {texts[1].at(SUM)}"
            code = self.language.choice(test, self.language.number(1.0), self.language.number(0.0))
            return Text(self, code, CHOICE, test=test)
        if op is WHERE:
            condition, x, y = texts
            test = condition.test or self.language.is_true(condition.at(SUM))
            return Text(self, self.language.choice(test, x.at(SUM), y.at(SUM)), CHOICE)
        function = self.language.functions[op.name]
        self.language.mentioned.add(function)
        code = self.language.call(self, function, op, [text.code for text in texts])
        return Text(self, code, CALL)


def write(
    graph: Graph, results: Sequence[int], names: Names, language: Language, forward: int
) -> tuple[Body, list[Text]]:
    """The statements that compute nodes of a graph, and the expressions of these nodes.

    A node gets a variable if it has a label, or if more than one operand is it;
    else it is written where it is used.

    Args:
        graph: what to compute.
        results: the nodes wanted, by index.
        names: what variables are called.
        language: how operations are spelt.
        forward: how many nodes come first that are no derivatives.

    Raises:
        GraphError: an opaque node is among what is computed.
    """
    body = Body(language, names)
    sections = [_section(graph, i, forward) for i in range(len(graph))]
    uses, user = _users(graph, results)
    texts: list[Any] = [None] * len(graph)
    for i, code in enumerate(graph.op):
        if not uses[i]:
            continue
        if by_code(code) is LEAF:
            is_number = ROLES[graph.role[i]] == "constant"
            texts[i] = body.number(graph.data[i]) if is_number else body.name(names[i])
            continue
        graph.refuse_opaque(i, "write out")
        body.enter(sections[i])
        text = _expression(body, graph, i, texts)
        label = graph.labels.get(i, "")
        if uses[i] > 1 or label or (user[i] >= 0 and sections[user[i]] != sections[i]):
            comment = comment_text(label) if label and label != names[i] else ""
            text = body.keep(text, names[i], comment)
        texts[i] = text
    return body, [texts[i] for i in results]


def _section(graph: Graph, i: int, forward: int) -> str:
    if i >= forward:
        return "backward"
    path = scope_path(graph.scope[i])
    return comment_text(path)[1:-1] if path else ""


def _users(graph: Graph, results: Sequence[int]) -> tuple[list[int], list[int]]:
    """How often each node is used by what is computed, and its first user, -1 if there is none."""
    uses = [0] * len(graph)
    user = [-1] * len(graph)
    for i in results:
        uses[i] += 1
    for i in range(len(graph) - 1, -1, -1):
        if uses[i]:
            for j in graph.operands_of(i):
                uses[j] += 1
                user[j] = i
    return uses, user


def _expression(body: Body, graph: Graph, i: int, texts: Sequence[Any]) -> Text:
    op = by_code(graph.op[i])
    arguments = [texts[j] for j in graph.operands_of(i)]
    if op is POW:  # which may write its operand twice
        arguments = [body.keep(arguments[0]), graph.attribute[i]]
    if op is POW or op.expands:
        text: Text = op.forward(*arguments)
        return text
    return body.spell(op, arguments)
