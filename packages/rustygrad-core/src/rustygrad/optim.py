"""Optimisers: what to do with the gradients. Over any backend."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from typing import Any

from .convert import as_number, backend_of, kind_of
from .errors import ArgumentError, ConversionError, LengthError

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "clip_grad_norm"]


class Optimizer:
    """What all optimisers share.

    Its numbers may be changed between steps; `step` refuses one that is out of
    range before it changes anything.

    Attributes:
        parameters: the leaves that `step` changes.
        lr: the learning rate.
        weight_decay: as given.
    """

    def __init__(self, parameters: Iterable[Any], lr: float, weight_decay: float) -> None:
        self.parameters = _checked(parameters)
        self.lr = lr
        self.weight_decay = weight_decay

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        step = self._native("zero_grad")
        if step is None or not step(self.parameters):
            for p in self.parameters:
                p.grad = 0.0

    def step(self) -> None:
        """Change every parameter by what its gradient says."""
        raise NotImplementedError

    def _native(self, name: str) -> Any:
        """The backend's own step of that name, see `interfaces.OptimizerSteps`; None if it has none."""
        parameters = self.parameters
        backend = getattr(type(parameters[0]), "_backend", None) if parameters else None
        return getattr(backend, name, None) if type(parameters) is list else None

    def _check(self) -> None:
        """Make floats of the numbers, as they are now.

        Raises:
            ArgumentError: one is out of range.
            ConversionError: one is no number.
        """
        self.lr = _within("lr", self.lr, 0.0)
        self.weight_decay = _within("weight_decay", self.weight_decay, 0.0)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum as PyTorch has it.

    For each parameter p with gradient g: ``g = g + weight_decay * p``; with
    momentum ``v = momentum * v + g``, beginning at ``v = g``, and ``g = v``;
    then ``p = p - lr * g``. (Sutskever et al. 2013, without dampening.)

    Args:
        parameters: leaves, such as ``model.parameters()``.
        lr: learning rate, from 0 up.
        momentum: from 0 up, usually below 1.
        weight_decay: L2 penalty, from 0 up.

    Raises:
        ArgumentError: a number is out of range, or there are no parameters, or one
            is there twice or is the result of an operation.
        ConversionError: a parameter is not a Value.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = momentum
        self._velocity = array("d")
        self._check()

    def _check(self) -> None:
        super()._check()
        self.momentum = _within("momentum", self.momentum, 0.0)

    def step(self) -> None:
        """Change every parameter by what its gradient says."""
        self._check()
        if self._step_natively():
            return
        grads = [p.grad for p in self.parameters]
        if self.weight_decay:
            decay = self.weight_decay
            grads = [g + decay * p.data for g, p in zip(grads, self.parameters, strict=True)]
        if self.momentum:
            if self._velocity:
                momentum = self.momentum
                velocity = zip(self._velocity, grads, strict=True)
                grads = [momentum * v + g for v, g in velocity]
            self._velocity = array("d", grads)
        lr = self.lr
        for p, g in zip(self.parameters, grads, strict=True):
            p.data -= lr * g

    def _step_natively(self) -> bool:
        step, velocity = self._native("sgd"), None
        if step is None:
            return False
        if self.momentum:
            velocity = self._velocity or array("d", bytes(8 * len(self.parameters)))
            if len(velocity) != len(self.parameters):
                return False
        numbers = (self.lr, self.momentum, self.weight_decay)
        if not step(self.parameters, velocity, not self._velocity, *numbers):
            return False
        if velocity:
            self._velocity = velocity
        return True


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980, algorithm 1), as PyTorch has it.

    In step t, for each parameter p with gradient g: ``g = g + weight_decay * p``,
    ``m = beta1 * m + (1 - beta1) * g``, ``v = beta2 * v + (1 - beta2) * g * g``,
    ``p = p - lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)``.

    Args:
        parameters: leaves, such as ``model.parameters()``.
        lr: learning rate, from 0 up.
        betas: how much of the running means of g and of g*g is kept, each from 0
            up to but not including 1.
        eps: keeps the divisor from 0; above 0.
        weight_decay: L2 penalty, from 0 up.

    Raises:
        ArgumentError: a number is out of range, or there are no parameters, or one
            is there twice or is the result of an operation.
        ConversionError: a parameter is not a Value.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.betas = betas
        self.eps = eps
        self._check()
        self._steps = 0
        self._mean = array("d", bytes(8 * len(self.parameters)))
        self._square = array("d", self._mean)

    def _check(self) -> None:
        super()._check()
        try:
            beta1, beta2 = self.betas
        except (TypeError, ValueError):
            raise LengthError(f"betas is a pair of numbers, not {self.betas!r}") from None
        self.betas = (_within("beta1", beta1, 0.0, 1.0), _within("beta2", beta2, 0.0, 1.0))
        self.eps = _within("eps", self.eps, 0.0)
        if self.eps == 0.0:
            raise ArgumentError("eps is a number above 0, not 0.0")

    def step(self) -> None:
        """Change every parameter by what its gradient says."""
        self._check()
        steps = self._steps + 1
        beta1, beta2 = self.betas
        rate = self.lr / (1.0 - beta1**steps)
        spread = math.sqrt(1.0 - beta2**steps)
        decay, shrink = self._decay()
        step = self._native("adam") if len(self._mean) == len(self.parameters) else None
        state = (self.parameters, self._mean, self._square)
        if step and step(*state, rate, spread, beta1, beta2, self.eps, decay, shrink):
            self._steps = steps
            return
        means, squares, numbers = array("d"), array("d"), []
        for p, mean, square in zip(self.parameters, self._mean, self._square, strict=True):
            x, g = p.data * shrink, p.grad
            if decay:
                g = g + decay * x
            m = beta1 * mean + (1.0 - beta1) * g
            v = beta2 * square + (1.0 - beta2) * g * g
            means.append(m)
            squares.append(v)
            numbers.append(x - rate * (m / (math.sqrt(v) / spread + self.eps)))
        self._steps, self._mean, self._square = steps, means, squares
        for p, x in zip(self.parameters, numbers, strict=True):
            p.data = x

    def _decay(self) -> tuple[float, float]:
        """How much of a number goes into its gradient, and what it is multiplied by before."""
        return self.weight_decay, 1.0


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101).

    As `Adam`, but the decay is no part of the gradient: before the step,
    ``p = p * (1 - lr * weight_decay)``. Arguments as those of `Adam`.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def _decay(self) -> tuple[float, float]:
        return 0.0, 1.0 - self.lr * self.weight_decay


