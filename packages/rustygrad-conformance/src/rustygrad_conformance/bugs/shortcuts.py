"""Bugs of layers in one call and of the optimisers' steps, which a backend may offer besides."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from rustygrad import modes
from rustygrad.functional import dot_operands

from ..engine import Engine
from . import bug

_CHANGES = "test_a_network_that_changes_takes_the_references_path[0]"


class Stack:
    """Layers in one call, done right: the same nodes, made neuron by neuron.

    Attributes:
        lists: whether it looks at the lists that it was read from.
        counter: whether it looks at the counter of assignments.
        modes: whether it looks at the mode.
        scopes: whether it stamps the neurons' scopes.
    """

    def __init__(self, m: Engine, layers: Any, watched: Any, counter: Any, mode: Any) -> None:
        self.m, self.layers, self.mode = m, layers, mode
        self.watched = [(items, list(items)) for items in watched]
        self.counted = counter, list(counter)
        self.lists = self.counter = self.modes = self.scopes = True

    def is_current(self) -> bool:
        """Whether nothing has changed."""
        seen = [*self.watched] * self.lists + [self.counted] * self.counter
        leaves = [leaf for layer in self.layers for leaf in layer.leaves]
        return all(p._role == "parameter" for p in leaves) and all(
            list(map(id, items)) == list(map(id, before)) for items, before in seen
        )

    def __call__(self, x: Any) -> Any:
        """What the layers give; None where core has to look itself."""
        outer = modes.current.get()
        if (self.modes and outer is not self.mode) or not self.is_current():
            return None
        if not isinstance(x, (list, tuple)) or len(x) != self.layers[0].inputs:
            return None
        if not all(isinstance(item, (int, float, self.m.Value)) for item in x):
            return None
        try:
            for layer in self.layers:
                x = self._layer(layer, x)
        finally:
            modes.current.set(outer)
        return x[0] if len(x) == 1 else x

    def _layer(self, layer: Any, x: Any) -> list[Any]:
        value, n, outs = self.m.Value, layer.inputs, []
        self._enter(layer.scope)
        x = [item if isinstance(item, value) else value(item) for item in x]
        for i, scope in enumerate(layer.scopes):
            self._enter(scope)
            row, bias = layer.leaves[i * n : (i + 1) * n], layer.leaves[n * len(layer.scopes) + i]
            out = self.m.backend.apply(self.m.ops.DOT, dot_operands(row, x, bias))
            if layer.activation:
                out = self.m.backend.apply(layer.activation, (out,))
            outs.append(out)
        return outs

    def _enter(self, scope: int) -> None:
        modes.current.set(
            modes.mode(scope if self.scopes else 0, self.mode.grad, self.mode.anomaly)
        )


def _stacks(m: Engine, change: Callable[[Stack], Any]) -> None:
    """Offer layers in one call, with one thing changed."""

    def stack(backend: Any, *arguments: Any) -> Stack:
        made = Stack(m, *arguments)
        change(made)
        return made

    m.reference.ReferenceBackend.stack = stack


@cache
def right() -> Any:
    """A backend that has layers in one call, and no bug."""
    m = Engine("right")
    _stacks(m, lambda stack: None)
    return m.backend


@bug("layers in one call go on with weights that were replaced", _CHANGES)
def stacks_ignore_lists(m: Engine) -> None:
    _stacks(m, lambda stack: setattr(stack, "lists", False))


@bug("layers in one call go on with a bias that was replaced", _CHANGES)
def stacks_ignore_assignments(m: Engine) -> None:
    _stacks(m, lambda stack: setattr(stack, "counter", False))


@bug("layers in one call forget whether there are gradients", _CHANGES)
def stacks_ignore_modes(m: Engine) -> None:
    _stacks(m, lambda stack: setattr(stack, "modes", False))


@bug("layers in one call stamp no scopes", _CHANGES)
def stacks_stamp_no_scopes(m: Engine) -> None:
    _stacks(m, lambda stack: setattr(stack, "scopes", False))


@bug(
    "the own step of SGD averages the gradients",
    "test_an_optimizer_takes_the_references_path[SGD-momentum]",
)
def steps_average(m: Engine) -> None:
    def sgd(
        _: Any, ps: Any, velocity: Any, fresh: bool, lr: float, momentum: float, decay: float
    ) -> bool:
        for i, p in enumerate(ps):
            g = p.grad + decay * p.data
            if velocity:
                g = velocity[i] = momentum * velocity[i] + (1.0 - momentum) * g
            p.data -= lr * g
        return True

    m.reference.ReferenceBackend.sgd = sgd


@bug(
    "the own zero_grad forgets the last parameter",
    "test_an_optimizer_takes_the_references_path[SGD-momentum]",
)
def zero_grad_forgets_one(m: Engine) -> None:
    def zero_grad(_: Any, ps: Any) -> bool:
        for p in ps[:-1]:
            p.grad = 0.0
        return True

    m.reference.ReferenceBackend.zero_grad = zero_grad
