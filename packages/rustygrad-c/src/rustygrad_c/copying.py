"""Pickling and copying of graphs of any depth, as the reference engine does it.

A node takes the graph below it along in columns, and only what columns cannot
hold as objects: above all the leaves, so that pickle keeps their identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rustygrad.errors import GraphError
from rustygrad.graph import ROLES, Graph
from rustygrad.ops import LEAF, OPAQUE, POW

if TYPE_CHECKING:
    from ._engine import Value

__all__ = ["clone", "reduce", "restore"]


def clone(node: Value) -> Value:
    """Another node with the same operands, for `copy.copy`."""
    from . import _engine

    extra: Any = node._attribute if node._pull is None else node._pull
    if node._code == LEAF.code:
        extra = ROLES.index(node._role)
    twin = _engine.rebuild(
        type(node), node._code, node._prev, node.data, node.grad, extra, node._scope
    )
    _give(twin, _owned(node))
    return twin


def reduce(root: Value) -> tuple[Any, ...]:
    """What `__reduce_ex__` answers, for `pickle` and `copy.deepcopy`.

    Raises:
        GraphError: a node's `_backward` is a closure, which would go on pointing
            at the nodes it was written for.
    """
    from . import _engine

    graph, order = root._backend.capture_nodes((root,))
    leaves: dict[int, Value] = {}
    kinds: dict[int, tuple[type[Value], Any]] = {}
    owned: dict[int, Any] = {}
    for i, node in enumerate(order):
        code = graph.op[i]
        if code == LEAF.code and node is not root:
            if type(node) is _engine.Value and node._role == "constant" and not node._free:
                continue
            leaves[i] = node
        elif code == OPAQUE.code or type(node) is not _engine.Value or node._free:
            kinds[i] = type(node), _pull(node)
            owned[i] = _owned(node)
    return _rebuild, (graph, leaves, kinds), owned or None


def restore(root: Value, owned: dict[int, Any]) -> None:
    """What `__setstate__` does with the state that `reduce` gave."""
    for i, node in enumerate(root._backend.capture_nodes((root,))[1]):
        if i in owned:
            _give(node, owned[i])


def _owned(node: Value) -> tuple[Any, Any]:
    """Free attributes, and what a subclass keeps in slots of its own."""
    state = object.__getstate__(node)
    return state if isinstance(state, tuple) else (state, None)


def _give(node: Value, state: tuple[Any, Any]) -> None:
    free, slots = state
    for name, item in ((free or {}) | (slots or {})).items():
        if name == "_op":
            node.__dict__[name] = item
        else:
            setattr(node, name, item)  # which tells the collector


def _pull(node: Value) -> Any:
    pull = node._pull
    if pull is not None and pull.closure:
        raise GraphError(
            f"cannot copy or pickle the node {node._op!r}: its _backward is a closure, which "
            "would go on pointing at the original nodes. Use custom(forward, vjp) instead."
        )
    return pull


def _rebuild(
    graph: Graph, leaves: dict[int, Value], kinds: dict[int, tuple[type[Value], Any]]
) -> Value:
    from . import _engine

    nodes: list[Value] = []
    for i, code in enumerate(graph.op):
        if i in leaves:
            nodes.append(leaves[i])
            continue
        cls, extra = kinds.get(i, (_engine.Value, None))
        if code == LEAF.code:
            extra = graph.role[i]
        elif code == POW.code:
            extra = graph.attribute[i]
        operands = tuple([nodes[j] for j in graph.operands_of(i)])
        nodes.append(
            _engine.rebuild(
                cls, code, operands, graph.data[i], graph.grad[i], extra, graph.scope[i]
            )
        )
    return nodes[-1]
