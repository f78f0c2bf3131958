"""How a page folds a graph: a tree of groups, each node in one of them.

Modules come first, by the scopes of the nodes. Where many nodes of one group do
the same to operands of the same kind, as the terms of a loss do, they are a
group "x 100". And where a group would still have too many members to look at,
they are divided into runs, from which a few results stay out. So what unfolding
one group adds is bounded.

`Graph.collapse` finds repeats as well, and gives one node for each. A page keeps
all nodes, because a reader unfolds what is folded, down to each of them.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final, NamedTuple

from rustygrad.graph import ROLES, Graph
from rustygrad.modes import scope_path
from rustygrad.ops import LEAF

__all__ = ["CROWD", "Groups", "groups"]

#: Members that a group may have before repeats among them are drawn together.
FEW: Final = 24
#: Members that a group may have at all.
CROWD: Final = 48


class Groups:
    """A tree of groups; group 0 is the whole graph.

    Attributes:
        parent: the group that each is in, smaller than its own number.
        kind: 'module', 'repeat' or 'run'.
        name: the path of a module, what a repeat computes, the first and last node of a run.
        of: the group that each node of the graph is in.
    """

    def __init__(self, count: int) -> None:
        self.parent = [0]
        self.kind = ["module"]
        self.name = [""]
        self.of = array("I", bytes(4 * count))

    def add(self, parent: int, kind: str, name: str) -> int:
        """A new group, and its number."""
        self.parent.append(parent)
        self.kind.append(kind)
        self.name.append(name)
        return len(self.parent) - 1


def groups(graph: Graph) -> Groups:
    """The groups of a graph; none but the whole where it is small and has no scopes."""
    users = _first_users(graph)
    scopes = _scopes(graph, users)
    tree = Groups(len(graph))
    _modules(tree, scopes)
    members: dict[int, list[int]] = {}
    for i, group in enumerate(tree.of):
        members.setdefault(group, []).append(i)
    kinds = _kinds(graph, tree, users, members)
    for group, nodes in members.items():
        if len(nodes) > FEW:
            _repeats(graph, tree, group, nodes, kinds)
    return _in_runs(tree, _places(users, graph), frozenset(graph.outputs))


def _first_users(graph: Graph) -> list[tuple[int, int]]:
    """For each node the first node that uses it, one of a module if there is one, and where.

    (-1, 0) for those that none uses.
    """
    users = [(-1, 0)] * len(graph)
    for i in range(len(graph)):
        for position, j in enumerate(graph.operands_of(i)):
            before = users[j][0]
            if before < 0 or (graph.scope[i] and not graph.scope[before]):
                users[j] = i, position
    return users


def _scopes(graph: Graph, users: list[tuple[int, int]]) -> list[str]:
    """The scope that each node is shown in: a leaf's is that of what uses it, but inputs stay out."""
    paths = {number: scope_path(number) for number in set(graph.scope)}
    scopes = [paths[number] for number in graph.scope]
    for i, code in enumerate(graph.op):
        if code == LEAF.code:
            user = users[i][0]
            inside = user >= 0 and ROLES[graph.role[i]] != "input"
            scopes[i] = paths[graph.scope[user]] if inside else ""
    return scopes


def _modules(tree: Groups, scopes: list[str]) -> None:
    """A group for each module; not for a list of modules, nor for what holds nothing but another."""
    below: dict[str, set[str]] = {}
    occupied = set(scopes)
    for path in occupied:
        while path:
            outer = path.rpartition(".")[0]
            below.setdefault(outer, set()).add(path)
            path = outer
    number = {"": 0}
    waiting = [("", 0)]
    while waiting:
        path, group = waiting.pop()
        inner = sorted(below.get(path, ()), key=_natural, reverse=True)
        for child in inner:
            alone = len(inner) == 1 and path and path not in occupied
            listed = child not in occupied and all(_is_item(p) for p in below[child])
            number[child] = group if alone or listed else tree.add(group, "module", child)
            waiting.append((child, number[child]))
    for i, path in enumerate(scopes):
        tree.of[i] = number[path]


def _is_item(path: str) -> bool:
    return path.rpartition(".")[2].isdecimal()


