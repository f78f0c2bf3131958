"""A graph as a page: one HTML file that plays it forward and backward, offline.

What the page shows is computed here, with the library's own rules and its own
sweep. The page itself, written in JavaScript, is in the folder ``viewer`` of
the sources, and comes with this package as one file.

All text of the user's goes into one block of JSON, in ASCII and without ``<``,
so none of it can be taken for HTML.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable
from importlib.resources import files
from math import prod
from typing import IO, Any, Final

from rustygrad.errors import GraphError, OptionError, PluginError
from rustygrad.files import floats_to_json
from rustygrad.formulas import forward_formula, local_formulas
from rustygrad.graph import ROLES, Graph, Node
from rustygrad.modes import scope_path
from rustygrad.ops import LEAF, OPAQUE, by_code
from rustygrad.recomputing import changed

from ._version import __version__
from .fitting import condensed, is_module
from .groups import groups
from .options import check
from .playback import Record, backward, local_derivatives, once, recursion, visits

__all__ = ["LARGEST", "HtmlExporter", "page"]

#: Nodes and operands together that a page may hold.
LARGEST: Final = 400_000
#: Results of a graph that a page plays backward from.
ROOTS: Final = 8

_PLACE: Final = "@GRAPH@"
_MISSING: Final = (
    "this copy of rustygrad-graphviz was built without its page, because node and npm were "
    "missing: install node 18 or newer, then install rustygrad-graphviz again"
)


class HtmlExporter:
    """Implements `rustygrad.interfaces.Exporter` for ``.html`` files.

    Raises:
        PluginError: the package was built without the page.
    """

    name = "html"

    def __init__(self) -> None:
        template()  # so that it fails when it is chosen, and says so in `rustygrad.backends`

    def export(self, graph: Graph, stream: IO[bytes], **options: Any) -> None:
        """Write the page; the options are those of `page`.

        Raises:
            ArgumentError: an option has a value that makes no sense.
            GraphError: the graph is too large for a page, folded too.
            OptionError: an option that `page` does not have.
        """
        OptionError.check(self.name, options, page)
        stream.write(page(graph, **options).encode("ascii"))


def template() -> str:
    """The page without a graph.

    Raises:
        PluginError: the package was built without it.
    """
    try:
        return (files(__package__) / "viewer.html").read_text(encoding="ascii")
    except FileNotFoundError:
        raise PluginError(_MISSING) from None


def page(graph: Graph, *, title: str = "", expand: bool = False) -> str:
    """The page of a graph, as HTML in ASCII.

    It plays backward from each result that was captured, up to eight of them. Where
    every gradient is 0, it shows what `backward` would give, and says so. A graph of more than
    400,000 nodes and operands is folded until it fits, and the page says so too.

    Args:
        graph: what to show.
        title: a heading; by default the label of the first result.
        expand: whether to write ``sum``, ``mean`` and ``dot`` out. Gradients still add up
            in the order of the graph as it was, as far as its nodes are concerned.

    Raises:
        ArgumentError: `title` is no text, or `expand` neither True nor False.
        GraphError: the graph is too large, folded too.
        PluginError: the package was built without the page.
    """
    check("title", title)
    check("expand", expand)
    shown, note = _fitted(graph.expand() if expand else graph)
    before, _, after = template().partition(_PLACE)
    described = _described(shown, title, expand) | {"note": note, "changed": _changed(graph, shown)}
    text = json.dumps(described, allow_nan=False, separators=(",", ":"))
    return before + text.replace("<", "\\u003c") + after


def _fitted(graph: Graph) -> tuple[Graph, str]:
    """The graph, folded where it is too large for a page, and what was done."""
    if _fits(graph):
        return graph, ""
    smaller, said = condensed(graph, _fits)
    if not _fits(smaller):
        raise GraphError(
            f"a page holds {LARGEST:,} nodes and operands. This graph has {_size(graph):,}, and "
            f"{_size(smaller):,} with modules folded and what repeats drawn once: give it a part, "
            "graph.slice(node, depth=20)"
        )
    return smaller, f"{'; '.join(said)}. To step through a part in full, export graph.slice(node)."


def _size(graph: Graph) -> int:
    return len(graph) + len(graph.operands)


def _fits(graph: Graph) -> bool:
    return _size(graph) <= LARGEST


def _described(graph: Graph, title: str, expanded: bool) -> dict[str, Any]:
    """All that the page shows, as plain data; columns of numbers in base64."""
    labels = {node.index: node.title for node in graph if node.title}
    scopes, symbols, formulas = _Texts(), _Texts(), _Texts()
    tree = groups(graph)
    return {
        "version": __version__,
        "title": title or (labels.get(graph.outputs[0], "") if graph.outputs else ""),
        "ran": any(graph.grad),
        "roles": ROLES,
        "lastFirst": [op.symbol for op in map(by_code, set(graph.op)) if op.last_first],
        "op": _column("B", [_kind(node) for node in graph]),
        "symbol": _column("I", [symbols.number(node.symbol) for node in graph]),
        "offsets": _column("I", graph.offsets),
        "operands": _column("I", graph.operands),
        "attribute": _column("d", graph.attribute),
        "data": _column("d", graph.data),
        "grad": _column("d", graph.grad),
        "role": _column("B", graph.role),
        "scope": _column("I", [scopes.number(scope_path(number)) for number in graph.scope]),
        "group": _column("I", tree.of),
        "groups": {"parent": tree.parent, "kind": tree.kind, "name": tree.name},
        "forward": _column("I", [formulas.number(text) for text in _forward(graph)]),
        "slope": _column("d", local_derivatives(graph)),
        "local": _column("I", [formulas.number(text) for text in _local(graph)]),
        "repeats": {str(i): prod(counts) for i, counts in graph.repeats.items()},
        "labels": {str(i): label for i, label in labels.items()},
        "sources": {str(i): where for i, where in graph.sources.items()},
        "outputs": graph.outputs,
        "sweeps": [_sweeps(graph, root, expanded) for root in dict.fromkeys(graph.outputs[:ROOTS])],
        "scopes": list(scopes),
        "symbols": list(symbols),
        "formulas": list(formulas),
    }


def _kind(node: Node) -> int:
    """0 a leaf, 1 an operation; 2 the user's own, 3 a folded module, 4 what repeats, drawn once."""
    if node.op is not OPAQUE:
        return int(node.op is not LEAF)
    return 3 if is_module(node) else 4 if node.index in node.graph.repeats else 2


