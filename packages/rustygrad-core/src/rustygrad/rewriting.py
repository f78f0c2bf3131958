"""Graphs from graphs: written out, cut down, drawn together."""

from __future__ import annotations

from collections.abc import Sequence

from .building import Builder, Ref
from .errors import GraphError
from .graph import ROLES, Graph, Node
from .modes import scope_id, scope_path
from .ops import LEAF, OPAQUE, by_code

__all__ = ["expand", "fold", "slice_of"]


def expand(graph: Graph) -> Graph:
    """See `Graph.expand`."""
    builder = Builder()
    refs: list[Ref] = []
    for i, code in enumerate(graph.op):
        op = by_code(code)
        operands = [refs[j] for j in graph.operands_of(i)]
        if op.expands:
            builder.scope, builder.source = graph.scope[i], graph.sources.get(i, "")
            ref = op.forward(*operands)
            if ref in operands:  # the sum of one operand is that operand
                refs.append(ref)
                continue
            builder.grad[ref.index] = graph.grad[i]
            if i in graph.labels:
                builder.labels[ref.index] = graph.labels[i]
        else:
            ref = builder.copy(graph, i, [r.index for r in operands])
        refs.append(ref)
    return builder.build([refs[i].index for i in graph.outputs])


def slice_of(graph: Graph, nodes: Sequence[int | Node]) -> Graph:
    """See `Graph.slice`.

    Raises:
        GraphError: no nodes are given, or an index is out of range.
    """
    if not nodes:
        raise GraphError("slice() takes one node or more, and got none")
    outputs = [graph.index_of(node) for node in nodes]
    wanted = bytearray(len(graph))
    for i in outputs:
        wanted[i] = 1
    for i in range(max(outputs), -1, -1):
        if wanted[i]:
            for j in graph.operands_of(i):
                wanted[j] = 1
    builder = Builder()
    index: dict[int, int] = {}
    for i in range(max(outputs) + 1):
        if wanted[i]:
            index[i] = builder.copy(graph, i, [index[j] for j in graph.operands_of(i)]).index
    return builder.build([index[i] for i in outputs])


def fold(graph: Graph, depth: int | None) -> Graph:
    """See `Graph.fold`.

    Raises:
        GraphError: `depth` is no whole number from 1 up.
    """
    if depth is not None and not (hasattr(type(depth), "__index__") and depth >= 1):
        raise GraphError(f"fold() keeps one part of a scope path or more, not {depth!r}")
    groups = _groups(graph, depth)
    shown = _shown(graph, groups)
    builder = Builder()
    index: dict[int, int] = {}
    for i in range(len(graph)):
        if not shown[i]:
            continue
        if not groups[i]:
            index[i] = builder.copy(graph, i, [index[j] for j in graph.operands_of(i)]).index
            continue
        builder.scope, builder.source = scope_id(groups[i]), graph.sources.get(i, "")
        below = [index[j] for j in _entering(graph, groups, shown, i)]
        index[i] = builder.add(OPAQUE, below, graph.data[i], grad=graph.grad[i])
        builder.names[index[i]] = groups[i]
        if i in graph.labels:
            builder.labels[index[i]] = graph.labels[i]
    return builder.build([index[i] for i in graph.outputs])


def _groups(graph: Graph, depth: int | None) -> list[str]:
    """The scope that each node is folded into, '' for those that stay as they are."""
    paths = {s: ".".join(scope_path(s).split(".")[:depth]) for s in set(graph.scope)}
    leaf = LEAF.code
    return ["" if op == leaf else paths[s] for op, s in zip(graph.op, graph.scope, strict=True)]


def _shown(graph: Graph, groups: list[str]) -> list[bool]:
    """Whether a node is still there: one that another group uses, or that is an output."""
    users: list[set[str]] = [set() for _ in groups]
    for i, group in enumerate(groups):
        for j in graph.operands_of(i):
            users[j].add(group)
    shown = []
    for i, group in enumerate(groups):
        if graph.op[i] == LEAF.code:
            # a module's own leaf: one group uses it, and it is no input
            own = len(users[i]) == 1 and "" not in users[i] and ROLES[graph.role[i]] != "input"
            shown.append(not own)
        else:
            shown.append(not group or bool(users[i] - {group}))
    for i in graph.outputs:
        shown[i] = True
    return shown


def _entering(graph: Graph, groups: list[str], shown: list[bool], i: int) -> list[int]:
    """What a result of a group is made of, as far as it is shown: each once, in graph order.

    Another result of the same group is the end of the way, so that a chain of
    results is not walked down from each of its links.
    """
    entering: set[int] = set()
    seen: set[int] = set()
    stack = [i]
    while stack:
        for j in graph.operands_of(stack.pop()):
            if shown[j]:
                entering.add(j)
            elif groups[j] and j not in seen:
                seen.add(j)
                stack.append(j)
    return sorted(entering)
