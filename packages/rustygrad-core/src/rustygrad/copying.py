"""Pickling and copying of graphs of any depth, for every engine.

Pickle's own way descends from a node to its operands and dies at Python's
recursion limit. So a node takes the graph below it along in columns, and only
what columns cannot hold as objects: above all the leaves, so that pickle keeps
their identity.

An engine that uses this has nodes with the attributes `_rule`, `_prev`,
`_attribute` and `_scope`, and one function of its own, which makes a node from
its record::

    rebuild(cls, code, operands, data, grad, attribute, scope)

``cls`` is the class of the node, ``code`` the position of its operation in the
op table, and ``attribute`` the operation's constant, the role of a leaf, or the
`Pull` of an opaque node. The function is pickled by its name. Its backend is pickled as
`by_name` says, so that whoever lacks it learns what to install::

    def __reduce__(self):
        return by_name, (self.name,)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from operator import sub
from typing import Any, Final

from .errors import GraphError
from .graph import ROLES, Graph
from .opaque import Pull
from .ops import LEAF, OPAQUE, OPS
from .sweep import topological_order

__all__ = ["by_name", "clone", "reduce", "restore"]

_HAVE_ATTRIBUTE: Final = {op.code for op in OPS.values() if op.attribute}


def by_name(name: str) -> Any:
    """The backend that something in a pickle belongs to.

    Raises:
        PluginError: it is not installed, or fails to load.
    """
    from .selection import backend_asked_for

    return backend_asked_for(name, f"this pickle needs the backend {name!r}")


def clone(node: Any, rebuild: Callable[..., Any]) -> Any:
    """Another node with the same operands, for `copy.copy`."""
    attribute, scope = getattr(node, "_attribute", None), getattr(node, "_scope", 0)
    twin = rebuild(type(node), node._rule.code, node._prev, node.data, node.grad, attribute, scope)
    _give(twin, _owned(node))
    return twin


def reduce(
    root: Any,
    rebuild: Callable[..., Any],
    order_of: Callable[[Iterable[Any]], list[Any]] = topological_order,
) -> tuple[Any, ...]:
    """What `__reduce_ex__` answers, for `pickle` and `copy.deepcopy`.

    Free attributes travel as the state, which is restored last: so a leaf may
    point at newer nodes, which depend on it.

    Args:
        root: the node.
        rebuild: makes a node from its record, see above.
        order_of: does what `topological_order` does, where an engine does it faster.

    Raises:
        GraphError: a node's `_backward` is a closure, which would go on pointing
            at the nodes it was written for.
    """
    backend = root._backend
    graph, value = backend.capture((root,)), backend.Value
    leaf, opaque = LEAF.code, OPAQUE.code
    leaves: dict[int, Any] = {}
    kinds: dict[int, tuple[type[Any] | None, Pull | None]] = {}
    owned: dict[int, Any] = {}
    for i, (code, node) in enumerate(zip(graph.op, order_of((root,)))):
        plain = type(node) is value and not node.__dict__
        if code == leaf and node is not root:
            if not plain or node._role != "constant":
                leaves[i] = node
        elif not plain or code == opaque:
            kinds[i] = (None if type(node) is value else type(node)), _pull(node)
            owned[i] = _owned(node)
    return _rebuild, (backend, rebuild, graph, leaves, kinds), owned or None


def restore(
    root: Any,
    owned: dict[int, Any],
    order_of: Callable[[Iterable[Any]], list[Any]] = topological_order,
) -> None:
    """What `__setstate__` does with the state that `reduce` gave."""
    for i, node in enumerate(order_of((root,))):
        if i in owned:
            _give(node, owned[i])


def _owned(node: Any) -> dict[str, Any]:
    """Free attributes, and what a subclass keeps in slots of its own."""
    state: Any = object.__getstate__(node)
    free, slots = state if isinstance(state, tuple) else (state, None)
    engines = getattr(node._backend.Value, "__slots__", ())
    return (free or {}) | {k: item for k, item in (slots or {}).items() if k not in engines}


def _give(node: Any, owned: dict[str, Any]) -> None:
    assign = node._backend.Value.__setattr__  # the engine's, which may have to know
    for name, item in owned.items():
        if name == "_op":  # a leaf's name for its origin; else there is no such attribute to set
            node.__dict__[name] = item
        else:
            assign(node, name, item)


def _pull(node: Any) -> Pull | None:
    if node._rule is not OPAQUE:
        return None
    pull: Pull = node._attribute
    if pull.closure is not None:
        raise GraphError(
            f"cannot copy or pickle the node {node._op!r}: its _backward is a closure, which "
            "would go on pointing at the original nodes. Use custom(forward, vjp) instead."
        )
    return pull


def _rebuild(
    backend: Any,
    rebuild: Callable[..., Any],
    graph: Graph,
    leaves: dict[int, Any],
    kinds: dict[int, tuple[type[Any] | None, Any]],
) -> Any:
    value, plain, leaf = backend.Value, (None, None), LEAF.code
    nodes: list[Any] = []
    below = map(nodes.__getitem__, graph.operands)  # each is there by the time it is taken
    columns = graph.op, graph.data, graph.grad, graph.attribute, graph.role, graph.scope
    counts = map(sub, graph.offsets[1:], graph.offsets)
    for i, (count, code, data, grad, constant, role, scope) in enumerate(zip(counts, *columns)):
        if i in leaves:
            nodes.append(leaves[i])
            continue
        cls, attribute = kinds.get(i, plain)
        if code == leaf:
            attribute = ROLES[role]
        elif code in _HAVE_ATTRIBUTE:
            attribute = constant
        operands = tuple(islice(below, count))
        nodes.append(rebuild(cls or value, code, operands, data, grad, attribute, scope))
    return nodes[-1]
