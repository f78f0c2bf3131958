"""What repeats in a graph, drawn once: `collapse`.

Nodes are put into classes, in two passes. Upward, a node's class is what it
computes: its operation, and the classes of its operands. Downward, a class is
divided by what its nodes are used for, the classes of their users. So the
neurons of a layer are one class, and those of the next layer another one.

No class holds a node together with something that this node is made of, so the
classes form a graph as the nodes do. Each pass looks once at each edge.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from .building import Builder
from .graph import ROLES, Graph
from .modes import scope_id, scope_path
from .ops import ADD, DOT, LEAF, OPAQUE, by_code
from .sweep import topological_order

__all__ = ["collapse"]

_NUMBER: Final = re.compile(r"(\d+)")
#: What an output is used for.
_RESULT: Final = -1


def collapse(graph: Graph) -> Graph:
    """See `Graph.collapse`."""
    view = _View(graph)
    classes = _classes(view, _by_use(view, _by_content(view)))
    _split_chains(view, classes)
    for i in view:
        classes[i]._prev.update((classes[j], None) for j in view.operands(i))
    builder = Builder()
    index: dict[_Class, int] = {}
    outputs = [classes[i] for i in graph.outputs]
    for each in topological_order([*outputs, *(classes[i] for i in view)]):
        index[each] = _write(builder, view, classes, index, each)
    return builder.build(list(dict.fromkeys(index[each] for each in outputs)))


class _Class:
    """Nodes that are drawn as one; a node of the graph of classes."""

    __slots__ = ("_prev", "members")

    def __init__(self) -> None:
        self.members: list[int] = []
        self._prev: dict[_Class, None] = {}


class _View:
    """A graph where a chain of ``+`` is one node of many operands, as `sum` makes it.

    Attributes:
        graph: the graph.
        chains: the operands of each chain, by its last node.
        inside: whether a node is in a chain, and not its last one.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inside = bytearray(len(graph))
        uses = Counter(graph.operands)
        add, outputs = ADD.code, set(graph.outputs)
        tops: list[int] = []
        for i in range(len(graph) - 1, -1, -1):
            if graph.op[i] != add:
                continue
            for j in graph.operands_of(i):
                self.inside[j] = (
                    graph.op[j] == add
                    and uses[j] == 1
                    and graph.scope[j] == graph.scope[i]
                    and j not in graph.labels
                    and j not in outputs
                )
            if not self.inside[i]:
                tops.append(i)
        self.chains = {i: terms for i in tops if len(terms := self.walk(i)[0]) > 2}

    def __iter__(self) -> Iterator[int]:
        return (i for i, inside in enumerate(self.inside) if not inside)

    def operands(self, i: int) -> Sequence[int]:
        return self.chains.get(i) or self.graph.operands_of(i)

    def walk(self, top: int) -> tuple[list[int], list[int]]:
        """What a chain adds up, in order, and the nodes inside it."""
        terms: list[int] = []
        inside: list[int] = []
        stack = [*reversed(self.graph.operands_of(top))]
        while stack:
            i = stack.pop()
            if self.inside[i]:
                inside.append(i)
                stack.extend(reversed(self.graph.operands_of(i)))
            else:
                terms.append(i)
        return terms, inside


def _by_content(view: _View) -> list[int]:
    """A number for each node, equal where they compute the same of the same."""
    graph = view.graph
    numbers: dict[Any, int] = {}
    found = [0] * len(graph)
    scopes = {scope: _without_numbers(scope_path(scope)) for scope in set(graph.scope)}
    labels = {i: _without_numbers(label) for i, label in graph.labels.items()}
    names = {i: _without_numbers(name) for i, name in graph.names.items()}
    for i in view:
        operands = view.operands(i)
        below = [found[j] for j in operands]
        if not any(_places(view, i)):
            below.sort()
        key = (
            graph.op[i],
            graph.role[i],
            repr(graph.attribute[i]) if by_code(graph.op[i]).attribute else "",
            scopes[graph.scope[i]],
            labels.get(i),
            names.get(i),
            len(operands) == 2 and operands[0] == operands[1],  # x * x is not x * y
            tuple(below),
        )
        found[i] = numbers.setdefault(key, len(numbers))
    return found


