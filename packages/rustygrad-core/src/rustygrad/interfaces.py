"""What plugins provide: backends, compilers and exporters.

Read this page first if you write one. A plugin package implements one of these
protocols and offers it through a hook (`hookspecs.py`); the conformance suite
then tells how far it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, Final, NamedTuple, Protocol

from .graph import Graph
from .modes import Mode
from .ops import Op

__all__ = [
    "API_VERSION",
    "Backend",
    "Compiler",
    "DenseLayer",
    "Exporter",
    "LayersInOneCall",
    "Numerics",
    "OptimizerSteps",
    "PluginInfo",
    "Program",
    "Stack",
    "Value",
    "exact",
    "ulp",
]

#: The version of the interfaces on this page. A plugin states the one it was written for.
API_VERSION: Final = 1


class Numerics:
    """What a backend or compiler promises of its numbers.

    Attributes:
        ulps: how far a result may be from the reference, in units in the last
            place of it; 0 for the same bits.
    """

    __slots__ = ("ulps",)

    def __init__(self, ulps: int) -> None:
        self.ulps = ulps

    def __repr__(self) -> str:
        return f"ulp({self.ulps})" if self.ulps else "exact"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numerics) and self.ulps == other.ulps

    def __hash__(self) -> int:
        return hash(self.ulps)


#: The same bits as the reference, for values and gradients.
exact: Final = Numerics(0)


def ulp(n: int) -> Numerics:
    """The promise to stay within `n` units in the last place of the reference.

    Raises:
        ValueError: `n` is less than 1; promise `exact` instead.
    """
    if n < 1:
        raise ValueError(f"ulp({n!r}): give 1 or more, or promise `exact`")
    return Numerics(n)


class PluginInfo:
    """What a plugin says of itself.

    Args:
        api: the `API_VERSION` it was written for.
        summary: one line for people.
        expected_failures: names of conformance tests that a backend of this
            plugin is known to fail, each with the reason. One that passes after
            all is an error, so the list stays true.
    """

    __slots__ = ("api", "expected_failures", "summary")

    def __init__(
        self, api: int, summary: str = "", expected_failures: Mapping[str, str] | None = None
    ) -> None:
        self.api = api
        self.summary = summary
        self.expected_failures = dict(expected_failures or {})

    def __repr__(self) -> str:
        return f"PluginInfo(api={self.api!r}, summary={self.summary!r})"


class Value(Protocol):
    """What every backend's Value class has besides operators and methods.

    `rustygrad.reference.Value` defines the whole behaviour; the attributes with
    an underscore are what core itself relies on.
    """

    data: Any
    grad: Any
    label: str
    _backward: Callable[[], Any]
    _role: str
    """What a leaf is, 'input', 'constant' or 'parameter'. Core sets the last on what modules own."""
    _path: str
    """The path of a parameter in its module, a free attribute. Core sets it."""

    def __init__(
        self, data: Any, _children: Iterable[Any] = (), _op: str = "", label: str = ""
    ) -> None: ...

    @property
    def _backend(self) -> Backend:
        """The backend that this class belongs to, an attribute of the class."""
        ...

    @property
    def _prev(self) -> tuple[Any, ...]: ...
    @property
    def _op(self) -> str: ...
    def backward(self, grad: Any = 1.0) -> None:
        """Fill in the gradients of all that this Value was made of."""
        ...


class Backend(Protocol):
    """An engine: it makes Values and runs them backward.

    Each operation looks at ``rustygrad.modes.current.get()``: a `Mode` says
    which scope to stamp on the node, whether to record it at all (`no_grad`),
    whether to look out for nan and inf (`anomaly`), and whether to keep
    `rustygrad.modes.user_line` as the node's free attribute ``_source``
    (`recording`), which `capture` puts into the graph's `sources`.

    It may also have the methods of `LayersInOneCall` and of `OptimizerSteps`;
    core does without where they are missing.
    """

    name: str
    """The name it is selected by."""

    numerics: Numerics
    """Its promise, `exact` or `ulp(n)`."""

    Value: type[Any]
    """Its class of Values; ``Value._backend`` is this object."""

    def apply(self, op: Op, operands: Sequence[Any], attribute: float | None = None) -> Any:
        """The node of any operation of the table, from Values and numbers.

        Raises:
            ConversionError: an operand is neither.
            MixedBackendsError: an operand is a Value of another backend.
        """
        ...

    def custom(self, name: str, operands: Sequence[Any], data: float, vjp: Any) -> Any:
        """A node that is no operation of the table.

        Args:
            name: what to call it.
            operands: Values and numbers.
            data: its number.
            vjp: ``vjp(g, out, *operands)``, all floats: the gradients to hand on.
        """
        ...

    def capture(self, roots: Sequence[Any]) -> Graph:
        """What the roots were made of: depth first, operands in order, results last.

        What a later root adds comes after all that an earlier one depends on.
        """
        ...


class DenseLayer(NamedTuple):
    """A layer of neurons that see the same inputs, as `LayersInOneCall.stack` takes it.

    Attributes:
        inputs: how many inputs it has.
        leaves: its parameters: for each neuron its weights, then all biases.
        activation: the operation after the dots, None for none.
        scope: the number of the layer's scope, which its inputs get.
        scopes: the number of each neuron's scope.
    """

    inputs: int
    leaves: list[Any]
    activation: Op | None
    scope: int
    scopes: list[int]


class LayersInOneCall(Protocol):
    """What a backend may offer besides: whole layers, evaluated in one call from Python.

    Core's `Layer` and `MLP` use it where it is there. What they give must have
    the same bits, and the same nodes below it for whoever looks.
    """

    def stack(
        self, layers: list[DenseLayer], watched: list[list[Any]], counter: list[int], mode: Mode
    ) -> Stack | None:
        """A function of the inputs: what the last layer gives, a list where it has several.

        Args:
            layers: from the inputs on.
            watched: lists that the layers were read from.
            counter: a list of one number; it changes when an attribute that they
                were read from may have changed.
            mode: of the calls that the function is for.

        Returns:
            The function; None if the backend has none for these layers.
        """
        ...


class Stack(Protocol):
    """Layers as one function, see `LayersInOneCall.stack`."""

    def __call__(self, x: Any, /) -> Any:
        """What the layers make of some inputs; None where the engine is not sure.

        Core computes node by node then: in another mode, when the stack is out of
        date, for inputs that are no sequence of numbers and Values, or not as
        many as the first layer takes.
        """
        ...

    def is_current(self) -> bool:
        """Whether nothing has changed: the lists, the counter, and that the leaves are parameters.

        A leaf that was begun anew, ``p.__init__(1.0)``, is an input until somebody asks for
        the parameters again.
        """
        ...


class OptimizerSteps(Protocol):
    """What a backend may offer besides: the steps of core's optimisers.

    Each method gives whether it has made the step, which changes all parameters
    or none. The formulas and their order of operations are those of `optim`.
    """

    def zero_grad(self, parameters: list[Any], /) -> bool:
        """Set the gradients to 0."""
        ...

    def sgd(
        self,
        parameters: list[Any],
        velocity: array[float] | None,
        fresh: bool,
        lr: float,
        momentum: float,
        weight_decay: float,
        /,
    ) -> bool:
        """A step of `SGD`; `fresh` if the velocities have not begun, None if there are none."""
        ...

    def adam(
        self,
        parameters: list[Any],
        mean: array[float],
        square: array[float],
        rate: float,
        spread: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        shrink: float,
        /,
    ) -> bool:
        """A step of `Adam` or `AdamW`: each number times `shrink`, then as in ``Adam.step``."""
        ...


class Program(Protocol):
    """What a compiler makes of a graph: the same computation on other numbers.

    Numbers come and go in contiguous buffers of float64, such as ``array("d")``
    or a numpy array. A buffer holds one number a leaf or output, in graph
    order; with several lanes, lane after lane.
    """

    def run(self, inputs: Any, parameters: Any, outputs: Any, lanes: int = 1) -> int | None:
        """Compute the graph's outputs.

        Args:
            inputs: a number for each leaf with the role 'input'.
            parameters: a number for each leaf with the role 'parameter', shared by all lanes.
            outputs: where to write the graph's outputs.
            lanes: how many independent samples the buffers hold, from 1 up.

        Returns:
            None; or, where the program was made for one outcome of a comparison
            and these numbers have the other, the node index of that comparison.
            The outputs are undefined then.
        """
        ...


class Compiler(Protocol):
    """It turns a graph into a program. The adjoint, if wanted, is in the graph already."""

    name: str
    numerics: Numerics

    def compile(self, graph: Graph) -> Program:
        """Make the program.

        Raises:
            GraphError: the graph holds opaque nodes.
        """
        ...


class Exporter(Protocol):
    """It turns a graph into text or a picture."""

    name: str
    """The file suffix it is chosen by, without the dot."""

    def export(self, graph: Graph, stream: IO[bytes], **options: Any) -> None:
        """Write the graph to a binary stream; text in UTF-8.

        Raises:
            TypeError: an option that it does not have; `OptionError.check` raises one
                that helps.
        """
        ...
