"""Neurons, layers and multi-layer perceptrons, over any backend."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from . import functional
from .convert import as_whole
from .errors import ArgumentError, ConversionError, LengthError
from .functional import dot_operands
from .interfaces import DenseLayer
from .modes import Mode
from .modules import Module
from .ops import DOT, OPS
from .selection import backend_asked_for
from .stacking import Observed, Stacked, learn_ways, runs

__all__ = ["MLP", "Layer", "Module", "Neuron"]


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


class Neuron(Observed):
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


class Layer(Stacked):
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
        return [self] if runs(self, Layer) else None

    def _record(self, outer: Mode, watched: list[list[Any]]) -> DenseLayer | None:
        """What a backend must know to evaluate the layer, None if it could not.

        Args:
            outer: the mode that the layer is called from.
            watched: gets the lists that this was read from.
        """
        neurons = self.neurons
        if type(neurons) is not list or not all(runs(n, Neuron) for n in neurons):
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


class MLP(Stacked):
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
        plain = type(layers) is list and runs(self, MLP)
        return layers if plain and all(runs(layer, Layer) for layer in layers) else None

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


learn_ways(Neuron, Layer, MLP)


def _check_size(name: str, size: Any, least: int) -> None:
    whole = as_whole(size)
    if whole is None or whole < least:
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
