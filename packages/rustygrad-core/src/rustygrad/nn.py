"""Neurons, layers and multi-layer perceptrons, over any backend."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import functional
from .convert import as_number, backend_of, kind_of
from .errors import ArgumentError, ConversionError, LengthError, StateDictError
from .files import floats_from_json, floats_to_json, read_json, write_text
from .functional import dot_operands
from .interfaces import DenseLayer, Stack
from .modes import Mode, current, mode, scope_id, scope_path
from .ops import DOT, OPS
from .selection import backend_asked_for

__all__ = ["MLP", "Layer", "Module", "Neuron"]


class Module:
    """Something with parameters: the leaves, and the modules, among its attributes.

    Write a subclass with a `forward` method and call the module itself; the call
    stamps the nodes it makes with the module's path, such as
    ``layers.0.neurons.3``, which pictures and messages use. A module that has
    several names has that of the module that calls it, and the first of them
    there; two outermost modules that share one both show the name that it had
    in the one that called it first.

    What `no_grad` made is a leaf like any other. Stored on a module, it would
    be one of its parameters: store its number, ``y.data``.
    """

    _scope_modes: dict[Mode, Mode]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, in this module's scope."""
        outer = current.get()
        try:
            inner = self._scope_modes[outer]
        except (AttributeError, KeyError):  # its first call in this mode
            inner = self._learn_mode(outer)
        token = current.set(inner)
        try:
            return self.forward(*args, **kwargs)
        finally:
            current.reset(token)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} needs a forward method")

    def parameters(self) -> list[Any]:
        """The leaves that training changes, each once, in the order of the attributes."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Any]]:
        """The parameters with their paths, such as ``layers.0.neurons.3.w.1``.

        Raises:
            ArgumentError: two of them have one path.
        """
        found: list[tuple[str, Any]] = []
        _collect(self, "", found, set())
        paths: set[str] = set()
        for path, _ in found:
            if path in paths:
                raise ArgumentError(
                    f"two parameters of this {type(self).__name__} have the path {path!r}: "
                    "give one of them another name, or another key"
                )
            paths.add(path)
        for path, parameter in found:
            parameter._role = "parameter"
            if len(path) > len(getattr(parameter, "_path", "")):  # of the outermost module
                parameter._path = path
        return found

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def state_dict(self) -> dict[str, float]:
        """The parameters' numbers by path."""
        return {name: parameter.data for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the numbers of a state dict: all of them, or none.

        Raises:
            StateDictError: a parameter is missing, one too many is there, or one
                is not a number. Nothing has been changed then.
        """
        if not isinstance(state, Mapping):
            raise StateDictError(f"a state dict maps names to numbers; this is {kind_of(state)}")
        parameters = dict(self.named_parameters())
        missing = [name for name in parameters if name not in state]
        unexpected = [name for name in state if name not in parameters]
        if missing or unexpected:
            raise StateDictError(
                f"the state dict does not fit this {type(self).__name__}: "
                f"missing {_some_of(missing)}; unexpected {_some_of(unexpected)}"
            )
        numbers = {}
        for name, number in state.items():
            try:
                numbers[name] = as_number(number)
            except OverflowError:
                raise StateDictError(f"the number for {name!r} is too large for a float") from None
            if numbers[name] is None:
                raise StateDictError(
                    f"the state dict holds no number for {name!r}: {kind_of(number)}"
                )
        for name, parameter in parameters.items():
            parameter.data = numbers[name]

    def save(self, path: str | Path) -> None:
        """Write the state dict to a JSON file, whole or not at all; floats keep their bits.

        Raises:
            OSError: the folder is missing or cannot be written to.
        """
        state = self.state_dict()
        numbers = dict(zip(state, floats_to_json(state.values()), strict=True))
        write_text(path, json.dumps(numbers, indent=1, allow_nan=False) + "\n")

    def load(self, path: str | Path) -> None:
        """Take over the numbers that `save` wrote.

        Raises:
            OSError: the file cannot be read.
            StateDictError: it is no saved module, or not one of this shape.
        """
        try:
            state = read_json(path)
            if not isinstance(state, dict):
                raise ValueError(f"expected numbers by name, not {kind_of(state)}")
            numbers = dict(zip(state, floats_from_json(state.values()), strict=True))
        except ValueError as error:
            raise StateDictError(f"{path} is not a saved module: {error}") from None
        try:
            self.load_state_dict(numbers)
        except StateDictError as error:
            raise StateDictError(f"{path}: {error}") from None

    def _learn_mode(self, outer: Mode) -> Mode:
        """The mode of calls that come from the mode `outer`: the same, in this module's scope."""
        caller = _calling_module()
        if caller is not None and self.__dict__.get("_scope_owner") != id(caller):
            _name_children(caller)  # it has got this module since its first call
        for child in _name_children(self):
            if "_scope_modes" in child.__dict__:
                _assignments[0] += 1  # who else calls it goes by what it learns anew
            for learned in ("_scope_modes", "_leaves", "_stack", "_stacks"):  # under another name
                child.__dict__.pop(learned, None)
        self.named_parameters()  # marks them as parameters
        steps = scope_path(outer.scope), self.__dict__.get("_scope_name", "")
        scope = scope_id(".".join(filter(None, steps)))
        modes: dict[Mode, Mode] = self.__dict__.setdefault("_scope_modes", {})
        modes[outer] = mode(scope, outer.grad, outer.anomaly, outer.recording)
        return modes[outer]

    def __getstate__(self) -> dict[str, Any]:
        """What was learned of scopes holds for one process, and stays out of pickles and copies."""
        return {name: item for name, item in self.__dict__.items() if name not in _LEARNED}


#: What a module keeps for itself among its attributes.
_LEARNED = ("_scope_modes", "_scope_name", "_scope_owner", "_leaves", "_stack", "_stacks")


def _calling_module() -> Module | None:
    """The module in whose `forward` another one is being called for the first time."""
    frame: Any = sys._getframe(3)  # past this one, _learn_mode and the __call__ it serves
    while frame is not None and frame.f_code is not Module.__call__.__code__:
        frame = frame.f_back
    module: Module | None = frame and frame.f_locals["self"]
    return module


def _name_children(module: Module) -> list[Module]:
    """Tell the modules below what they are called here; the first of two names holds."""
    children = [*_children(module)]
    for name, child in reversed(children):
        child.__dict__.update(_scope_name=name, _scope_owner=id(module))
    return [child for _, child in children]


def _entries(holder: Any) -> Iterator[tuple[str, Any]]:
    """What a module, list, tuple or dict holds, by name."""
    if isinstance(holder, Module):
        yield from ((name, item) for name, item in vars(holder).items() if name not in _LEARNED)
    elif isinstance(holder, (list, tuple)):
        yield from ((str(i), item) for i, item in enumerate(holder))
    elif isinstance(holder, dict):
        yield from ((str(key), item) for key, item in holder.items())


def _collect(holder: Any, path: str, found: list[tuple[str, Any]], seen: set[int]) -> None:
    """Add the leaves below a module or container, each once."""
    if id(holder) in seen:
        return
    seen.add(id(holder))
    for name, item in _entries(holder):
        if backend_of((item,)) is None:
            _collect(item, f"{path}{name}.", found, seen)
        elif not item._prev and id(item) not in seen:
            seen.add(id(item))
            found.append((path + name, item))


def _children(holder: Any, path: str = "") -> Iterator[tuple[str, Module]]:
    """The modules directly below, also inside lists and dicts, with their names."""
    for name, item in _entries(holder):
        if isinstance(item, Module):
            yield path + name, item
        elif isinstance(item, (list, tuple, dict)):
            yield from _children(item, f"{path}{name}.")


def _some_of(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3])) or "nothing"
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


