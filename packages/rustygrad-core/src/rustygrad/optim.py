"""Optimisers: what to do with the gradients. Over any backend."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .convert import as_number, backend_of, describe
from .errors import ArgumentError, ConversionError, LengthError

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "clip_grad_norm"]


class Optimizer:
    """What all optimisers share.

    Attributes:
        parameters: the leaves that `step` changes.
        lr: the learning rate, which may be changed between steps.
    """

    def __init__(self, parameters: Iterable[Any], lr: float, weight_decay: float) -> None:
        self.parameters = _checked(parameters)
        self.lr = _within("lr", lr, 0.0)
        self.weight_decay = _within("weight_decay", weight_decay, 0.0)

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for p in self.parameters:
            p.grad = 0.0

    def step(self) -> None:
        """Change every parameter by what its gradient says."""
        raise NotImplementedError


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
        ArgumentError: a number is out of range, or there are no parameters.
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
        self.momentum = _within("momentum", momentum, 0.0)
        self._velocity: list[float] = []

    def step(self) -> None:
        """Change every parameter by what its gradient says."""
        grads = [p.grad for p in self.parameters]
        if self.weight_decay:
            decay = self.weight_decay
            grads = [g + decay * p.data for g, p in zip(grads, self.parameters, strict=True)]
        if self.momentum:
            if self._velocity:
                momentum = self.momentum
                velocity = zip(self._velocity, grads, strict=True)
                grads = [momentum * v + g for v, g in velocity]
            self._velocity = grads
        lr = self.lr
        for p, g in zip(self.parameters, grads, strict=True):
            p.data -= lr * g


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
        ArgumentError: a number is out of range, or there are no parameters.
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
        try:
            beta1, beta2 = betas
        except (TypeError, ValueError):
            raise LengthError(f"betas is a pair of numbers, not {betas!r}") from None
        self.betas = (_within("beta1", beta1, 0.0, 1.0), _within("beta2", beta2, 0.0, 1.0))
        self.eps = _within("eps", eps, 0.0)
        if self.eps == 0.0:
            raise ArgumentError("eps is a number above 0, not 0.0")
        self._steps = 0
        self._mean = [0.0] * len(self.parameters)
        self._square = [0.0] * len(self.parameters)

    def step(self) -> None:
        """Change every parameter by what its gradient says."""
        self._steps += 1
        beta1, beta2 = self.betas
        rate = self.lr / (1.0 - beta1**self._steps)
        spread = math.sqrt(1.0 - beta2**self._steps)
        for i, p in enumerate(self.parameters):
            g = self._decayed(p)
            m = self._mean[i] = beta1 * self._mean[i] + (1.0 - beta1) * g
            v = self._square[i] = beta2 * self._square[i] + (1.0 - beta2) * g * g
            p.data -= rate * (m / (math.sqrt(v) / spread + self.eps))

    def _decayed(self, p: Any) -> float:
        """The gradient of a parameter, the weight decay in it."""
        grad: float = p.grad
        return grad + self.weight_decay * p.data if self.weight_decay else grad


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

    def _decayed(self, p: Any) -> float:
        """The gradient as it is; the decay goes to the parameter itself."""
        p.data *= 1.0 - self.lr * self.weight_decay
        grad: float = p.grad
        return grad


def clip_grad_norm(parameters: Iterable[Any], max_norm: float) -> float:
    """Scale the gradients so that their 2-norm is at most `max_norm` (Pascanu et al. 2013).

    They are scaled by ``max_norm / (norm + 1e-6)`` if that is below 1, as
    PyTorch does; a norm that is nan leaves them alone.

    Args:
        parameters: leaves, such as ``model.parameters()``.
        max_norm: from 0 up.

    Returns:
        The norm as it was before.

    Raises:
        ArgumentError: `max_norm` is negative, or there are no parameters.
    """
    leaves = _checked(parameters)
    limit = _within("max_norm", max_norm, 0.0)
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
    for p in leaves:
        if backend_of((p,)) is None:
            raise ConversionError(
                f"parameters are Values, such as model.parameters(), not {describe(p)}"
            )
    if not leaves:
        raise ArgumentError("there are no parameters: give it model.parameters()")
    return leaves


def _within(name: str, number: Any, low: float, below: float = math.inf) -> float:
    x = as_number(number)
    if x is None:
        raise ConversionError(f"{name} is a number, not {describe(number)}")
    if not low <= x < below:
        limit = "" if below == math.inf else f" and below {below}"
        raise ArgumentError(f"{name} is a number from {low} up{limit}, not {x}")
    return x