def clip_grad_norm(parameters: Iterable[Any], max_norm: float) -> float:
    """Scale the gradients so that their 2-norm is at most `max_norm` (Pascanu et al. 2013).

    They are scaled by ``max_norm / (norm + 1e-6)`` if that is below 1, as
    PyTorch does; a norm that is nan leaves them alone.

    Args:
        parameters: leaves, such as ``model.parameters()``.
        max_norm: from 0 up; inf to measure the norm alone.

    Returns:
        The norm as it was before.

    Raises:
        ArgumentError: `max_norm` is negative, or there are no parameters, or one is
            there twice or is the result of an operation.
        ConversionError: `max_norm` is no number, or a parameter is not a Value.
    """
    leaves = _checked(parameters)
    limit = as_number(max_norm)
    if limit is None:
        raise ConversionError(f"max_norm is a number, not {kind_of(max_norm)}")
    if not limit >= 0.0:
        raise ArgumentError(f"max_norm is a number from 0.0 up, not {limit}")
    total = 0.0
    for p in leaves:
        total += p.grad * p.grad
    norm = math.sqrt(total)
    scale = limit / (norm + 1e-6)
    if scale < 1.0:
        for p in leaves:
            p.grad *= scale
    return norm


def _checked(parameters: Iterable[Any]) -> list[Any]:
    try:
        leaves = list(parameters)
    except TypeError:
        leaves = [parameters]
    for i, p in enumerate(leaves):
        if backend_of((p,)) is None:
            raise ConversionError(
                f"parameters are Values, such as model.parameters(), not {kind_of(p)}"
            )
        if p._prev:
            raise ArgumentError(
                f"parameters are leaves, such as model.parameters(), and number {i} is the "
                f"result of an operation: {p!r}"
            )
    if not leaves:
        raise ArgumentError("there are no parameters: give it model.parameters()")
    if len(set(map(id, leaves))) < len(leaves):
        raise ArgumentError("a parameter is given twice: give each once, list(dict.fromkeys(...))")
    return leaves


def _within(name: str, number: Any, low: float, below: float = math.inf) -> float:
    x = as_number(number)
    if x is None:
        raise ConversionError(f"{name} is a number, not {kind_of(number)}")
    if not low <= x < below:
        if below == math.inf:
            raise ArgumentError(f"{name} is a finite number from {low} up, not {x}")
        raise ArgumentError(f"{name} is a number from {low} up and below {below}, not {x}")
    return x
