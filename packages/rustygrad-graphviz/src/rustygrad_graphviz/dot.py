"""A graph as DOT text.

A node with a result is a record, ``label | data | grad``; the operation that
made it is a small node of its own before it, as in the lectures that made this
kind of picture known.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any, Final

from rustygrad.errors import OptionError
from rustygrad.graph import Graph, Node
from rustygrad.ops import DIV, GREATER, OPAQUE, POWER, SUB, WHERE

from .fitting import Excerpt, fitted, is_module
from .options import Options
from .palette import COLOURS, KINDS, TROUBLE, fill, largest

__all__ = ["BANNER", "DotExporter", "dot", "lines"]

#: What a picture says of itself where no node has a gradient.
BANNER: Final = "every gradient is 0: backward() has not run, or handed nothing on"

#: Operations whose operands are numbered, because exchanging them changes the result.
_ORDERED: Final = (SUB, DIV, POWER, WHERE, GREATER, OPAQUE)

#: Borders, so that kinds differ in print and for colour-blind eyes too.
_BORDERS: Final = {
    "input": "shape=record",
    "parameter": "shape=Mrecord",  # rounded
    "constant": 'shape=record, style="filled,dashed"',
    "output": "shape=record, penwidth=2.2",
    "": "shape=record",
}
#: Where edges leave, by direction, so that they do not run along the boxes.
_SIDES: Final = {"LR": "e", "TB": "s", "RL": "w", "BT": "n"}
_FONT: Final = "Helvetica,Arial,sans-serif"
#: How many edges between two nodes are drawn one by one.
_PARALLEL: Final = 3
#: What is longer is cut in the picture.
_LONGEST: Final = 60


class DotExporter:
    """Implements `rustygrad.interfaces.Exporter` for ``.dot`` files."""

    name = "dot"

    def export(self, graph: Graph, stream: IO[bytes], **options: Any) -> None:
        """Write the graph in UTF-8; the options are those of `Options`.

        Raises:
            ArgumentError: an option has a value that makes no sense.
            OptionError: an option that `Options` does not have.
        """
        OptionError.check(self.name, options, Options)
        chosen = Options(**options)
        for line in lines(fitted(graph, chosen), chosen):
            stream.write(line.encode("utf-8"))


def dot(graph: Graph, **options: Any) -> str:
    """The DOT text of a graph; raises as `DotExporter.export` does."""
    chosen = Options(**options)
    return "".join(lines(fitted(graph, chosen), chosen))


def lines(excerpt: Excerpt, options: Options, *attributes: str) -> Iterator[str]:
    """The DOT text line by line, with more attributes of the whole picture."""
    nodes = [excerpt.graph[i] for i in excerpt.shown]
    top = largest(node.grad for node in nodes if node.role != "constant")
    yield "digraph rustygrad {\n"
    for attribute in (f"rankdir={options.rankdir}", *attributes):
        yield f"  {attribute};\n"
    yield f'  fontname="{_FONT}"; fontsize=11; nodesep=0.18; nslimit=2; nslimit1=2; ranksep={_distance(excerpt):.2f};\n'
    yield (
        f'  node [fontname="{_FONT}", fontsize=11, color="#475569",'
        " penwidth=0.8, style=filled, fillcolor=white, height=0.35];\n"
        f'  edge [color="#64748b", penwidth=0.8, arrowsize=0.6, tailport={_SIDES[options.rankdir]},'
        f' fontname="{_FONT}", fontsize=8];\n'
    )
    yield from _heading(excerpt, top, options.legend)
    outputs = frozenset(excerpt.graph.outputs)
    shown = frozenset(excerpt.shown)
    for node in nodes:
        kind = node.role or ("output" if node.index in outputs else "")
        yield _box(node, kind, options.digits, top)
        if not node.role:
            yield from _operation(node, shown, excerpt.hidden.get(node.index, 0))
    yield "}\n"


def _distance(excerpt: Excerpt) -> float:
    """Inches between operands and result: more where many edges meet, so that they stay apart."""
    meeting = max((len(excerpt.graph.operands_of(i)) for i in excerpt.shown), default=0)
    return min(0.4 + 0.04 * meeting, 1.6)


def _heading(excerpt: Excerpt, top: float, legend: bool) -> Iterator[str]:
    """What stands above the picture, a line for each thing; none of it is the user's text."""
    said = []
    if not excerpt.has_gradients:
        said.append(f'<FONT COLOR="{TROUBLE}"><B>{BANNER}</B></FONT>')
    if excerpt.note:
        said.append(f"<I>{excerpt.note}</I>")
    if legend:
        said.append(f'<FONT POINT-SIZE="10">{_legend(excerpt, top)}</FONT>')
    if said:
        yield f"  label=<{'<BR/>'.join(said)}<BR/> >; labelloc=t;\n"


