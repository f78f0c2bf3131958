"""What of a graph fits on a page: modules folded, repeats drawn once, the rest left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rustygrad.graph import Graph, Node
from rustygrad.modes import scope_path

from .options import Options

__all__ = ["Excerpt", "condensed", "fitted", "is_module"]

#: How many operands of one node are drawn where not all nodes are.
_ABREAST: Final = 8
_ONCE: Final = "what repeats is drawn once, with the numbers of the first"


@dataclass(frozen=True)
class Excerpt:
    """A part of a graph.

    Attributes:
        graph: the graph.
        shown: the nodes that are drawn, in graph order.
        hidden: how many operands are left out, for each node that lacks some.
        has_gradients: whether any node of the whole graph has one that is not 0.
        note: what was done to make it fit, '' for nothing.
    """

    graph: Graph
    shown: list[int]
    hidden: dict[int, int]
    has_gradients: bool
    note: str = ""


def fitted(graph: Graph, options: Options) -> Excerpt:
    """What to draw of a graph."""
    has_gradients = any(graph.grad)
    if options.expand:
        graph = graph.expand()
    fold, page = options.fold, options.page
    if fold is False or (fold is None and len(graph) <= page):
        return _whole(graph, has_gradients)
    if fold is not None:
        return _whole(graph.fold(None if fold is True else fold), has_gradients)
    drawn, said = condensed(graph, lambda smaller: len(smaller) <= page)
    if len(drawn) <= page:
        return _whole(drawn, has_gradients, "; ".join(said))
    shown, hidden = _nearest(drawn, page)
    said.append(f"drawn are the {len(shown):,} nearest to the result")
    return Excerpt(drawn, shown, hidden, has_gradients, "; ".join(said))


def _whole(graph: Graph, has_gradients: bool, note: str = "") -> Excerpt:
    return Excerpt(graph, list(range(len(graph))), {}, has_gradients, note)


def condensed(graph: Graph, fits: Callable[[Graph], bool]) -> tuple[Graph, list[str]]:
    """The finest fold that fits on a page, else the smallest, and what is to be said of it.

    Modules are folded; where no depth of that is enough, what repeats is drawn once too.
    """
    said = [f"{len(graph):,} nodes are too many for one page"]
    deepest = max(scope_path(s).count(".") + 1 if s else 0 for s in set(graph.scope))
    depths = range(deepest, 0, -1)
    alone = bool(depths) and fits(graph.fold(1))
    for depth in depths:
        done = [f"modules are folded, fold={depth}"]
        drawn = graph.fold(depth)
        if not alone:
            done.append(_ONCE)
            drawn = drawn.collapse()
        if fits(drawn):
            return drawn, said + done
    return (drawn, said + done) if depths else (graph.collapse(), [*said, _ONCE])


def is_module(node: Node) -> bool:
    """Whether `fold` made a node of a module."""
    return bool(node.scope) and node.graph.names.get(node.index) == node.scope


def _nearest(graph: Graph, page: int) -> tuple[list[int], dict[int, int]]:
    """The nodes nearest to the outputs, and how many operands each of them lacks."""
    shown = dict.fromkeys(graph.outputs[:page])
    waiting = deque(shown)
    while waiting and len(shown) < page:
        new = [j for j in dict.fromkeys(graph.operands_of(waiting.popleft())) if j not in shown]
        new = new[: min(_ABREAST, page - len(shown))]
        shown.update(dict.fromkeys(new))
        waiting.extend(new)
    hidden = {i: sum(j not in shown for j in graph.operands_of(i)) for i in shown}
    return sorted(shown), {i: count for i, count in hidden.items() if count}