#: How often an attribute of a neuron, a layer or an MLP has been assigned; an engine looks at it.
_assignments = [0]


class _Counted(Module):
    """A module whose assignments are counted, so that nothing learned of it outlives them."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        _assignments[0] += 1

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        _assignments[0] += 1


class _Dense(_Counted):
    """What `Layer` and `MLP` share: a backend may evaluate them as a whole.

    A first call goes node by node. Then the backend is asked for a function that
    does the same in one step (`interfaces.LayersInOneCall`), for calls from the
    same mode, as long as nothing that it was made from changes.
    """

    _stack: Stack | None = None
    _leaves: list[Any] | None = None
    #: What a call goes through, one layer after the other; None if it is something else.
    _layers: Callable[[], list[Layer] | None]

    def __call__(self, x: Any) -> Any:
        """Run `forward`, in this module's scope."""
        stack = self._stack
        y = None if stack is None else stack(x)
        return self._call_and_learn(x) if y is None else y

    def parameters(self) -> list[Any]:
        """The leaves that training changes, each once, in the order of the attributes."""
        if self._leaves and self._stack is not None and self._stack.is_current():
            return list(self._leaves)
        return super().parameters()

    def _call_and_learn(self, x: Any) -> Any:
        outer = current.get()
        stacks = self.__dict__.setdefault("_stacks", {})
        stack = stacks.get(outer)
        y = None if stack is None else stack(x)
        if y is None:
            y = super().__call__(x)
            result = y[0] if type(y) is list and y else y
            make = getattr(getattr(result, "_backend", None), "stack", None)
            stack = stacks[outer] = make and self._learn_stack(outer, make)
        self.__dict__["_stack"] = stack
        return y

    def _learn_stack(self, outer: Mode, make: Callable[..., Stack | None]) -> Stack | None:
        """The backend's function for calls from the mode `outer`, None if there is none."""
        assignments = _assignments[0]
        layers = self._layers()
        if outer.recording or not layers:
            return None
        watched: list[list[Any]] = [] if layers[0] is self else [layers]
        records: list[DenseLayer] = []
        for layer in layers:
            record = layer._record(outer if layer is self else self._scope_modes[outer], watched)
            if record is None:
                return None
            records.append(record)
        if assignments != _assignments[0]:
            return None
        stack = make(records, watched, _assignments, outer)
        self.__dict__["_leaves"] = (
            super().parameters() if stack and self._is_within(watched) else None
        )
        return stack

    def _is_within(self, watched: list[list[Any]]) -> bool:
        """Whether all parameters are in these lists, or attributes of modules in them."""
        known = set(map(id, watched))
        modules = [self, *(item for items in watched for item in items if isinstance(item, Module))]
        holders = (Module, list, tuple, dict)
        items = [item for module in modules for _, item in _entries(module)]
        return all(id(item) in known for item in items if isinstance(item, holders))