def _legend(excerpt: Excerpt, top: float) -> str:
    kinds = {excerpt.graph[i].role for i in excerpt.shown} | {"output"}
    words = [f'<FONT COLOR="{COLOURS[kind][1]}">■</FONT> {kind}' for kind in KINDS if kind in kinds]
    if top:
        words.append("darker: larger gradient")
    return " &#160; ".join(words)


def _box(node: Node, kind: str, digits: int, top: float) -> str:
    fields = [f"data {_number(node.data, digits)}", f"grad {_number(node.grad, digits)}"]
    if node.title:
        fields.insert(0, _in_record(_shortened(node.title)))
    look = f'{_BORDERS[kind]}, fillcolor="{fill(kind, node.grad, top)}"'
    if not (math.isfinite(node.data) and math.isfinite(node.grad)):
        look += f', color="{TROUBLE}", penwidth=2.2'
    return f'  n{node.index} [{look}, label="{{ {" | ".join(fields)} }}"];\n'


def _operation(node: Node, shown: frozenset[int], hidden: int) -> Iterator[str]:
    """The node of an operation, and the edges to its result and from its operands."""
    name = f"n{node.index}"
    yield f'  {name}op [{_shape(node)}, label="{_quoted(_shortened(node.symbol or "?"))}"];\n'
    yield f"  {name}op -> {name};\n"
    operands = [operand.index for operand in node.operands]
    ordered = node.op in _ORDERED and len(operands) > 1 and not _stands_for_several(node)
    times = Counter(operands)
    for position, i in enumerate(operands, 1):
        if i not in shown or not times[i]:
            continue
        look = f" [headlabel={position}, {_beside_edge(position)}]" if ordered else ""
        if times[i] > _PARALLEL:
            look = f' [label="{times[i]:,} times"]'
            times[i] = 0
        yield f"  n{i} -> {name}op{look};\n"
    if hidden:
        yield f'  {name}more [shape=plaintext, style="", label="{hidden:,} more"];\n'
        yield f"  {name}more -> {name}op [style=dashed];\n"


def _beside_edge(position: int) -> str:
    """Where the number of an operand stands: close to its edge, and on none of the others.

    Edges to one node may run close together, so their numbers differ in their distance to it.
    """
    distance = 1.4 + (position - 1) % 3
    return f"labeldistance={distance}, labelangle={-35 / distance:.0f}"


def _shape(node: Node) -> str:
    """A box with a double border for a module, a double ellipse for repeats, a dashed one for own."""
    if is_module(node):
        return 'shape=box, peripheries=2, fillcolor="#f1f5f9", margin="0.1,0.04"'
    shape = 'shape=ellipse, width=0.5, margin="0.04,0.02"'
    if node.repeats != (1,):
        return f"{shape}, peripheries=2"
    own = node.op is OPAQUE and not _stands_for_several(node)
    return f'{shape}, style="filled,dashed"' if own else shape


def _stands_for_several(node: Node) -> bool:
    """Whether a node is opaque because `fold` or `collapse` drew others together in it."""
    return node.op is OPAQUE and (bool(node.graph.repeats) or is_module(node))


def _number(x: float, digits: int) -> str:
    """A number in so many decimals; with an exponent where that would be long, or all zeros."""
    plain = not math.isfinite(x) or x == 0.0 or 10.0**-digits <= abs(x) < 1e9
    return f"{x:.{digits}{'f' if plain else 'e'}}"


def _shortened(text: str) -> str:
    """The text without its middle, if it is long: paths of parameters differ at their ends."""
    if len(text) <= _LONGEST:
        return text
    start = _LONGEST // 3
    return f"{text[:start].rstrip('.')}…{text[start + 1 - _LONGEST :].lstrip('.')}"


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
