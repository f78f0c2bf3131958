"""Pickling and copying of graphs of any depth.

Pickle's own way descends from a node to its operands and dies at Python's
recursion limit. So a node takes the graph below it along in columns, and only
what columns cannot hold as objects: above all the leaves, so that pickle keeps
their identity.
"""

from __future__ import annotations

from typing import Any

from ..errors import GraphError
from ..graph import ROLES, Graph
from ..ops import LEAF, OPAQUE, by_code
from ..sweep import topological_order
from .value import Pull, Value


def clone(node: Value) -> Value:
    """Another node with the same operands, for `copy.copy`."""
    twin: Value = object.__new__(type(node))
    for slot in Value.__slots__[2:]:
        if hasattr(node, slot):
            setattr(twin, slot, getattr(node, slot))
    twin.__dict__.update(node.__dict__)
    return twin


def reduce(root: Value) -> tuple[Any, ...]:
    """What `__reduce_ex__` answers, for `pickle` and `copy.deepcopy`.

    Raises:
        GraphError: a node's `_backward` is a closure, which would go on pointing
            at the nodes it was written for.
    """
    leaves: dict[int, Value] = {}
    extras: dict[int, tuple[Any, ...]] = {}
    for i, node in enumerate(topological_order((root,))):
        if node._rule is LEAF and node is not root and (node._role != "constant" or node.__dict__):
            leaves[i] = node
        elif type(node) is not Value or node.__dict__ or node._rule is OPAQUE:
            extras[i] = type(node), node.__dict__, _pull(node)
    return _rebuild, (root._backend.capture((root,)), leaves, extras)


def _pull(node: Value) -> Pull | None:
    if node._rule is not OPAQUE:
        return None
    pull: Pull = node._attribute
    if pull.closure:
        raise GraphError(
            f"cannot copy or pickle the node {node._op!r}: its _backward is a closure, which "
            "would go on pointing at the original nodes. Use custom(forward, vjp) instead."
        )
    return pull


def _rebuild(graph: Graph, leaves: dict[int, Value], extras: dict[int, tuple[Any, ...]]) -> Value:
    nodes: list[Value] = []
    for i, code in enumerate(graph.op):
        if i in leaves:
            nodes.append(leaves[i])
            continue
        cls, free, pull = extras.get(i, (Value, None, None))
        node: Value = object.__new__(cls)
        node._rule = op = by_code(code)
        node._data = graph.data[i]
        node._grad = graph.grad[i]
        node._prev = tuple([nodes[j] for j in graph.operands_of(i)])
        if op is LEAF:
            node._attribute = ROLES[graph.role[i]]
        elif op is OPAQUE:
            node._attribute = pull
        elif op.attribute:
            node._attribute = graph.attribute[i]
        if graph.scope[i]:
            node._scope = graph.scope[i]
        if free:
            node.__dict__.update(free)
        nodes.append(node)
    return nodes[-1]
