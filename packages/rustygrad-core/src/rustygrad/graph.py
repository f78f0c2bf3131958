"""Graph: the record of a computation, the one thing that crosses package borders.

Engines give a Graph, exporters turn it into text or pictures, compilers into a
program. It holds columns, one entry a node in topological order, and no Python
object a node, so a million nodes are a few arrays. A `Node` is a view of one
row.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from .convert import as_number, as_whole, backend_of, kind_of
from .errors import GraphError
from .files import read_json, write_text
from .modes import is_scope, scope_id, scope_path
from .ops import LEAF, OPAQUE, OPS, Op, by_code

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ROLES", "Graph", "Node"]

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
            return f"{self.graph.names.get(self.index, '')}{self._times}"
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

    @property
    def title(self) -> str:
        """What to call it: its label, else a parameter's path in its module, else ''.

        An input that was cut off is called by the operation that it had, ``… tanh``;
        and a leaf that stands for several says how many, ``x × 100``.
        """
        if not self.role:
            return self.label
        title = self.label or self.graph.names.get(self.index, "")
        return f"{title}{self._times}" if title else self._times[1:]

    @property
    def is_cut(self) -> bool:
        """Whether it is where a slice ends: an input here, and a result in the whole graph."""
        return self.role == "input" and self.index in self.graph.names

    @property
    def repeats(self) -> tuple[int, ...]:
        """How many nodes `collapse` drew together in it, as factors; (1,) if it is one."""
        return self.graph.repeats.get(self.index, (1,))

    @property
    def _times(self) -> str:
        return "".join(f" × {count}" for count in self.repeats if count > 1)

    @property
    def source(self) -> str:
        """The user's line that made it, "file.py:12" or "Cell In[3], line 12".

        '' outside `anomaly`.
        """
        return self.graph.sources.get(self.index, "")

    @property
    def expression(self) -> str:
        """What it is, as a graph prints it: ``add(%0, %1)``, or its role."""
        if self.op is LEAF:
            return self.role
        args = [f"%{i}" for i in self.graph.operands_of(self.index)]
        if self.attribute is not None:
            args.append(f"{self.op.attribute}={self.attribute!r}")
        name = self.op.name if self.op is not OPAQUE else f"opaque {self.symbol!r}"
        return f"{name}({', '.join(args)})"

    def __repr__(self) -> str:
        return f"<{self._line()}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and (self.graph, self.index) == (other.graph, other.index)

    def __hash__(self) -> int:
        return hash((len(self.graph), self.index))

    def _line(self) -> str:
        title = repr(self.title) if self.label else self.title
        notes = [n for n in (title, self.scope, self.source) if n]
        comment = f"  # {' '.join(notes)}" if notes else ""
        return f"%{self.index} = {self.expression}  data={self.data!r} grad={self.grad!r}{comment}"


class Graph(Sequence[Node]):
    """An immutable computation in topological order, in columns.

    Its columns are read-only views; ``list(graph.data)`` is a copy.

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
        names: by node, what opaque nodes are called, the paths of parameters in their
            modules, and what the operation of an input was that was cut off.
        repeats: how many nodes one stands for, as factors, by node; see `collapse`.
        sources: the user's lines that made them, "file.py:12", by node, as far as they
            were made inside `anomaly`.
        outputs: the roots that were captured, in order.
    """

    __slots__ = (
        "attribute", "data", "grad", "labels", "names", "offsets",
        "op", "operands", "outputs", "repeats", "role", "scope", "sources",
    )  # fmt: skip
    op: memoryview[int]
    offsets: memoryview[int]
    operands: memoryview[int]
    attribute: memoryview[float]
    data: memoryview[float]
    grad: memoryview[float]
    role: memoryview[int]
    scope: memoryview[int]
    labels: Mapping[int, str]
    names: Mapping[int, str]
    repeats: Mapping[int, tuple[int, ...]]
    sources: Mapping[int, str]
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
        repeats: Mapping[int, tuple[int, ...]] | None = None,
        sources: Mapping[int, str] | None = None,
    ) -> None:
        for slot, column in (
            ("op", op), ("offsets", offsets), ("operands", operands), ("attribute", attribute),
            ("data", data), ("grad", grad), ("role", role), ("scope", scope),
            ("labels", labels), ("names", names), ("repeats", repeats or {}),
            ("sources", sources or {}),
        ):  # fmt: skip
            object.__setattr__(self, slot, _frozen(column))
        object.__setattr__(self, "outputs", tuple(outputs))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the columns, scopes by path, because their numbers hold for one process."""
        columns = {slot: _thawed(getattr(self, slot)) for slot in self.__slots__}
        paths = {number: scope_path(number) for number in set(self.scope)}
        return _unpickled, (columns, paths)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Graph is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Graph is immutable: cannot delete {name!r}")

    # --- made from Values ---

    @classmethod
    def capture(cls, *roots: Any, names: Mapping[str, Any] | None = None) -> Graph:
        """Record what Values were made of, down to the leaves.

        Args:
            roots: Values of one backend; they become the `outputs`, in order. A
                leaf may be among them, to learn its index.
            names: names of Values, such as ``locals()``, for those that have no label
                of their own. Items of lists, tuples and dicts are called ``w[0]``,
                parameters of a Module ``model.layers.0.neurons.3.b``. What is no
                Value is passed over, and so are names that begin with ``_``.

        Raises:
            GraphError: no roots, something that is not a Value, or `names` that are
                no mapping.
            MixedBackendsError: roots of several backends.
        """
        if not roots:
            raise GraphError("Graph.capture() takes one Value or more, and got none")
        backend = backend_of(roots)
        for root in roots:
            if backend is None or not isinstance(root, backend.Value):
                one_by_one = isinstance(root, (list, tuple, set)) and len(root) > 0
                hint = ": give them one by one, Graph.capture(*values)" * one_by_one
                raise GraphError(f"Graph.capture() takes Values, not {root!r:.60}{hint}")
        if names is not None:
            from .naming import capture_named

            return capture_named(backend, roots, names)
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

    def index_of(self, node: int | Node) -> int:
        """The index of a node that is given as such, or by its index.

        A node of another graph is taken where this graph begins with all of
        that one, as what `differentiate` gives does.

        Raises:
            GraphError: it is out of range, of another graph, or no node at all.
        """
        if isinstance(node, Node):
            if node.graph is not self and not self._begins_with(node.graph):
                raise GraphError(
                    f"{node!r} is of another graph, {node.graph!r}, and this is {self!r}: "
                    "find the node in this one, by its label or its index"
                )
            i = node.index
        elif (whole := as_whole(node)) is not None:
            i = whole
        else:
            hint = ": capture it among the roots to learn its index" * hasattr(node, "_prev")
            raise GraphError(f"a node is given as such or by its index, not as {node!r:.60}{hint}")
        if not 0 <= i < len(self):
            raise GraphError(f"node %{i} is not one of the {len(self)} nodes of this graph")
        return i

    def _begins_with(self, other: Graph) -> bool:
        columns = ("op", "offsets", "operands", "attribute", "role", "data")
        return all(_starts_with(getattr(self, c), getattr(other, c)) for c in columns)

    def refuse_opaque(self, index: int, verb: str) -> None:
        """Raise if a node is opaque, where it would have to be understood.

        Raises:
            GraphError: it is; `verb` says what cannot be done to it.
        """
        if self.op[index] == OPAQUE.code:
            raise GraphError(
                f"cannot {verb} the opaque node %{index} {self.names.get(index, '')!r}: it was "
                "built by hand, by custom(), fold() or collapse(), and no operation of the table "
                "says what it computes"
            )

    def find(self, label: str) -> Node:
        """The only node of that label, or the parameter of that path, which has no label.

        Raises:
            GraphError: no node has it, or several have.
        """
        parameter = ROLES.index("parameter")
        paths = {i: name for i, name in self.names.items() if self.role[i] == parameter}
        found = [i for i, name in {**paths, **self.labels}.items() if name == label]
        if len(found) != 1:
            known = sorted(set(self.labels.values()))
            listed = ", ".join(map(repr, known[:20])) or "none"
            more = f" and {len(known) - 20} more" if len(known) > 20 else ""
            raise GraphError(
                f"{len(found)} nodes are labelled {label!r}; the labels are: {listed}{more}"
            )
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
        roles = bytes(self.role)
        counts = [(roles.count(number), role) for number, role in enumerate(ROLES) if role]
        leaves = ", ".join(f"{count} {role}{'s' * (count != 1)}" for count, role in counts)
        outputs = ", ".join(map(str, self.outputs[:10]))
        more = f", … {len(self.outputs)} in all" if len(self.outputs) > 10 else ""
        return f"<Graph of {len(self)} nodes: {leaves}, outputs [{outputs}{more}]>"

    def __str__(self) -> str:
        lines = [node._line() for node in self]
        lines.append("outputs " + ", ".join(f"%{i}" for i in self.outputs))
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What notebooks show."""
        from .notebook import mimebundle

        return mimebundle(self, include, exclude)

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
            ("output", self.outputs), ("labelled node", self.labels), ("named node", self.names),
            ("repeated node", self.repeats), ("node with a source", self.sources),
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
        if not is_scope(self.scope[i]):
            return f"no scope has the number {self.scope[i]}"
        return ""

    def evaluate(self, overrides: Mapping[int | Node, float] | None = None) -> array[float]:
        """Compute every node again, and return the data column: one float a node.

        Args:
            overrides: new numbers for leaves, by node or index.

        Raises:
            GraphError: an opaque node, an override that is not a leaf, or one
                that is not a number.
        """
        data = array("d", self.data)
        overrides = {} if overrides is None else overrides
        if not isinstance(overrides, Mapping):
            raise GraphError(f"evaluate() takes numbers by node, not {kind_of(overrides)}")
        for node, number in overrides.items():
            i = self.index_of(node)
            if by_code(self.op[i]) is not LEAF:
                raise GraphError(f"only leaves can be given new numbers, and %{i} is not one")
            new = as_number(number)
            if new is None:
                raise GraphError(f"the new number of %{i} is a number, not {kind_of(number)}")
            data[i] = new
        for i, code in enumerate(self.op):
            op = by_code(code)
            if op is LEAF:
                continue
            self.refuse_opaque(i, "evaluate")
            arguments = [data[j] for j in self.operands_of(i)]
            if op.attribute:
                arguments.append(self.attribute[i])
            data[i] = op.forward(*arguments)
        return data

    def expand(self) -> Graph:
        """With `sum`, `mean` and `dot` written out in ``+``, ``*`` and ``/``.

        Values keep their bits. The new nodes have the gradients that the sweep of
        this graph hands through them: in a `dot` each partial sum and each product
        has the gradient of the whole, and the operands keep theirs. Differentiating
        the expanded graph may give other last bits, because gradients then add up
        in another order.
        """
        from .rewriting import expand

        return expand(self)

    def slice(self, *nodes: int | Node, depth: int | None = None, users: int | None = 0) -> Graph:
        """Only what these nodes depend on, or are used for. They become the outputs.

        A result whose operands are left out becomes an input, with its data, its
        gradient and its label; `Node.is_cut` tells it from the other inputs.

        Args:
            nodes: the nodes.
            depth: how many operations to follow from a node down to its operands, from
                0 up; None for all the way to the leaves.
            users: how many operations to follow from a node up to those that use it,
                from 0 up; None for all the way to the results. What else these are
                made of is cut off.

        Raises:
            GraphError: no nodes are given, an index is out of range, or a number of
                steps is not a whole number from 0 up.
        """
        from .rewriting import slice_of

        return slice_of(self, nodes, depth, users)

    def fold(self, depth: int | None = None) -> Graph:
        """With the nodes of each module drawn together, one opaque node for each result.

        A folded node is called by its scope, and its operands are what it was made
        of outside the module, and other results of the module. Constants and
        parameters that only the module uses disappear in it. What several results
        are made of is one more node of the module where it is itself made of more
        than 16 others. The result draws, and refuses to compile.

        Args:
            depth: how many parts of a scope path to keep, from 1 up: 2 folds
                ``layers.0.neurons.3`` into ``layers.0``. All of them by default.

        Raises:
            GraphError: `depth` is no whole number from 1 up.
        """
        from .rewriting import fold

        return fold(self, depth)

    def collapse(self) -> Graph:
        """With what repeats drawn once: the neurons of a layer, the samples of a batch.

        Nodes are drawn together that compute the same of the same, and are used for
        the same: their operations, attributes, operands and users are alike, down to
        the leaves and up to the results, and so are their labels and scopes, but for
        the numbers in them. Leaves are alike in their role, whatever number they
        hold. The items of a `sum`, a ``max`` or a chain of ``+`` are alike wherever
        they stand in it, and so are the products of a `dot`.

        One node stands for them all. It has the data and the gradient of the first,
        or of the first where that is nan or inf; the common part of their labels and
        scopes, with ``*`` for numbers that differ; and `Node.repeats`, which pictures
        show: ``layers.0.neurons.* × 16 × 100`` is what 16 neurons do for 100 samples.
        Such nodes, and those that are made of them, are opaque: the result draws, and
        refuses to compile. Repeats that follow one another, such as the steps of a
        recurrence, stay apart.
        """
        from .collapsing import collapse

        return collapse(self)

    def differentiate(
        self, wrt: Sequence[int | Node], *, of: int | Node | None = None, seed: float = 1.0
    ) -> Graph:
        """With its derivatives written out; see `rustygrad.differentiate`."""
        from .differentiation import differentiate

        return differentiate(self, wrt, of=of, seed=seed)

    # --- saved and loaded ---

    def to_json(self) -> dict[str, Any]:
        """The graph as plain data that `json` can write; floats keep their bits."""
        from .graph_json import record_of

        return record_of(self)

    @classmethod
    def from_json(cls, record: Any) -> Graph:
        """The graph that `to_json` described.

        Raises:
            GraphError: the record is not one, or the graph in it does not verify.
        """
        from .graph_json import columns_of

        try:
            return cls(**columns_of(record)).verify()
        except ValueError as error:
            raise GraphError(f"not a saved graph: {error}") from None

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
        from .graph_json import columns_of

        try:
            return cls(**columns_of(read_json(path))).verify()
        except ValueError as error:
            raise GraphError(f"{path} is not a saved graph: {error}") from None


def _frozen(column: Any) -> Any:
    """A column that nobody can change: a view of bytes, or a read-only mapping."""
    if isinstance(column, Mapping):
        return MappingProxyType(dict(column))
    kind: Any = memoryview(column).format
    content = column.tobytes()
    if not content:  # which cannot be cast
        return memoryview(array(kind)).toreadonly()
    return memoryview(content).cast(kind)


def _starts_with(column: Any, start: Any) -> bool:
    """Whether a frozen column begins with the bits of another one; both know their bytes."""
    return not start or (len(column) > 0 and column.obj.startswith(start.obj))


def _thawed(column: Any) -> Any:
    """The same as plain objects, which pickle."""
    if isinstance(column, memoryview):
        return array(column.format, column.tobytes())
    return dict(column) if isinstance(column, Mapping) else column


def _unpickled(columns: dict[str, Any], paths: dict[int, str]) -> Graph:
    numbers = {number: scope_id(path) for number, path in paths.items()}
    columns["scope"] = array("I", [numbers[number] for number in columns["scope"]])
    return Graph(**columns)


def _bits(column: Any) -> Any:
    """Something that is equal where the bits are: -0.0 is not 0.0, nan is nan."""
    if isinstance(column, memoryview) and column.format == "d":
        return list(map(repr, column))
    return column