def _runs(module: Any, cls: type[Module]) -> bool:
    """Whether a module does what its class does here, and nothing of its user's."""
    return (
        isinstance(module, cls)
        and _ways(type(module)) == _WAYS[cls]
        and "forward" not in vars(module)
    )


def _ways(cls: type[Module]) -> list[Any]:
    """What says how modules of a class compute, and how they keep what they compute with."""
    names = ["__call__", "forward", "__getattribute__", "__getattr__", "__setattr__", "__delattr__"]
    names += ["w", "b", "nonlin", "activation", "neurons", "layers"]  # a subclass's properties
    return [getattr(cls, name, None) for name in names]


class _Inputs(list[Any]):
    """Inputs that have been checked; a layer checks once for all of its neurons."""


def _checked_inputs(x: Any, nin: int, module: Module, cls: type[Any]) -> _Inputs:
    """The inputs of a module as Values, numbers made inputs.

    Raises:
        LengthError: there are not `nin`.
        ConversionError: `x` is no sequence, or an item is no number.
    """
    if type(x) is not _Inputs:
        if hasattr(x, "_prev"):  # what a layer of one neuron gave
            x = (x,)
        if not hasattr(x, "__iter__"):
            raise ConversionError(
                f"this {type(module).__name__} takes a list of {nin} inputs, not {x!r:.60}"
            )
        x = _Inputs([item if hasattr(item, "_prev") else cls(item) for item in x])
    inputs: _Inputs = x
    if len(inputs) != nin:
        raise LengthError(
            f"this {type(module).__name__} takes {nin} inputs, and got {len(inputs)}: {module}"
        )
    return inputs


