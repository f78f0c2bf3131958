"""Graphs in the making: a `Builder`, and references whose arithmetic writes nodes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

from .graph import ROLES, Graph
from .ops import ADD, DIV, LEAF, MUL, NEG, SUB, Op, by_code

__all__ = ["Builder", "Ref", "Symbol"]


class Symbol:
    """Something that stands for a number: arithmetic on it is written down, not computed.

    A subclass says how, in `emit`. The rules of the op table run on it as on floats.
    """

    __slots__ = ()

    def emit(self, op: Op, arguments: Sequence[Any]) -> Any:
        """Write an operation down; its attribute, if it has one, comes last."""

    def __add__(self, other: Any) -> Any:
        return self.emit(ADD, (self, other))

    def __radd__(self, other: Any) -> Any:
        return self.emit(ADD, (other, self))

    def __sub__(self, other: Any) -> Any:
        return self.emit(SUB, (self, other))

    def __rsub__(self, other: Any) -> Any:
        return self.emit(SUB, (other, self))

    def __mul__(self, other: Any) -> Any:
        return self.emit(MUL, (self, other))

    def __rmul__(self, other: Any) -> Any:
        return self.emit(MUL, (other, self))

    def __truediv__(self, other: Any) -> Any:
        return self.emit(DIV, (self, other))

    def __rtruediv__(self, other: Any) -> Any:
        return self.emit(DIV, (other, self))

    def __neg__(self) -> Any:
        return self.emit(NEG, (self,))


class Ref(Symbol):
    """A reference to a node of a graph in the making. Arithmetic on it writes nodes."""

    __slots__ = ("builder", "index")

    def __init__(self, builder: Builder, index: int) -> None:
        self.builder = builder
        self.index = index

    def emit(self, op: Op, arguments: Sequence[Any]) -> Ref:
        """Write the node of an operation; the attribute, if it has one, comes last."""
        return self.builder.emit(op, arguments)


class Builder:
    """A graph in the making. It computes the data of each node as it is written.

    Attributes:
        scope: the scope number that new nodes get.
        source: the user's line that new nodes get, "file.py:12", or ''.
    """

    def __init__(self) -> None:
        self.op = array("B")
        self.offsets = array("Q", [0])
        self.operands = array("Q")
        self.attribute = array("d")
        self.data = array("d")
        self.grad = array("d")
        self.role = array("B")
        self.scopes = array("I")
        self.labels: dict[int, str] = {}
        self.names: dict[int, str] = {}
        self.repeats: dict[int, tuple[int, ...]] = {}
        self.sources: dict[int, str] = {}
        self.scope = 0
        self.source = ""
        self._constants: dict[str, Ref] = {}

    def add(
        self,
        op: Op,
        operands: Sequence[int],
        data: float,
        *,
        attribute: float = math.nan,
        grad: float = 0.0,
        role: str = "",
    ) -> int:
        """Append one row as it is given, and return its index."""
        self.op.append(op.code)
        self.operands.extend(operands)
        self.offsets.append(len(self.operands))
        self.attribute.append(attribute)
        self.data.append(data)
        self.grad.append(grad)
        self.role.append(ROLES.index(role) if role else 0)
        self.scopes.append(self.scope)
        index = len(self.op) - 1
        if self.source:
            self.sources[index] = self.source
        return index

    def at(self, graph: Graph, i: int) -> None:
        """Go on where a node of another graph was made: in its scope, on its line."""
        self.scope, self.source = graph.scope[i], graph.sources.get(i, "")

    def copy(self, graph: Graph, i: int, operands: Sequence[int]) -> Ref:
        """Append a node of another graph, with other operands."""
        self.at(graph, i)
        index = self.add(
            by_code(graph.op[i]),
            operands,
            graph.data[i],
            attribute=graph.attribute[i],
            grad=graph.grad[i],
            role=ROLES[graph.role[i]],
        )
        if i in graph.labels:
            self.labels[index] = graph.labels[i]
        if i in graph.names:
            self.names[index] = graph.names[i]
        if i in graph.repeats:
            self.repeats[index] = graph.repeats[i]
        return Ref(self, index)

    def cut(self, graph: Graph, i: int) -> Ref:
        """Append a node of another graph without what it is made of, as an input."""
        if graph.op[i] == LEAF.code:
            return self.copy(graph, i, ())
        self.at(graph, i)
        ref = self.leaf(graph.data[i], "input", graph.grad[i])
        self.names[ref.index] = f"… {graph[i].symbol}"
        if i in graph.labels:
            self.labels[ref.index] = graph.labels[i]
        return ref

    def leaf(self, data: float, role: str, grad: float = 0.0) -> Ref:
        """Append a leaf."""
        return Ref(self, self.add(LEAF, (), data, grad=grad, role=role))

    def lift(self, x: Any) -> Ref:
        """A reference as it is, a number as a constant; each constant is written once."""
        if isinstance(x, Ref):
            return x
        key = float(x).hex()
        if key not in self._constants:
            self._constants[key] = self.leaf(float(x), "constant")
        return self._constants[key]

    def emit(self, op: Op, arguments: Sequence[Any]) -> Ref:
        """Append the node of an operation; the attribute, if it has one, comes last."""
        attribute = math.nan
        if op.attribute:
            *arguments, attribute = arguments
        operands = [self.lift(x).index for x in arguments]
        data = [self.data[i] for i in operands]
        if op.attribute:
            data.append(attribute)
        return Ref(self, self.add(op, operands, op.forward(*data), attribute=attribute))

    def build(self, outputs: Sequence[int]) -> Graph:
        """The finished graph."""
        return Graph(
            op=self.op,
            offsets=self.offsets,
            operands=self.operands,
            attribute=self.attribute,
            data=self.data,
            grad=self.grad,
            role=self.role,
            scope=self.scopes,
            labels=self.labels,
            names=self.names,
            repeats=self.repeats,
            sources=self.sources,
            outputs=outputs,
        )
