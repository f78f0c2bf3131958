"""What backward does to a graph, written down hand-over by hand-over.

A *hand-over* is one operand receiving its share: the product of the local
derivative and the incoming gradient, added to what the operand has. The page
replays these records and computes nothing, so its numbers are the engine's.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any, Final

from rustygrad.graph import Graph
from rustygrad.ops import LEAF, OPAQUE, Op, by_code
from rustygrad.sweep import backward_order, sweep

__all__ = ["LONGEST", "Record", "backward", "local_derivatives", "once", "recursion", "visits"]

#: Hand-overs after which the record of a wrong order ends.
LONGEST: Final = 2000


class Record:
    """Hand-overs in the order in which they happen.

    Attributes:
        root: the node that backward starts from.
        seed: its gradient.
        edges: which operand receives: a position in `Graph.operands`.
        products: what it receives; nan from an opaque node, which says nothing of it.
        sums: what it has then.
        unknown: nodes whose gradients only an opaque node's code could tell.
        captured: nodes below an opaque one, whose gradients are those captured.
    """

    def __init__(self, root: int, seed: float) -> None:
        self.root = root
        self.seed = seed
        self.edges = array("I")
        self.products = array("d")
        self.sums = array("d")
        self.unknown: list[int] = []
        self.captured: list[int] = []

    def add(self, edge: int, product: float, total: float) -> None:
        """Write one hand-over down."""
        self.edges.append(edge)
        self.products.append(product)
        self.sums.append(total)


def local_derivatives(graph: Graph) -> array[float]:
    """The derivative of each node by each operand, beside `Graph.operands`; nan of opaque nodes."""
    local = array("d")
    for i, code in enumerate(graph.op):
        op = by_code(code)
        count = len(graph.operands_of(i))
        local.extend([math.nan] * count if op is OPAQUE else _shares(graph, i, op, 1.0))
    return local


def _shares(graph: Graph, i: int, op: Op, g: float) -> Sequence[float]:
    """What a node with the gradient `g` gives to each operand."""
    arguments = [graph.data[j] for j in graph.operands_of(i)]
    if op.attribute:
        arguments.append(graph.attribute[i])
    shares: Any = op.vjp(g, graph.data[i], *arguments)
    return (shares,) if op.arity == 1 else shares


# --- the right order ---


class _Rule:
    """An operation that writes down what it hands on."""

    last_first: bool

    def __init__(self, op: Op, products: array[float]) -> None:
        self.op = op
        self.products = products
        self.arity, self.attribute, self.last_first = op.arity, op.attribute, op.last_first

    def vjp(self, g: float, *arguments: float) -> Any:
        shares = self.op.vjp(g, *arguments)
        listed = (shares,) if self.arity == 1 else shares
        self.products.extend(reversed(listed) if self.last_first else listed)
        return shares


class _Opaque:
    """Stands for the code of an opaque node: it leaves what was captured, if anything was."""

    def __init__(self, products: array[float]) -> None:
        self.products = products

    def pull(self, node: _StandIn) -> None:
        for x in node._prev:
            self.products.append(math.nan)
            x.settled = True
            x._grad = x.captured


class _StandIn:
    """What `rustygrad.sweep` sees of a node; its gradient writes down what it becomes."""

    __slots__ = ("_attribute", "_data", "_prev", "_rule", "captured", "settled", "sums", "total")
    _attribute: Any
    _data: float
    _prev: tuple[_StandIn, ...]
    _rule: Any

    def __init__(self, captured: float, sums: array[float]) -> None:
        self.captured = captured
        self.settled = False  # whether an opaque node has a part in it
        self.sums = sums
        self.total = 0.0

    @property
    def _grad(self) -> float:
        return self.total

    @_grad.setter
    def _grad(self, total: float) -> None:
        self.total = self.captured if self.settled else total
        self.sums.append(self.total)


def backward(graph: Graph, root: int, seed: float, *, ran: bool, as_listed: bool = False) -> Record:
    """The library's own sweep over a graph, written down.

    Args:
        graph: the graph; it may hold opaque nodes.
        root: the node to start from.
        seed: its gradient.
        ran: whether the captured gradients are of this backward. What lies below an
            opaque node has them then, and is unknown otherwise.
        as_listed: whether to go by the order of the graph's nodes. In an expanded graph
            that is the order of the one that it was made from.
    """
    record = Record(root, seed)
    zero = float("0")  # an object of our own, see `backward_order`
    nodes: list[_StandIn] = []
    opaque = _Opaque(record.products)
    for i, code in enumerate(graph.op):
        op = by_code(code)
        node = _StandIn(graph.grad[i] if ran else math.nan, record.sums)
        node._data = graph.data[i]
        node._prev = tuple([nodes[j] for j in graph.operands_of(i)])
        node._rule = op if op in (LEAF, OPAQUE) else _Rule(op, record.products)
        node._attribute = opaque if op is OPAQUE else graph.attribute[i]
        node.total = zero if op is LEAF else math.nan
        nodes.append(node)
    index = {node: i for i, node in enumerate(nodes)}
    order = backward_order(nodes[root], zero)
    if as_listed:
        order.sort(key=index.__getitem__)
    nodes[root]._grad = seed
    del record.sums[:]  # resetting and seeding are no hand-overs
    sweep(order)
    for node in reversed(order):
        i = index[node]
        edges = range(graph.offsets[i], graph.offsets[i + 1])
        record.edges.extend(reversed(edges) if node._rule.last_first else edges)
    _mark(record, graph, [index[node] for node in reversed(order)], ran)
    return record


def _mark(record: Record, graph: Graph, order: list[int], ran: bool) -> None:
    """Note the nodes whose gradients an opaque node has a part in."""
    found: dict[int, None] = {}
    for i in order:
        if graph.op[i] == OPAQUE.code or (i in found and not ran):
            found.update(dict.fromkeys(graph.operands_of(i)))
    (record.captured if ran else record.unknown).extend(found)


# --- wrong orders ---


def recursion(graph: Graph, root: int, seed: float) -> Record:
    """Plain recursion: hand a share to an operand, go on from there, then see to the next one.

    A node that is used twice hands all that it has on twice. The record ends after
    `LONGEST` hand-overs.

    Raises:
        GraphError: the root depends on an opaque node.
    """
    record, grad = Record(root, seed), {root: seed}
    path = [_visit(graph, root, seed)]
    while path and len(record.edges) < LONGEST:
        for edge, share in path[-1]:
            j = graph.operands[edge]
            grad[j] = grad.get(j, 0.0) + share
            record.add(edge, share, grad[j])
            path.append(_visit(graph, j, grad[j]))
            break
        else:
            path.pop()
    return record


def once(graph: Graph, root: int, seed: float) -> Record:
    """The same recursion, but each node hands on at its first visit only: some too early.

    Raises:
        GraphError: the root depends on an opaque node.
    """
    record, grad, seen = Record(root, seed), {root: seed}, set[int]()
    stack = [root]
    while stack and len(record.edges) < LONGEST:
        i = stack.pop()
        if i in seen:
            continue
        seen.add(i)
        for edge, share in _visit(graph, i, grad[i]):
            j = graph.operands[edge]
            grad[j] = grad.get(j, 0.0) + share
            record.add(edge, share, grad[j])
        stack.extend(reversed(graph.operands_of(i)))
    return record


def _visit(graph: Graph, i: int, g: float) -> Any:
    """The edges of a node with the share of each, to be taken one by one."""
    op = by_code(graph.op[i])
    graph.refuse_opaque(i, "play a wrong order through")
    edges = range(graph.offsets[i], graph.offsets[i + 1])
    return zip(edges, _shares(graph, i, op, g), strict=True)


def visits(graph: Graph, root: int) -> float:
    """How many nodes a plain recursion would visit: one for each path; inf if beyond a float."""
    paths = [0.0] * (root + 1)
    paths[root] = 1.0
    for i in range(root, -1, -1):
        if paths[i]:
            for j in graph.operands_of(i):
                paths[j] += paths[i]
    return sum(paths)
