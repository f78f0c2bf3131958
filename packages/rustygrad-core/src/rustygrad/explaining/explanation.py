"""What `explain` gives: steps, a reason and advice, and the text they print as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..graph import Node

__all__ = ["Explanation", "Step", "call", "printable", "short", "show"]

#: How many steps of a long way are shown at either end.
_ENDS = 5


class Step:
    """One node on the way.

    Attributes:
        node: the node.
        why: what it did to the number; '' where it handed it on.
        beside: what that has to do with: the operands, or what handed gradients to it.
    """

    __slots__ = ("beside", "node", "why")

    def __init__(self, node: Node, why: str = "", beside: Sequence[Node] = ()) -> None:
        self.node = node
        self.why = why
        self.beside = tuple(beside)

    def __repr__(self) -> str:
        return f"<step %{self.node.index}{': ' * bool(self.why)}{self.why}>"


class Explanation:
    """What `explain` found. Printed, it is a text.

    Attributes:
        verdict: 'nan', 'inf', 'zero', 'huge' or 'fine'; of a gradient also 'tiny',
            'unconnected', 'not run' and 'stale'.
        what: the first line of the text: which number it is, and how large.
        steps: from the node that was asked about to the one that made it so, whose
            `why` says how; no step has one where a number grew or shrank evenly.
        why: the cause, a sentence without its full stop.
        advice: what to do, likewise; '' where there is nothing to advise.
        notes: what else is worth knowing, likewise.
        gradient: whether it is about a gradient.
        because: why a number of the forward pass was nan or inf, where that made a
            gradient so; else None.
    """

    __slots__ = ("advice", "because", "gradient", "notes", "steps", "verdict", "what", "why")

    def __init__(
        self,
        verdict: str,
        what: str,
        steps: Sequence[Step],
        why: str,
        advice: str = "",
        notes: Sequence[str] = (),
        gradient: bool = False,
        because: Explanation | None = None,
    ) -> None:
        self.verdict = verdict
        self.what = what
        self.steps = tuple(steps)
        self.why = why
        self.advice = advice
        self.notes = tuple(notes)
        self.gradient = gradient
        self.because = because

    @property
    def culprit(self) -> Node:
        """The node that made the number what it is: that of the last step."""
        return self.steps[-1].node

    def __str__(self) -> str:
        lines = [f"{self.what}.", "", *self._table(), "", f"Why: {self.why}."]
        if self.because:
            lines += ["", str(self.because)]
        if self.advice:
            lines.append(f"What to do: {self.advice}.")
        return "\n".join([*lines, *(f"Note: {note}." for note in self.notes)])

    __repr__ = __str__

    def _table(self) -> Iterator[str]:
        """The steps in columns, the middle of many left out, and what culprits have to do with."""
        steps, hidden = self.steps, len(self.steps) - 2 * _ENDS
        if hidden > 1:
            steps = steps[:_ENDS] + steps[-_ENDS:]
        rows = [self._row(step.node, "<-- here" if step.why else "") for step in steps]
        rows += [self._row(node, "") for node in self._beside(steps)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for k, row in enumerate(rows):
            if hidden > 1 and k == _ENDS:
                yield f"  ... {hidden} more that hand it on ..."
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width]
            yield ("  " + "  ".join(cells)).rstrip()

    def _beside(self, steps: Sequence[Step]) -> list[Node]:
        """What is beside steps and none itself; each once, and not too many."""
        shown = {step.node.index for step in steps}
        beside = dict.fromkeys(x for step in steps for x in step.beside)
        return [node for node in beside if node.index not in shown][:_ENDS]

    def _row(self, node: Node, mark: str) -> tuple[str, ...]:
        title = repr(node.title) if node.label else printable(node.title)
        name = f"%{node.index} {title}".rstrip()
        numbers = [show(node.data)]
        if self.gradient:
            numbers = [f"data {show(node.data)}", f"grad {show(node.grad)}"]
        place = " ".join(filter(None, (node.source, node.scope and f"({node.scope})")))
        return name, f"= {short(node.expression)}", *numbers, printable(place), mark


def call(node: Node) -> str:
    """An operation with its operands' numbers, as in ``log(-0.5)``."""
    numbers = [show(x.data) for x in node.operands]
    if node.attribute is not None:
        numbers.append(show(node.attribute))
    name = printable(node.graph.names.get(node.index) or node.op.name)
    return short(f"{name}({', '.join(numbers)})")


def show(x: float) -> str:
    """A number as people read it."""
    return f"{x:.6g}"


def printable(text: str) -> str:
    """A text as a part of one line: line breaks, escapes and lone surrogates shown, not obeyed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def short(text: str) -> str:
    """A text that fits into a line."""
    return text if len(text) <= 60 else f"{text[:50]} ...{text[-5:]}"