def _by_use(view: _View, content: list[int]) -> list[int]:
    """The numbers divided: equal where nodes of one content are also used for the same."""
    numbers: dict[Any, int] = {}
    found = [0] * len(content)
    uses: dict[int, int | set[int]] = dict.fromkeys(view.graph.outputs, _RESULT)
    for i in range(len(content) - 1, -1, -1):
        if view.inside[i]:
            continue
        use = uses.pop(i, None)
        key = content[i], frozenset(use) if isinstance(use, set) else use
        found[i] = numbers.setdefault(key, len(numbers))
        for j, place in zip(view.operands(i), _places(view, i), strict=True):
            use = 3 * found[i] + place
            known = uses.setdefault(j, use)
            if isinstance(known, set):
                known.add(use)
            elif known != use:  # most nodes have one use, which needs no set
                uses[j] = {known, use}
    return found


def _places(view: _View, i: int) -> Sequence[int]:
    """The places of a node's operands, 0 to 2; equal where exchanging them changes little."""
    count, op = len(view.operands(i)), by_code(view.graph.op[i])
    if op is DOT:
        return [0] * (count % 2) + [1, 2] * (count // 2)
    if op.arity is None or i in view.chains:
        return bytes(count)
    return range(count)


def _classes(view: _View, numbers: list[int]) -> list[_Class]:
    """The class of each node, by their numbers; what is inside a chain is in none with others."""
    found: dict[int, _Class] = {}
    classes = []
    for i, number in enumerate(numbers):
        its = None if view.inside[i] else found.get(number)
        if its is None:
            its = _Class()
            if not view.inside[i]:
                found[number] = its
        its.members.append(i)
        classes.append(its)
    return classes


def _split_chains(view: _View, classes: list[_Class]) -> None:
    """Leave a chain as it is where nothing in it repeats."""
    for top, terms in [*view.chains.items()]:
        its = {classes[i] for i in (top, *terms)}
        if len(its) == 1 + len(terms) and all(len(each.members) == 1 for each in its):
            for i in view.walk(top)[1]:
                view.inside[i] = False
            del view.chains[top]


def _write(
    builder: Builder,
    view: _View,
    classes: list[_Class],
    index: dict[_Class, int],
    its: _Class,
) -> int:
    """Add the node that stands for a class."""
    graph, members = view.graph, its.members
    first = members[0]
    alone = all(len(each.members) == 1 for each in (its, *its._prev))
    if alone and first not in view.chains:
        operands = [index[classes[j]] for j in graph.operands_of(first)]
        return builder.copy(graph, first, operands).index
    op = LEAF if graph.op[first] == LEAF.code else OPAQUE
    builder.scope = scope_id(_common({scope_path(graph.scope[i]) for i in members}))
    lines = {graph.sources.get(i, "") for i in members}
    builder.source = lines.pop() if len(lines) == 1 else ""
    i = builder.add(
        op,
        [index[each] for each in its._prev],
        _telling(graph.data, members),
        grad=_telling(graph.grad, members),
        role=ROLES[graph.role[first]],
    )
    builder.repeats[i] = _repeats(graph, members)
    if first in graph.labels:
        builder.labels[i] = _common(dict.fromkeys(graph.labels[j] for j in members))
    if first in graph.names:
        builder.names[i] = _common(dict.fromkeys(graph.names[j] for j in members))
    elif op is OPAQUE:
        builder.names[i] = graph[first].symbol
    return i


def _telling(column: Sequence[float], members: list[int]) -> float:
    """The first of the numbers, or the first that is nan or inf."""
    odd = (column[i] for i in members if not math.isfinite(column[i]))
    return next(odd, column[members[0]])


def _repeats(graph: Graph, members: list[int]) -> tuple[int, ...]:
    """How many there are: scopes, times nodes of each, where that comes out even."""
    count = sum(math.prod(graph.repeats.get(i, ())) for i in members)
    scopes = Counter(graph.scope[i] for i in members)
    each = len(members) // len(scopes)
    if count == len(members) and set(scopes.values()) == {each} and 1 < each < count:
        return len(scopes), each
    return (count,)


def _without_numbers(text: str) -> str:
    return _NUMBER.sub("0", text)


def _common(texts: Iterable[str]) -> str:
    """What texts that differ in numbers alone have in common, with ``*`` for the others."""
    first, *rest = texts
    parts = _NUMBER.split(first)
    for text in rest:
        parts = ["*" if x != y else x for x, y in zip(parts, _NUMBER.split(text), strict=True)]
    return "".join(parts)
