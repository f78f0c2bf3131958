"""Graph: the record of a computation, the one thing that crosses package borders.

Engines give a Graph, exporters turn it into text or pictures, compilers into a
program. It holds columns, one entry a node in topological order, and no Python
object a node, so a million nodes are a few arrays. A `Node` is a view of one
row.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from .convert import backend_of
from .errors import GraphError
from .files import floats_from_json, floats_to_json, read_text, write_text
from .modes import scope_id, scope_path
from .ops import ADD, DIV, LEAF, MUL, NEG, OPAQUE, OPS, SUB, Op, by_code, by_name
from .sweep import backward_order, sweep

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ROLES", "Builder", "Graph", "Node", "Ref", "differentiate"]

#: What a leaf is; '' for the other nodes. The role column holds positions in this tuple.
ROLES: Final = ("", "input", "constant", "parameter")


class Node:
    """A view of one node of a graph.

    Attributes:
        graph: the graph it is in.
        index: its position there.
    """

    __slots__ = ("graph", "index")

    def __init__(self, graph: Graph, index: int) -> None:
        self.graph = graph
        self.index = index

    @property
    def op(self) -> Op:
        """The row of the op table; `LEAF` and `OPAQUE` are rows too."""
        return by_code(self.graph.op[self.index])

    @property
    def symbol(self) -> str:
        """The operation as people read it: ``+``, ``**2``, ``ReLU``; '' for a leaf."""
        if self.op is OPAQUE:
            return self.graph.names.get(self.index, "")
        return self.op.display(self.attribute)

    @property
    def operands(self) -> tuple[Node, ...]:
        """The operands in order, repeats kept."""
        return tuple([Node(self.graph, i) for i in self.graph.operands_of(self.index)])

    @property
    def attribute(self) -> float | None:
        """The constant that belongs to the operation, such as an exponent."""
        return self.graph.attribute[self.index] if self.op.attribute else None

    @property
    def data(self) -> float:
        """The number as captured."""
        return self.graph.data[self.index]

    @property
    def grad(self) -> float:
        """The gradient as captured."""
        return self.graph.grad[self.index]

    @property
    def role(self) -> str:
        """'input', 'constant' or 'parameter' for a leaf, else ''."""
        return ROLES[self.graph.role[self.index]]

    @property
    def scope(self) -> str:
        """The path of the module that made it, such as ``layers.0.neurons.3``."""
        return scope_path(self.graph.scope[self.index])

    @property
    def label(self) -> str:
        """The name that the user gave it."""
        return self.graph.labels.get(self.index, "")

    def __repr__(self) -> str:
        return f"<{self._line()}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and (self.graph, self.index) == (other.graph, other.index)

    def __hash__(self) -> int:
        return hash((len(self.graph), self.index))

    def _line(self) -> str:
        if self.op is LEAF:
            what = self.role
        else:
            args = [f"%{i}" for i in self.graph.operands_of(self.index)]
            if self.attribute is not None:
                args.append(f"{self.op.attribute}={self.attribute!r}")
            name = self.op.name if self.op is not OPAQUE else f"opaque {self.symbol!r}"
            what = f"{name}({', '.join(args)})"
        notes = [n for n in (self.label and repr(self.label), self.scope) if n]
        comment = f"  # {' '.join(notes)}" if notes else ""
        return f"%{self.index} = {what}  data={self.data!r} grad={self.grad!r}{comment}"


class Graph(Sequence[Node]):
    """An immutable computation in topological order, in columns.

    Attributes:
        op: positions in the op table.
        offsets: where each node's operands start in `operands`; one more entry ends the last.
        operands: node indices, all smaller than that of the node they belong to.
        attribute: the operation's constant, nan where it has none.
        data: the numbers as captured.
        grad: the gradients as captured.
        role: positions in `ROLES`.
        scope: scope numbers, see `modes.scope_path`.
        labels: names that the user gave, by node.
        names: what opaque nodes are called, by node.
        outputs: the roots that were captured, in order.
    """

    __slots__ = (
        "attribute", "data", "grad", "labels", "names", "offsets",
        "op", "operands", "outputs", "role", "scope",
    )  # fmt: skip
    op: array[int]
    offsets: array[int]
    operands: array[int]
    attribute: array[float]
    data: array[float]
    grad: array[float]
    role: array[int]
    scope: array[int]
    labels: dict[int, str]
    names: dict[int, str]
    outputs: tuple[int, ...]

    def __init__(
        self,
        *,
        op: array[int],
        offsets: array[int],
        operands: array[int],
        attribute: array[float],
        data: array[float],
        grad: array[float],
        role: array[int],
        scope: array[int],
        labels: Mapping[int, str],
        names: Mapping[int, str],
        outputs: Sequence[int],
    ) -> None:
        for slot, column in (
            ("op", op), ("offsets", offsets), ("operands", operands), ("attribute", attribute),
            ("data", data), ("grad", grad), ("role", role), ("scope", scope),
            ("labels", dict(labels)), ("names", dict(names)), ("outputs", tuple(outputs)),
        ):  # fmt: skip
            object.__setattr__(self, slot, column)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the columns, scopes by path, because their numbers hold for one process."""
        columns = {slot: getattr(self, slot) for slot in self.__slots__}
        paths = {number: scope_path(number) for number in set(self.scope)}
        return _unpickled, (columns, paths)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Graph is immutable: cannot set {name!r}")

    # --- made from Values ---

    @classmethod
    def capture(cls, *roots: Any) -> Graph:
        """Record what Values were made of, down to the leaves.

        Args:
            roots: Values of one backend; they become the `outputs`, in order. A
                leaf may be among them, to learn its index.

        Raises:
            GraphError: no roots, or something that is not a Value.
            MixedBackendsError: roots of several backends.
        """
        if not roots:
            raise GraphError("Graph.capture() takes one Value or more, and got none")
        backend = backend_of(roots)
        for root in roots:
            if backend is None or not isinstance(root, backend.Value):
                raise GraphError(f"Graph.capture() takes Values, not {root!r}")
        graph: Graph = backend.capture(roots)
        return graph

    # --- a sequence of nodes ---

    def __len__(self) -> int:
        return len(self.op)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [Node(self, i) for i in range(len(self))[index]]
        return Node(self, range(len(self))[index])

    def __iter__(self) -> Iterator[Node]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Whether every column holds the same bits."""
        if not isinstance(other, Graph):
            return NotImplemented
        return all(_bits(getattr(self, c)) == _bits(getattr(other, c)) for c in self.__slots__)

    def __hash__(self) -> int:
        return hash((bytes(self.op), self.outputs))

    def operands_of(self, index: int) -> Sequence[int]:
        """The operand indices of a node, in order."""
        return self.operands[self.offsets[index] : self.offsets[index + 1]]

    def find(self, label: str) -> Node:
        """The only node of that label.

        Raises:
            GraphError: no node has it, or several have.
        """
        found = [i for i, name in self.labels.items() if name == label]
        if len(found) != 1:
            known = ", ".join(map(repr, sorted(set(self.labels.values())))) or "none"
            raise GraphError(f"{len(found)} nodes are labelled {label!r}; the labels are: {known}")
        return Node(self, found[0])

    def leaves(self, role: str) -> list[Node]:
        """The leaves of a role, in order.

        Raises:
            GraphError: there is no such role.
        """
        if role not in ROLES[1:]:
            raise GraphError(f"no leaf role {role!r}: it is one of {', '.join(ROLES[1:])}")
        wanted = ROLES.index(role)
        return [Node(self, i) for i, number in enumerate(self.role) if number == wanted]

    def __repr__(self) -> str:
        counts = [(len(self.leaves(role)), role) for role in ROLES[1:]]
        leaves = ", ".join(f"{count} {role}{'s' * (count != 1)}" for count, role in counts)
        return f"<Graph of {len(self)} nodes: {leaves}, outputs {list(self.outputs)}>"

    def __str__(self) -> str:
        lines = [node._line() for node in self]
        lines.append("outputs " + ", ".join(f"%{i}" for i in self.outputs))
        return "\n".join(lines)

    # --- checked, computed, rewritten ---

    def verify(self) -> Self:
        """Check that every row makes sense, and return the graph.

        Raises:
            GraphError: naming the first node that does not, and why.
        """
        count = len(self.op)
        columns = ("attribute", "data", "grad", "role", "scope")
        for name in columns:
            if len(getattr(self, name)) != count:
                raise GraphError(f"column {name!r} has {len(getattr(self, name))} of {count} rows")
        ends = self.offsets
        if len(ends) != count + 1 or ends[0] != 0 or ends[-1] != len(self.operands):
            raise GraphError("the operand offsets do not cover the operands")
        for i in range(count):
            problem = self._problem(i)
            if problem:
                raise GraphError(f"node %{i}: {problem}")
        for what, indices in (
            ("output", self.outputs), ("labelled node", self.labels), ("named node", self.names)
        ):  # fmt: skip
            for i in indices:
                if not 0 <= i < count:
                    raise GraphError(f"{what} %{i} is not one of the {count} nodes")
        return self

    def _problem(self, i: int) -> str:
        if self.op[i] >= len(OPS) + 2:
            return f"no operation has the code {self.op[i]}"
        op = by_code(self.op[i])
        if self.offsets[i] > self.offsets[i + 1]:
            return "its operands end before they start"
        operands = self.operands_of(i)
        if any(j >= i for j in operands):
            return f"operands {list(operands)} do not all come before it"
        if op.arity is not None and len(operands) != op.arity:
            return f"{op.name} takes {op.arity} operands, not {len(operands)}"
        if op.arity is None and op is not OPAQUE and not operands:
            return f"{op.name} takes at least one operand"
        if self.role[i] >= len(ROLES) or (op is LEAF) != bool(self.role[i]):
            return f"{op.name} has the role number {self.role[i]}"
        return ""

    def evaluate(self, overrides: Mapping[int, float] | None = None) -> array[float]:
        """Compute every node again, and return the data column: one float a node.

        Args:
            overrides: new numbers for leaves, by index.

        Raises:
            GraphError: an opaque node, or an override that is not a leaf.
        """
        data = array("d", self.data)
        for i, number in (overrides or {}).items():
            if by_code(self.op[_index(self, i)]) is not LEAF:
                raise GraphError(f"only leaves can be given new numbers, and %{i} is not one")
            data[i] = number
        for i, code in enumerate(self.op):
            op = by_code(code)
            if op is LEAF:
                continue
            _refuse_opaque(self, i, op, "evaluate")
            arguments = [data[j] for j in self.operands_of(i)]
            if op.attribute:
                arguments.append(self.attribute[i])
            data[i] = op.forward(*arguments)
        return data

    def expand(self) -> Graph:
        """The same computation with `sum`, `mean` and `dot` written out in ``+``, ``*`` and ``/``.

        Values keep their bits. Differentiating the expanded graph may give other
        last bits, because gradients then add up in another order.
        """
        builder = Builder()
        refs: list[Ref] = []
        for i, code in enumerate(self.op):
            op = by_code(code)
            operands = [refs[j] for j in self.operands_of(i)]
            if op.expands:
                builder.scope = self.scope[i]
                ref = op.forward(*operands)
                if ref in operands:  # the sum of one operand is that operand
                    refs.append(ref)
                    continue
                builder.grad[ref.index] = self.grad[i]
                if i in self.labels:
                    builder.labels[ref.index] = self.labels[i]
            else:
                ref = builder.copy(self, i, [r.index for r in operands])
            refs.append(ref)
        return builder.build([refs[i].index for i in self.outputs])

    def differentiate(
        self, wrt: Sequence[int | Node], *, of: int | Node | None = None, seed: float = 1.0
    ) -> Graph:
        """The graph with its derivatives written out; see `rustygrad.differentiate`."""
        return differentiate(self, wrt, of=of, seed=seed)

    # --- saved and loaded ---

    def to_json(self) -> dict[str, Any]:
        """The graph as plain data that `json` can write; floats keep their bits."""
        return {
            "format": "rustygrad graph 1",
            "op": [by_code(code).name for code in self.op],
            "operands": [list(self.operands_of(i)) for i in range(len(self))],
            "attribute": floats_to_json(self.attribute),
            "data": floats_to_json(self.data),
            "grad": floats_to_json(self.grad),
            "role": [ROLES[number] for number in self.role],
            "scope": [scope_path(number) for number in self.scope],
            "labels": {str(i): label for i, label in sorted(self.labels.items())},
            "names": {str(i): name for i, name in sorted(self.names.items())},
            "outputs": list(self.outputs),
        }

    @classmethod
    def from_json(cls, record: Any) -> Graph:
        """The graph that `to_json` described.

        Raises:
            GraphError: the record is not one, or the graph in it does not verify.
        """
        try:
            if record["format"] != "rustygrad graph 1":
                raise ValueError(f"its format is {record['format']!r}, not 'rustygrad graph 1'")
            offsets = array("Q", [0])
            operands = array("Q")
            for row in record["operands"]:
                operands.extend(row)
                offsets.append(len(operands))
            graph = cls(
                op=array("B", [by_name(name).code for name in record["op"]]),
                offsets=offsets,
                operands=operands,
                attribute=array("d", floats_from_json(record["attribute"])),
                data=array("d", floats_from_json(record["data"])),
                grad=array("d", floats_from_json(record["grad"])),
                role=array("B", [ROLES.index(role) for role in record["role"]]),
                scope=array("I", [scope_id(path) for path in record["scope"]]),
                labels={int(i): str(label) for i, label in record["labels"].items()},
                names={int(i): str(name) for i, name in record["names"].items()},
                outputs=array("Q", record["outputs"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise GraphError(f"not a saved graph: {type(error).__name__}: {error}") from error
        return graph.verify()

    def save(self, path: str | Path) -> None:
        """Write the graph to a JSON file, whole or not at all."""
        import json

        write_text(path, json.dumps(self.to_json(), allow_nan=False))

    @classmethod
    def load(cls, path: str | Path) -> Graph:
        """Read a graph that `save` wrote.

        Raises:
            GraphError: the file holds something else.
            OSError: the file cannot be read.
        """
        import json

        try:
            record = json.loads(read_text(path))
        except ValueError as error:
            raise GraphError(f"{path} is not a saved graph: {error}") from error
        return cls.from_json(record)


def _unpickled(columns: dict[str, Any], paths: dict[int, str]) -> Graph:
    numbers = {number: scope_id(path) for number, path in paths.items()}
    columns["scope"] = array("I", [numbers[number] for number in columns["scope"]])
    return Graph(**columns)


def _bits(column: Any) -> Any:
    """Something that is equal where the bits are: -0.0 is not 0.0, nan is nan."""
    if isinstance(column, array) and column.typecode == "d":
        return list(map(repr, column))
    return column


def _refuse_opaque(graph: Graph, i: int, op: Op, verb: str) -> None:
    if op is OPAQUE:
        raise GraphError(
            f"cannot {verb} the opaque node %{i} {graph.names.get(i, '')!r}: it was built by hand "
            "or by custom(), and only its own Python code knows what it does"
        )


# --- graphs in the making ---------------------------------------------------


class Ref:
    """A reference to a node of a graph in the making. Arithmetic on it writes nodes."""

    __slots__ = ("builder", "index")

    def __init__(self, builder: Builder, index: int) -> None:
        self.builder = builder
        self.index = index

    def emit(self, op: Op, arguments: Sequence[Any]) -> Ref:
        """Write the node of an operation; the attribute, if it has one, comes last."""
        return self.builder.emit(op, arguments)

    def __add__(self, other: Any) -> Ref:
        return self.emit(ADD, (self, other))

    def __radd__(self, other: Any) -> Ref:
        return self.emit(ADD, (other, self))

    def __sub__(self, other: Any) -> Ref:
        return self.emit(SUB, (self, other))

    def __rsub__(self, other: Any) -> Ref:
        return self.emit(SUB, (other, self))

    def __mul__(self, other: Any) -> Ref:
        return self.emit(MUL, (self, other))

    def __rmul__(self, other: Any) -> Ref:
        return self.emit(MUL, (other, self))

    def __truediv__(self, other: Any) -> Ref:
        return self.emit(DIV, (self, other))

    def __rtruediv__(self, other: Any) -> Ref:
        return self.emit(DIV, (other, self))

    def __neg__(self) -> Ref:
        return self.emit(NEG, (self,))


class Builder:
    """A graph in the making. It computes the data of each node as it is written.

    Attributes:
        scope: the scope number that new nodes get.
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
        self.scope = 0
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
        return len(self.op) - 1

    def copy(self, graph: Graph, i: int, operands: Sequence[int]) -> Ref:
        """Append a node of another graph, with other operands."""
        self.scope = graph.scope[i]
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
        return Ref(self, index)

    def lift(self, x: Any) -> Ref:
        """A reference as it is, a number as a constant; each constant is written once."""
        if isinstance(x, Ref):
            return x
        key = float(x).hex()
        if key not in self._constants:
            self._constants[key] = Ref(self, self.add(LEAF, (), float(x), role="constant"))
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
            outputs=outputs,
        )


