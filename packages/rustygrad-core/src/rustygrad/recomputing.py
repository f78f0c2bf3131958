"""Whether a node's number still follows from those that it was made of.

Data can be changed after others were computed from them, as `Optimizer.step` does.
Then a graph holds new operands and old results.
"""

from __future__ import annotations

import math

from .graph import Graph
from .ops import LEAF, OPAQUE, by_code

__all__ = ["arguments", "changed", "same"]


def arguments(graph: Graph, i: int) -> list[float]:
    """The operands' numbers, and the attribute if there is one, as the op table takes them."""
    numbers = [graph.data[j] for j in graph.operands_of(i)]
    if by_code(graph.op[i]).attribute:
        numbers.append(graph.attribute[i])
    return numbers


def changed(graph: Graph, i: int) -> float | None:
    """What an operation gives now, where that is not what it gave; else None."""
    op, out = by_code(graph.op[i]), graph.data[i]
    if op is LEAF or op is OPAQUE:
        return None
    now: float = op.forward(*arguments(graph, i))
    return None if same(now, out, abs(out)) else now


def same(x: float, y: float, size: float) -> bool:
    """Whether two numbers, made of such a size, differ in the last places alone.

    Backends may differ there, each in its own way.
    """
    if math.isfinite(x) and math.isfinite(y):
        return abs(x - y) <= 1e-9 * size + 1e-300
    return x == y or (x != x and y != y)
