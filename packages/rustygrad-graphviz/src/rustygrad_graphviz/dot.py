"""A graph as DOT text.

A node with a result is a record, ``label | data | grad``; the operation that
made it is a small node of its own before it, as in the lectures that made this
kind of picture known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import IO, Any, Final

from rustygrad.errors import ArgumentError
from rustygrad.graph import Graph, Node
from rustygrad.ops import DIV, GREATER, OPAQUE, POWER, SUB, WHERE

__all__ = ["COLOURS", "DIRECTIONS", "DotExporter", "dot"]

#: Fill colours: by the role of a leaf, of results that were asked for, and of inner nodes.
COLOURS: Final = {
    "input": "#dbeafe",
    "parameter": "#dcfce7",
    "constant": "#f1f5f9",
    "output": "#fde68a",
    "": "#ffffff",
}
#: Where results may lie as seen from their operands: right, below, left, above.
DIRECTIONS: Final = ("LR", "TB", "RL", "BT")

#: Operations whose operands are numbered, because exchanging them changes the result.
_ORDERED: Final = (SUB, DIV, POWER, WHERE, GREATER, OPAQUE)
_STYLE: Final = """\
  node [fontname="Helvetica,Arial,sans-serif", fontsize=11, color="#475569", penwidth=0.8];
  edge [color="#94a3b8", arrowsize=0.6, fontname="Helvetica,Arial,sans-serif", fontsize=8];"""
_BANNER: Final = "every gradient is 0: backward() has not run"


class DotExporter:
    """Implements `rustygrad.interfaces.Exporter` for ``.dot`` files."""

    name = "dot"

    def export(self, graph: Graph, stream: IO[bytes], **options: Any) -> None:
        """Write the graph in UTF-8; the options are those of `dot`.

        Raises:
            ArgumentError: an option has a value that makes no sense.
            TypeError: an option that `dot` does not have.
        """
        stream.write(dot(graph, **options).encode("utf-8"))


def dot(graph: Graph, *, rankdir: str = "LR", digits: int = 4) -> str:
    """The DOT text of a graph.

    Inputs are blue, parameters green, constants grey, the results that were
    captured yellow. The operation of an opaque node has a dashed border. Where
    their order matters, as in ``-``, operands are numbered from 1. Where no
    node has a gradient, a line above the picture says so.

    Args:
        graph: what to draw.
        rankdir: the direction in which results follow operands: 'LR' (left to
            right), 'TB' (top to bottom), 'RL' or 'BT'.
        digits: decimals of the numbers, from 0 to 17. Numbers too large or too
            small for that notation get an exponent.

    Raises:
        ArgumentError: `rankdir` or `digits` is none of these.
    """
    if rankdir not in DIRECTIONS:
        raise ArgumentError(f"rankdir is one of {', '.join(DIRECTIONS)}, not {rankdir!r}")
    if not (hasattr(type(digits), "__index__") and 0 <= digits <= 17):
        raise ArgumentError(f"digits is a whole number from 0 to 17, not {digits!r}")
    return "\n".join(_lines(graph, rankdir, digits)) + "\n"


def _lines(graph: Graph, rankdir: str, digits: int) -> Iterator[str]:
    yield "digraph rustygrad {"
    yield f"  rankdir={rankdir};"
    yield _STYLE
    if not any(graph.grad):
        yield f'  label="{_BANNER}"; labelloc=t; fontname="Helvetica,Arial,sans-serif"; fontsize=12;'
    outputs = frozenset(graph.outputs)
    for node in graph:
        yield from _node(node, digits, node.index in outputs)
    yield "}"


def _node(node: Node, digits: int, is_output: bool) -> Iterator[str]:
    name = f"n{node.index}"
    parts = [f"data {_number(node.data, digits)}", f"grad {_number(node.grad, digits)}"]
    if node.title:
        parts.insert(0, _in_record(node.title))
    colour = COLOURS[node.role or ("output" if is_output else "")]
    fields = " | ".join(parts)
    yield f'  {name} [shape=record, style=filled, fillcolor="{colour}", label="{{ {fields} }}"];'
    if node.role:
        return
    border = ", style=dashed" if node.op is OPAQUE else ""
    symbol = _quoted(node.symbol or "?")
    yield f'  {name}op [shape=ellipse, margin="0.04,0.02", height=0.35, label="{symbol}"{border}];'
    yield f"  {name}op -> {name};"
    ordered = node.op in _ORDERED and len(node.operands) > 1
    for position, operand in enumerate(node.operands, 1):
        number = f" [headlabel={position}, labeldistance=1.8]" if ordered else ""
        yield f"  n{operand.index} -> {name}op{number};"


def _number(x: float, digits: int) -> str:
    """A number in so many decimals; with an exponent where that would be long, or all zeros."""
    plain = not math.isfinite(x) or x == 0.0 or 10.0**-digits <= abs(x) < 1e9
    return f"{x:.{digits}{'f' if plain else 'e'}}"


def _quoted(text: str) -> str:
    """Text inside the double quotes of DOT; control characters shown, not obeyed."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def _in_record(text: str) -> str:
    """The same inside a record, where ``{ } | < >`` mean something too.

    It drops spaces at the ends, beside other spaces and after some characters
    beyond ASCII; those are written as hard spaces.
    """
    escaped = "".join(f"\\{c}" if c in "{}|<>" else c for c in _quoted(text))
    return re.sub(r"^ | $| (?= )|(?<= ) |(?<=[^\x00-\x7f]) ", "&#160;", escaped)