# --- differentiation --------------------------------------------------------


class _Zero:
    """The gradient that nothing has been added to. The first addition replaces it."""

    def __add__(self, other: Any) -> Any:
        return other


class _StandIn:
    """What the sweep sees of a graph node: its data and its gradient are references."""

    __slots__ = ("_attribute", "_data", "_grad", "_prev", "_rule")
    _attribute: float
    _data: Ref
    _grad: Any
    _prev: tuple[Any, ...]
    _rule: Op


def differentiate(
    graph: Graph,
    wrt: Sequence[int | Node],
    *,
    of: int | Node | None = None,
    seed: float = 1.0,
) -> Graph:
    """Write the derivative of a graph's output as ordinary nodes of a larger graph.

    The same sweep that eager `backward` runs on numbers runs on references here,
    so the new nodes add up in eager's order. An output of the result is what
    `backward` adds to that node's `grad`.

    Args:
        graph: what to differentiate. Its nodes keep their indices in the result.
        wrt: the nodes to differentiate with respect to.
        of: the node to differentiate; by default the first output.
        seed: the gradient of `of` itself.

    Returns:
        The graph with the derivatives added. Its outputs are the derivatives, in
        the order of `wrt`, so that it can be differentiated again.

    Raises:
        GraphError: an index is out of range, there is nothing to differentiate,
            or `of` depends on an opaque node.
    """
    targets = [_index(graph, node) for node in wrt]
    if of is None and not graph.outputs:
        raise GraphError("the graph has no outputs: say which node to differentiate, of=...")
    root = _index(graph, graph.outputs[0] if of is None else of)
    builder, zero = Builder(), _Zero()
    nodes: list[_StandIn] = []
    for i, code in enumerate(graph.op):
        node = _StandIn()
        node._rule = by_code(code)
        node._prev = tuple([nodes[j] for j in graph.operands_of(i)])
        node._attribute = graph.attribute[i]
        node._data = builder.copy(graph, i, graph.operands_of(i))
        node._grad = zero if node._rule is LEAF else None
        nodes.append(node)
    builder.scope = 0
    order = backward_order(nodes[root], zero)
    for node in order:
        _refuse_opaque(graph, node._data.index, node._rule, "differentiate")
    nodes[root]._grad = builder.lift(seed)
    sweep(order)
    grads = [nodes[i]._grad for i in targets]
    return builder.build(
        [builder.lift(g if isinstance(g, (Ref, float)) else 0.0).index for g in grads]
    )


def _index(graph: Graph, node: int | Node) -> int:
    i = node.index if isinstance(node, Node) else node
    if not 0 <= i < len(graph):
        raise GraphError(f"node %{i} is not one of the {len(graph)} nodes of this graph")
    return i
