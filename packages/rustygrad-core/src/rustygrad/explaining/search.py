"""What the searches for numbers and for gradients share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise

from .. import ops
from ..graph import Graph
from ..ops import LEAF
from ..recomputing import arguments, changed
from .explanation import Step, call, printable, show
from .reasons import KINDS

__all__ = ["CHANGED", "NOTHING", "Search", "ancestors", "nearest", "ratio", "steepest"]

NOTHING = "nothing is unusual about it"
CHANGED = "data was changed after it was computed"

#: Growth by less than this in one step makes it no culprit.
MUCH = 10.0


class Search:
    """A search in a graph."""

    def __init__(self, graph: Graph, huge: float) -> None:
        self.graph = graph
        self.huge = huge

    def kind(self, x: float) -> str:
        """'nan', 'inf', 'zero', 'huge' or 'fine'."""
        for kind, test in KINDS.items():
            if test(x):
                return kind
        return "huge" if abs(x) >= self.huge else "fine"

    def name(self, i: int) -> str:
        """What a node is called, or its index."""
        node = self.graph[i]
        named = node.label or i in self.graph.names
        return printable(node.title) if named and node.title else f"%{i} {node.title}".rstrip()

    def steps(
        self, way: Sequence[int], why: str, beside: Iterable[int] | None = None
    ) -> list[Step]:
        """The steps of a way to a culprit; beside it are its operands, if nothing else is."""
        if beside is None:  # those first that nobody overlooks
            beside = sorted(self.graph.operands_of(way[-1]), key=self._is_finite)
        steps = [Step(self.graph[i]) for i in way]
        if why:
            steps[-1] = Step(
                self.graph[way[-1]], why, [self.graph[j] for j in beside if j != way[-1]]
            )
        return steps

    def _is_finite(self, i: int) -> bool:
        return math.isfinite(self.graph.data[i])

    def operands(self, i: int) -> list[float]:
        """The operands' numbers, and the attribute if there is one, as the op table takes them."""
        return arguments(self.graph, i)

    def changed(self, i: int) -> str:
        """What an operation gives now, where that is not what it gave."""
        now, out = changed(self.graph, i), self.graph.data[i]
        if now is None:
            return ""
        return f"{call(self.graph[i])} gives {show(now)} now, and {self.name(i)} holds {show(out)}"

    def notes(self, steps: Sequence[Step], why: str) -> list[str]:
        """What is to be said of any way: numbers that changed, lines that nobody recorded."""
        others = filter(None, (self.changed(step.node.index) for step in steps))
        notes = [f"{note}: {CHANGED}" for note in others if note not in why][:1]
        if not self.graph.sources and any(step.node.op is not LEAF for step in steps):
            notes.append(
                "source lines are shown of what is made inside "
                "`with rustygrad.anomaly(raises=False):`"
            )
        return notes


def nearest(
    start: int,
    onward: Callable[[int], Sequence[int]],
    better: Callable[[int], bool] = lambda _: True,
) -> list[int]:
    """The shortest way from a node to one that leads no further, breadth first.

    To a better one if there is any, however far.
    """
    came = {start: start}
    queue = [start]
    ends = []
    for i in queue:
        further = onward(i)
        for j in further:
            if j not in came:
                came[j] = i
                queue.append(j)
        if not further:
            ends.append(i)
            if better(i):
                break
    way = [ends[-1] if better(ends[-1]) else ends[0]]
    while way[-1] != start:
        way.append(came[way[-1]])
    return way[::-1]


def ancestors(graph: Graph, root: int) -> list[int]:
    """What a node depends on, and itself, in order."""
    wanted = bytearray(root + 1)
    wanted[root] = 1
    for i in range(root, -1, -1):
        if wanted[i]:
            for j in graph.operands_of(i):
                wanted[j] = 1
    return [i for i in range(root + 1) if wanted[i]]


def ratio(x: float, y: float) -> float:
    """How many times as large x is, whatever the signs."""
    return abs(float(ops.DIV.forward(x, y)))


def steepest(sizes: Sequence[float], large: float) -> tuple[int | None, int]:
    """The step of a way that made its end large, if one stands out, and where growth began.

    The end's size is the first, and step k is from size k + 1 to size k. What was lost
    again before the end does not count: of 1, 1e30, 1, 1e9 it was the last step.
    """
    floor = min(1.0, large / 100.0)  # what brings 1e-9 up to 1 makes nothing large
    kept = [max(floor, size) for size in accumulate(sizes, min)]
    for limit in (large, sizes[0]):  # what made it large at all; else what made more of it
        factors = [ratio(min(x, limit), min(y, limit)) for x, y in pairwise(kept)]
        most = max(factors)
        if most >= MUCH:
            return factors.index(most), 0
    return None, kept.index(kept[-1])
