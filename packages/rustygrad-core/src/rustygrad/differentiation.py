"""Derivatives written out: `differentiate` turns a graph into a larger one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .building import Builder, Ref
from .convert import as_number, kind_of
from .errors import GraphError
from .graph import Graph, Node
from .ops import LEAF, Op, by_code
from .sweep import backward_order, sweep

__all__ = ["differentiate"]


class _Zero:
    """The gradient that nothing has been added to. The first addition replaces it."""

    def __add__(self, other: Any) -> Any:
        return other


class _StandIn:
    """What the sweep sees of a graph node: its data and its gradient are references."""

    __slots__ = ("_attribute", "_data", "_grad", "_prev", "_rule")
    _attribute: float
    _data: Ref
    _grad: Any
    _prev: tuple[Any, ...]
    _rule: Op


def differentiate(
    graph: Graph,
    wrt: Sequence[int | Node],
    *,
    of: int | Node | None = None,
    seed: float = 1.0,
) -> Graph:
    """Write the derivative of a graph's output as ordinary nodes of a larger graph.

    The same sweep that eager `backward` runs on numbers runs on references here,
    so the new nodes add up in eager's order. An output of the result is what
    `backward` adds to that node's `grad`.

    Args:
        graph: what to differentiate. Its nodes keep their indices in the result.
        wrt: the nodes to differentiate with respect to.
        of: the node to differentiate; by default the first output.
        seed: the gradient of `of` itself.

    Returns:
        The graph with the derivatives added. Its outputs are the derivatives, in
        the order of `wrt`, so that it can be differentiated again.

    Raises:
        GraphError: a node is not one of the graph, there is nothing to differentiate,
            `of` depends on an opaque node, or `seed` is not a number.
    """
    if not hasattr(wrt, "__iter__"):
        raise GraphError(f"wrt is a list of nodes or indices, as in wrt=[0, 1], not {wrt!r:.60}")
    start = as_number(seed)
    if start is None:
        raise GraphError(f"the seed is a number, not {kind_of(seed)}")
    targets = [graph.index_of(node) for node in wrt]
    if of is None and not graph.outputs:
        raise GraphError("the graph has no outputs: say which node to differentiate, of=...")
    root = graph.index_of(graph.outputs[0] if of is None else of)
    builder, zero = Builder(), _Zero()
    nodes: list[_StandIn] = []
    for i, code in enumerate(graph.op):
        node = _StandIn()
        node._rule = by_code(code)
        node._prev = tuple([nodes[j] for j in graph.operands_of(i)])
        node._attribute = graph.attribute[i]
        node._data = builder.copy(graph, i, graph.operands_of(i))
        node._grad = zero if node._rule is LEAF else None
        nodes.append(node)
    builder.scope, builder.source = 0, ""
    order = backward_order(nodes[root], zero)
    for node in order:
        graph.refuse_opaque(node._data.index, "differentiate")
    nodes[root]._grad = builder.lift(start)
    sweep(order)
    grads = [nodes[i]._grad for i in targets]
    return builder.build(
        [builder.lift(g if isinstance(g, (Ref, float)) else 0.0).index for g in grads]
    )
