"""Graphs from graphs: written out, cut down, drawn together by module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from .building import Builder
from .convert import as_whole
from .errors import GraphError
from .graph import ROLES, Graph, Node
from .modes import scope_id, scope_path
from .ops import LEAF, OPAQUE, Op, by_code

__all__ = ["expand", "fold", "slice_of"]

#: What a node inside a module may be made of before it is shown where several results need it.
_JOINT: Final = 16


# --- expand -----------------------------------------------------------------


#: One row of what an operation is made of: its own operation, where its operands are among the
#: operands and the rows before it, and the number of a constant.
_Row: TypeAlias = tuple[Op, tuple[int, ...], float]


def expand(graph: Graph) -> Graph:
    """See `Graph.expand`."""
    builder = Builder()
    index: list[int] = []
    known: dict[tuple[Op, int], list[_Row]] = {}
    for i, code in enumerate(graph.op):
        op = by_code(code)
        operands = [index[j] for j in graph.operands_of(i)]
        if not op.expands:
            index.append(builder.copy(graph, i, operands).index)
            continue
        rows = known.get((op, len(operands)))
        if rows is None:
            rows = known[op, len(operands)] = _written_out(op, len(operands))
        builder.at(graph, i)
        index.append(_write(builder, rows, operands, graph.data[i], graph.grad[i]))
        if i in graph.labels:  # the sum of one operand is that operand, which may have its own
            builder.labels.setdefault(index[i], graph.labels[i])
    return builder.build([index[i] for i in graph.outputs])


def _written_out(op: Op, count: int) -> list[_Row]:
    """What an operation of so many operands is made of, by its `forward`."""
    builder = Builder()
    op.forward(*[builder.leaf(1.0, "input") for _ in range(count)])
    graph = builder.build([])
    return [
        (by_code(graph.op[i]), tuple(graph.operands_of(i)), graph.data[i])
        for i in range(count, len(graph))
    ]


def _write(
    builder: Builder, rows: list[_Row], operands: list[int], data: float, grad: float
) -> int:
    """Add what an operation is made of, with its numbers, and give the index of the last node.

    Each node gets the gradient that the sweep would hand to it from the last one,
    whose gradient is known; the operands have theirs.
    """
    if not rows:
        return operands[0]
    count = len(operands)
    numbers = [builder.data[j] for j in operands]
    for op, below, constant in rows:
        numbers.append(constant if op is LEAF else op.forward(*[numbers[j] for j in below]))
    numbers[-1] = data
    grads = [0.0] * len(numbers)
    grads[-1] = grad
    if grad:  # else nothing flows, and 0 times inf would be nan
        for i in range(len(numbers) - 1, count - 1, -1):
            op, below, _ = rows[i - count]
            if below and max(below) >= count:
                handed = op.vjp(grads[i], numbers[i], *[numbers[j] for j in below])
                for j, dx in zip(below, handed, strict=True):
                    grads[j] += dx
    place = operands
    for (op, below, _), number, dx in zip(rows, numbers[count:], grads[count:], strict=True):
        role = "constant" if op is LEAF else ""
        place.append(builder.add(op, [place[j] for j in below], number, grad=dx, role=role))
    return place[-1]


# --- slice ------------------------------------------------------------------


def slice_of(
    graph: Graph, nodes: Sequence[int | Node], depth: int | None, users: int | None
) -> Graph:
    """See `Graph.slice`.

    Raises:
        GraphError: no nodes are given, an index is out of range, or `depth` or
            `users` is neither None nor a whole number from 0 up.
    """
    if not nodes:
        raise GraphError("slice() takes one node or more, and got none")
    below, above = (
        len(graph) if steps is None else _steps(name, steps)
        for name, steps in (("depth", depth), ("users", users))
    )
    outputs = [graph.index_of(node) for node in nodes]
    shown, whole = _below(graph, outputs, below)
    if above:
        _above(graph, outputs, above, shown, whole)
    builder = Builder()
    index: dict[int, int] = {}
    for i in range(len(graph)):
        if whole[i]:
            index[i] = builder.copy(graph, i, [index[j] for j in graph.operands_of(i)]).index
        elif shown[i]:
            index[i] = builder.cut(graph, i).index
    return builder.build([index[i] for i in outputs])


def _steps(name: str, steps: Any) -> int:
    whole = as_whole(steps)
    if whole is None or whole < 0:
        raise GraphError(
            f"{name} is a number of steps from 0 up, or None for all, not {steps!r:.60}"
        )
    return whole


def _below(graph: Graph, outputs: list[int], steps: int) -> tuple[bytearray, bytearray]:
    """Which nodes are within so many steps below others, and which of them are not at the end."""
    left = [-1] * len(graph)  # of the steps, at each node; less than 0 where none leads to it
    for i in outputs:
        left[i] = steps
    for i in range(max(outputs), -1, -1):
        if left[i] > 0:
            for j in graph.operands_of(i):
                left[j] = max(left[j], left[i] - 1)
    return bytearray([steps >= 0 for steps in left]), bytearray([steps > 0 for steps in left])


def _above(
    graph: Graph, outputs: list[int], steps: int, shown: bytearray, whole: bytearray
) -> None:
    """Add what is made of nodes in so many steps, with all that it is made of."""
    left = [0] * len(graph)
    for i in outputs:
        left[i] = steps
    for i in range(min(outputs) + 1, len(graph)):
        operands = graph.operands_of(i)
        here = max([left[j] for j in operands], default=0)
        if here:
            left[i] = max(left[i], here - 1)
            shown[i] = whole[i] = True
            for j in operands:
                shown[j] = True


# --- fold -------------------------------------------------------------------


def fold(graph: Graph, depth: int | None) -> Graph:
    """See `Graph.fold`.

    Raises:
        GraphError: `depth` is no whole number from 1 up.
    """
    groups = _groups(graph, None if depth is None else _parts(depth))
    shown = _shown(graph, groups)
    owner = _owners(graph, groups, shown)
    builder = Builder()
    index: dict[int, int] = {}
    entering: dict[int, set[int]] = {}
    for i, group in enumerate(groups):
        if group:
            made_of = entering.setdefault(owner[i], set())
            for j in graph.operands_of(i):
                if shown[j]:
                    made_of.add(j)
                elif groups[j] and owner[j] != owner[i]:
                    made_of |= entering[j]
            if owner[i] == i and (shown[i] or len(made_of) > _JOINT):
                shown[i] = True
                below = sorted([index[j] for j in made_of])
                index[i] = _write_module(builder, graph, i, group, below)
                del entering[i]
        elif shown[i]:
            index[i] = builder.copy(graph, i, [index[j] for j in graph.operands_of(i)]).index
    return builder.build([index[i] for i in graph.outputs])


def _parts(depth: Any) -> int:
    whole = as_whole(depth)
    if whole is None or whole < 1:
        raise GraphError(f"fold() keeps one part of a scope path or more, not {depth!r:.60}")
    return whole


def _groups(graph: Graph, depth: int | None) -> list[int]:
    """The scope that each node is folded into, 0 for those that stay as they are."""
    folded = {s: scope_id(".".join(scope_path(s).split(".")[:depth])) for s in set(graph.scope)}
    leaf = LEAF.code
    return [0 if op == leaf else folded[s] for op, s in zip(graph.op, graph.scope, strict=True)]


def _shown(graph: Graph, groups: list[int]) -> bytearray:
    """Whether a node is still there: one that another group uses, or that is an output."""
    nobody, several = -1, -2
    users = [nobody] * len(groups)
    for i, group in enumerate(groups):
        for j in graph.operands_of(i):
            if users[j] != group:
                users[j] = group if users[j] == nobody else several
    shown = bytearray(len(groups))
    for i, group in enumerate(groups):
        if graph.op[i] == LEAF.code:
            # a module's own leaf: one group uses it, and it is no input
            shown[i] = users[i] <= 0 or ROLES[graph.role[i]] == "input"
        else:
            shown[i] = not group or users[i] not in (nobody, group)
    for i in graph.outputs:
        shown[i] = True
    return shown


def _owners(graph: Graph, groups: list[int], shown: bytearray) -> list[int]:
    """The result that each node inside a group belongs to.

    It is the only one that needs it. What several need is a joint, and belongs to
    itself, as a result does; so each node is looked at once, whatever their number.
    """
    owner = [-1] * len(groups)
    for i in range(len(groups) - 1, -1, -1):
        if shown[i] or owner[i] == -1:
            owner[i] = i
        if groups[i]:
            for j in graph.operands_of(i):
                if groups[j] and not shown[j]:
                    owner[j] = owner[i] if owner[j] in (-1, owner[i]) else j
    return owner


def _write_module(builder: Builder, graph: Graph, i: int, group: int, below: list[int]) -> int:
    """Add the node that stands for what a module made on the way to one of its results."""
    builder.scope, builder.source = group, graph.sources.get(i, "")
    index = builder.add(OPAQUE, below, graph.data[i], grad=graph.grad[i])
    builder.names[index] = scope_path(group)
    if i in graph.labels:
        builder.labels[index] = graph.labels[i]
    return index
