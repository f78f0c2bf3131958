"""A graph as DOT text.

A node with a result is a record, ``label | data | grad``; the operation that
made it is a small node of its own before it, as in the lectures that made this
kind of picture known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final

from rustygrad.graph import Graph, Node

__all__ = ["DotExporter", "dot"]

#: Fill colours: what leaves are, and the results that were asked for.
COLOURS: Final = {
    "input": "#dbeafe",
    "parameter": "#dcfce7",
    "constant": "#f3f4f6",
    "": "#ffffff",
    "output": "#fef3c7",
}


class DotExporter:
    """Implements `rustygrad.interfaces.Exporter` for ``.dot`` files."""

    name = "dot"

    def export(self, graph: Graph, stream: IO[bytes], **options: Any) -> None:
        """Write the graph; the options are those of `dot`.

        Raises:
            TypeError: an option that `dot` does not have.
        """
        stream.write(dot(graph, **options).encode("utf-8"))


def dot(graph: Graph, *, rankdir: str = "LR", digits: int = 4) -> str:
    """The DOT text of a graph.

    Args:
        graph: what to draw.
        rankdir: the direction in which results follow operands: LR, TB, RL or BT.
        digits: decimals of the numbers, from 0 up.

    Raises:
        ValueError: `rankdir` is none of the four.
    """
    if rankdir not in ("LR", "TB", "RL", "BT"):
        raise ValueError(f"rankdir is LR, TB, RL or BT, not {rankdir!r}")
    return "\n".join(_lines(graph, rankdir, digits)) + "\n"


def _lines(graph: Graph, rankdir: str, digits: int) -> Iterator[str]:
    yield "digraph rustygrad {"
    yield f"  rankdir={rankdir};"
    yield '  node [fontname="Helvetica", fontsize=11, style=filled, fillcolor="#ffffff"];'
    if not any(graph.grad):
        yield '  label="gradients are 0: backward() has not run"; labelloc=t;'
    for node in graph:
        yield from _node(node, digits)
    yield "}"


def _node(node: Node, digits: int) -> Iterator[str]:
    name = f"n{node.index}"
    role = "output" if node.index in node.graph.outputs and not node.role else node.role
    parts = [f"data {node.data:.{digits}f}", f"grad {node.grad:.{digits}f}"]
    if node.label:
        parts.insert(0, _escaped(node.label))
    yield f'  {name} [shape=record, label="{" | ".join(parts)}", fillcolor="{COLOURS[role]}"];'
    if node.symbol:
        yield f'  {name}op [shape=ellipse, label="{_quoted(node.symbol)}"];'
        yield f"  {name}op -> {name};"
        for operand in node.operands:
            yield f"  n{operand.index} -> {name}op;"


def _quoted(text: str) -> str:
    """Text inside the double quotes of DOT; control characters shown, not obeyed."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown.replace("\\", "\\\\").replace('"', '\\"')


def _escaped(text: str) -> str:
    """The same inside a record, where ``{ } | < >`` and spaces mean something too."""
    return "".join(f"\\{c}" if c in "{}|<> " else c for c in _quoted(text))