class _Texts(dict[str, int]):
    """Each text once, in the order in which they came."""

    def number(self, text: str) -> int:
        return self.setdefault(text, len(self))


def _changed(graph: Graph, shown: Graph) -> dict[str, Any]:
    """How many nodes' data no longer follow from their operands, and what the operands give now.

    They are counted before anything is folded, and those are listed that are shown.
    """
    count = sum(changed(graph, i) is not None for i in range(len(graph)))
    now = ((i, changed(shown, i)) for i in range(len(shown) if count else 0))
    return {
        "count": count,
        "now": {str(i): floats_to_json([x])[0] for i, x in now if x is not None},
    }


def _column(typecode: str, numbers: Iterable[Any]) -> str:
    from base64 import b64encode

    column = array(typecode, numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return b64encode(column).decode("ascii")


def _forward(graph: Graph) -> Iterable[str]:
    for i, code in enumerate(graph.op):
        op = by_code(code)
        yield "" if op in (LEAF, OPAQUE) else forward_formula(op, len(graph.operands_of(i)))


def _local(graph: Graph) -> Iterable[str]:
    known: dict[Any, list[str]] = {}
    for i, code in enumerate(graph.op):
        op, count = by_code(code), len(graph.operands_of(i))
        attribute = graph.attribute[i] if op.attribute else None
        key = code, count, attribute
        if key not in known:
            known[key] = [""] * count if op is OPAQUE else local_formulas(op, count, attribute)
        yield from known[key]


def _sweeps(graph: Graph, root: int, expanded: bool) -> dict[str, Any]:
    """The right order from a root, and two wrong ones beside it."""
    used = root in graph.operands
    # what backward() was given, unless the gradient came from a node further on; of a 0
    # nobody can tell whether it ran
    ran = not used and graph.grad[root] != 0.0
    seed = graph.grad[root] if ran else 1.0
    paths = visits(graph, root)
    right = backward(graph, root, seed, ran=ran, as_listed=expanded)
    played: dict[str, Any] = {"right": _handovers(right), "ran": ran}
    try:
        played["recursion"] = _handovers(recursion(graph, root, seed))
        played["once"] = _handovers(once(graph, root, seed))
    except GraphError:
        pass  # an opaque node, whose code runs in eager backward only
    return played | {"visits": floats_to_json([paths])[0]}


def _handovers(record: Record) -> dict[str, Any]:
    return {
        "root": record.root,
        "seed": floats_to_json([record.seed])[0],
        "edges": _column("I", record.edges),
        "products": _column("d", record.products),
        "sums": _column("d", record.sums),
        "unknown": record.unknown,
        "captured": record.captured,
    }