def _natural(path: str) -> list[tuple[int, str]]:
    """So that ``layers.10`` comes after ``layers.9``."""
    return [(int(part) if part.isdecimal() else -1, part) for part in path.split(".")]


def _kinds(
    graph: Graph, tree: Groups, users: list[tuple[int, int]], members: dict[int, list[int]]
) -> list[int]:
    """A number for each node, the same for nodes that do the same in the same place."""
    known: dict[Any, int] = {}
    kinds: list[int] = []
    seen_from = _branches(tree)
    of = tree.of
    for i, code in enumerate(graph.op):
        home = of[i]
        key: Any
        if code == LEAF.code:
            user, position = users[i]
            use = (graph.op[user], seen_from(home, of[user]), position) if user >= 0 else None
            key = (home, graph.role[i], use)
        else:
            operands = graph.operands_of(i)
            made_of = [kinds[j] if of[j] == home else seen_from(home, of[j]) for j in operands]
            key = (home, code, graph.attribute[i].hex(), graph.names.get(i), *made_of)
        kinds.append(known.setdefault(key, len(known)))
    return kinds


def _branches(tree: Groups) -> Callable[[int, int], tuple[int, ...]]:
    """How one group is seen from another: by the outermost group that does not hold both."""
    known: dict[tuple[int, int], tuple[int, ...]] = {}

    def way(group: int) -> list[int]:
        steps = []
        while group:
            steps.append(group)
            group = tree.parent[group]
        return steps[::-1]

    def seen_from(home: int, other: int) -> tuple[int, ...]:
        if (home, other) not in known:
            outside = [g for g in way(other) if g not in way(home)]
            known[home, other] = (outside[0],) if outside else (-1,)
        return known[home, other]

    return seen_from


def _repeats(graph: Graph, tree: Groups, group: int, nodes: list[int], kinds: list[int]) -> None:
    alike: dict[int, list[int]] = {}
    for i in nodes:
        alike.setdefault(kinds[i], []).append(i)
    for same in alike.values():
        if 1 < len(same) < len(nodes):
            labels = {graph.labels.get(i, "") for i in same}
            what = graph[same[0]].symbol or graph[same[0]].role
            repeat = tree.add(group, "repeat", (labels.pop() if len(labels) == 1 else "") or what)
            for i in same:
                tree.of[i] = repeat


def _places(users: list[tuple[int, int]], graph: Graph) -> list[int]:
    """Where each node comes in reading order: a leaf where it is used first."""
    leaf = LEAF.code
    return [users[i][0] if op == leaf and users[i][0] >= 0 else i for i, op in enumerate(graph.op)]


class _Member(NamedTuple):
    """A node or a group, in reading order."""

    place: int
    node: int  # the first one of a group
    group: int  # 0 for a node


def _in_runs(tree: Groups, places: list[int], outputs: frozenset[int]) -> Groups:
    """The tree with crowds divided into runs of at most `CROWD` members, and groups in order."""
    members: dict[int, list[_Member]] = {}
    seen: set[int] = set()
    for i in sorted(range(len(places)), key=places.__getitem__):
        group = tree.of[i]
        members.setdefault(group, []).append(_Member(places[i], i, 0))
        while group and group not in seen:
            seen.add(group)
            members.setdefault(tree.parent[group], []).append(_Member(places[i], i, group))
            group = tree.parent[group]
    out = Groups(len(tree.of))
    waiting = deque([(0, members.get(0, []))])
    while waiting:
        parent, inside = waiting.popleft()
        if len(inside) > CROWD:
            parts = -(-len(inside) // CROWD)
            results = [m.node for m in inside if not m.group and m.node in outputs]
            if len(results) > FEW:
                results = []
            for node in results:
                out.of[node] = parent
            inside = [m for m in inside if m.group or m.node not in results]
            parts = min(CROWD - len(results), parts)
            bounds = [len(inside) * k // parts for k in range(parts + 1)]
            for start, end in pairwise(bounds):
                name = f"{inside[start].node} - {inside[end - 1].node}"
                waiting.append((out.add(parent, "run", name), inside[start:end]))
            continue
        for member in inside:
            if member.group:
                copy = out.add(parent, tree.kind[member.group], tree.name[member.group])
                waiting.append((copy, members[member.group]))
            else:
                out.of[member.node] = parent
    return out