class Neuron(_Counted):
    """activation(w . x + b): one `dot` node and its activation.

    Args:
        nin: the number of inputs.
        nonlin: whether to apply the activation at all.
        activation: the name of an operation of one operand, such as 'relu' or
            'tanh', or a function of a Value.
        backend: whose Values the parameters are; by default the selected one's.

    Attributes:
        w: the weights, drawn by ``random.uniform(-1, 1)``.
        b: the bias, 0.
        nonlin: as given.
        activation: as given.

    Raises:
        ArgumentError: `nin` is not a whole number from 0 up, or no operation has
            the name `activation`.
        PluginError: the backend cannot be used.
    """

    def __init__(
        self,
        nin: int,
        nonlin: bool = True,
        *,
        activation: str | Callable[[Any], Any] = "relu",
        backend: str | None = None,
    ) -> None:
        _check_size("nin", nin, 0)
        _check_activation(activation)
        make = backend_asked_for(backend, f"backend={backend!r}").Value
        self.w = [make(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = make(0.0)
        self.nonlin = nonlin
        self.activation = activation
        self.named_parameters()

    def forward(self, x: Any) -> Any:
        """The neuron's output for one sample.

        Raises:
            LengthError: `x` has not as many items as there are weights.
        """
        backend = self.b._backend
        inputs = _checked_inputs(x, len(self.w), self, backend.Value)
        total = backend.apply(DOT, dot_operands(self.w, inputs, self.b))
        if not self.nonlin:
            return total
        if isinstance(self.activation, str):
            return getattr(total, self.activation)()
        return self.activation(total)

    def __repr__(self) -> str:
        return f"{_title(self.activation) if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(_Dense):
    """`nout` neurons that see the same `nin` inputs.

    Args:
        nin: the number of inputs.
        nout: the number of neurons.
        **kwargs: passed on to each `Neuron`.

    Attributes:
        neurons: the neurons.

    Raises:
        ArgumentError: a size is not a whole number, or `nout` is 0.
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        _check_size("nout", nout, 1)
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def forward(self, x: Any) -> Any:
        """The neurons' outputs in a list; the output itself where there is one neuron.

        Raises:
            LengthError: `x` has not `nin` items.
        """
        first = self.neurons[0]
        inputs = _checked_inputs(x, len(first.w), self, first.b._backend.Value)
        outputs = [neuron(inputs) for neuron in self.neurons]
        return outputs[0] if len(outputs) == 1 else outputs

    def _layers(self) -> list[Layer] | None:
        return [self] if _runs(self, Layer) else None

    def _record(self, outer: Mode, watched: list[list[Any]]) -> DenseLayer | None:
        """What a backend must know to evaluate the layer, None if it could not.

        Args:
            outer: the mode that the layer is called from.
            watched: gets the lists that this was read from.
        """
        neurons = self.neurons
        if type(neurons) is not list or not all(_runs(n, Neuron) for n in neurons):
            return None
        activations = [n.activation if n.nonlin else "" for n in neurons]
        activation, inputs = activations[0], len(neurons[0].w)
        if not isinstance(activation, str) or (activation and activation not in OPS):
            return None
        if inputs == 0 or any(a != activation for a in activations):
            return None
        if any(type(n.w) is not list or len(n.w) != inputs for n in neurons):
            return None
        inner = getattr(self, "_scope_modes", {}).get(outer)
        modes = [getattr(n, "_scope_modes", {}).get(inner) for n in neurons]
        if inner is None or None in modes:  # a module in two places has just forgotten one
            return None
        watched += [neurons, *(n.w for n in neurons)]
        return DenseLayer(
            inputs,
            [w for n in neurons for w in n.w] + [n.b for n in neurons],
            OPS[activation] if activation else None,
            inner.scope,
            [known.scope for known in modes if known],
        )

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(_Dense):
    """A multi-layer perceptron; its last layer is linear.

    Args:
        nin: the number of inputs.
        nouts: the number of neurons of each layer.
        activation: of all layers but the last, see `Neuron`.
        backend: whose Values the parameters are; by default the selected one's.

    Attributes:
        layers: the layers.

    Raises:
        ArgumentError: a size is not a whole number, or `nouts` is empty.
        PluginError: the backend cannot be used.
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        *,
        activation: str | Callable[[Any], Any] = "relu",
        backend: str | None = None,
    ) -> None:
        if not hasattr(nouts, "__iter__"):
            raise ArgumentError(
                f"nouts is a list of sizes, as in MLP(2, [16, 16, 1]), not {nouts!r}"
            )
        sizes = [nin, *nouts]
        if len(sizes) == 1:
            raise ArgumentError("an MLP takes one layer size or more, as in MLP(2, [16, 16, 1])")
        for size in sizes[1:]:
            _check_size("nouts", size, 1)
        self.layers = [
            Layer(n, m, nonlin=i != len(sizes) - 2, activation=activation, backend=backend)
            for i, (n, m) in enumerate(pairwise(sizes))
        ]

    def forward(self, x: Any) -> Any:
        """The last layer's outputs for one sample.

        Raises:
            LengthError: `x` has not `nin` items.
        """
        for layer in self.layers:
            x = layer(x)
        return x

    def _layers(self) -> list[Layer] | None:
        layers = self.layers
        plain = type(layers) is list and _runs(self, MLP)
        return layers if plain and all(_runs(layer, Layer) for layer in layers) else None

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


#: The ways of this page, before anybody changes a class.
_WAYS: dict[type[Module], list[Any]] = {cls: _ways(cls) for cls in (Neuron, Layer, MLP)}


def _check_size(name: str, size: Any, least: int) -> None:
    if not hasattr(type(size), "__index__") or size < least:
        raise ArgumentError(f"{name} is a whole number from {least} up, not {size!r}")


def _check_activation(activation: Any) -> None:
    if callable(activation):
        return
    known = [op.name for op in OPS.values() if op.arity == 1 and hasattr(functional, op.name)]
    if activation not in known:
        raise ArgumentError(
            f"no activation {activation!r}: give one of {', '.join(sorted(known))}, or a function"
        )


def _title(activation: str | Callable[[Any], Any]) -> str:
    if isinstance(activation, str):
        symbol = OPS[activation].symbol
    else:
        symbol = getattr(activation, "__name__", "Custom")
    return symbol[:1].upper() + symbol[1:]
