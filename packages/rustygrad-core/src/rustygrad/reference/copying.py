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
    _give(twin, object.__getstate__(node))
    return twin


def reduce(root: Value) -> tuple[Any, ...]:
    """What `__reduce_ex__` answers, for `pickle` and `copy.deepcopy`.

    Free attributes travel as the state, which is restored last: so a leaf may
    point at newer nodes, which depend on it.

    Raises:
        GraphError: a node's `_backward` is a closure, which would go on pointing
            at the nodes it was written for.
    """
    leaves: dict[int, Value] = {}
    kinds: dict[int, tuple[type[Value], Pull | None]] = {}
    owned: dict[int, Any] = {}
    for i, node in enumerate(topological_order((root,))):
        plain = type(node) is Value and not node.__dict__
        if node._rule is LEAF and node is not root and (node._role != "constant" or not plain):
            leaves[i] = node
        elif not plain or node._rule is OPAQUE:
            kinds[i] = type(node), _pull(node)
            owned[i] = _owned(node)
    return _rebuild, (root._backend.capture((root,)), leaves, kinds), owned or None


def restore(root: Value, owned: dict[int, Any]) -> None:
    """What `__setstate__` does with the state that `reduce` gave."""
    for i, node in enumerate(topological_order((root,))):
        if i in owned:
            _give(node, owned[i])


def _owned(node: Value) -> Any:
    """Free attributes, and what a subclass keeps in slots of its own."""
    state: Any = object.__getstate__(node)
    free, slots = state
    return free, {name: item for name, item in slots.items() if name not in Value.__slots__}


def _give(node: Value, state: Any) -> None:
    free, slots = state
    node.__dict__.update(free or {})
    for name, item in slots.items():
        setattr(node, name, item)


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


def _rebuild(
    graph: Graph, leaves: dict[int, Value], kinds: dict[int, tuple[type[Value], Pull | None]]
) -> Value:
    nodes: list[Value] = []
    for i, code in enumerate(graph.op):
        if i in leaves:
            nodes.append(leaves[i])
            continue
        cls, pull = kinds.get(i, (Value, None))
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
        nodes.append(node)
    return nodes[-1]
