"""Stage 10: networks and optimisers take the reference's path, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import rustygrad
from rustygrad import optim

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD-momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "Adam": lambda p: optim.Adam(p, lr=0.05, weight_decay=1e-3),
    "AdamW": lambda p: optim.AdamW(p, lr=0.05),
}
POINTS = [([0.5, -1.0], 1), ([-1.5, 0.25], -1), ([2.0, 1.0], 1), ([0.1, 0.3], -1)]


def _train(
    backend: Any, make: Callable[[Any], Any], activation: str = "relu", clip: float = 0.0
) -> list[list[float]]:
    """The parameters after each step."""
    random.seed(1337)
    model = rustygrad.MLP(2, [4, 3, 1], activation=activation, backend=backend.name)
    optimizer = make(model.parameters())
    path = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = rustygrad.hinge([model(x) for x, _ in POINTS], [t for _, t in POINTS])
        loss = loss + 1e-4 * rustygrad.sum(p * p for p in model.parameters())
        loss.backward()
        if clip:
            path.append([optim.clip_grad_norm(model.parameters(), clip)])
        optimizer.step()
        path.append([loss.data, *(p.data for p in model.parameters())])
    return path


def _compare(got: list[list[float]], right: list[list[float]], judge: Any) -> None:
    for step, (x, y) in enumerate(zip(got, right, strict=True)):
        if judge.ulps:  # rounding differences grow along the path
            assert x == pytest.approx(y, rel=1e-9 * judge.ulps, abs=1e-12), f"step {step}"
        else:
            judge.all(x, y, f"step {step}")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_the_references_path(
    backend: Any, reference: Any, judge: Any, name: str
) -> None:
    _compare(_train(backend, OPTIMIZERS[name]), _train(reference, OPTIMIZERS[name]), judge)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "sin"])
def test_a_network_takes_the_references_path(
    backend: Any, reference: Any, judge: Any, activation: str
) -> None:
    make = OPTIMIZERS["SGD"]
    _compare(_train(backend, make, activation), _train(reference, make, activation), judge)


def test_clipped_gradients_take_the_references_path(
    backend: Any, reference: Any, judge: Any
) -> None:
    make = OPTIMIZERS["SGD"]
    _compare(_train(backend, make, clip=0.5), _train(reference, make, clip=0.5), judge)


def test_a_network_in_micrograds_style_takes_the_references_path(
    backend: Any, reference: Any, judge: Any
) -> None:
    def train(engine: Any) -> list[list[float]]:
        random.seed(3)
        ws = [[engine.Value(random.uniform(-1, 1)) for _ in range(2)] for _ in range(4)]
        b = engine.Value(0)
        path = []
        for _ in range(10):
            losses = []
            for x, t in POINTS:
                hidden = [
                    sum((w * xi for w, xi in zip(row, x, strict=True)), b).relu() for row in ws
                ]
                losses.append((1 + -t * sum(hidden)).relu())
            loss = sum(losses) * (1.0 / len(losses))
            for p in (*ws[0], *ws[1], *ws[2], *ws[3], b):
                p.grad = 0
            loss.backward()
            for p in (*ws[0], *ws[1], *ws[2], *ws[3], b):
                p.data -= 0.05 * p.grad
            path.append([loss.data, *(p.data for row in ws for p in row), b.data])
        return path

    _compare(train(backend), train(reference), judge)


def test_a_network_belongs_to_the_backend(backend: Any) -> None:
    model = rustygrad.MLP(2, [3, 1], backend=backend.name)
    assert all(type(p) is backend.Value for p in model.parameters())
    assert type(model([1.0, 2.0])) is backend.Value


def test_parameters_are_found_once_and_in_order(backend: Any) -> None:
    model = rustygrad.MLP(2, [2, 1], backend=backend.name)
    names = [name for name, _ in model.named_parameters()]
    assert names[:4] == [
        "layers.0.neurons.0.w.0", "layers.0.neurons.0.w.1",
        "layers.0.neurons.0.b", "layers.0.neurons.1.w.0",
    ]  # fmt: skip
    assert len({id(p) for p in model.parameters()}) == 9


def test_parameters_have_their_role(backend: Any) -> None:
    model = rustygrad.Neuron(2, backend=backend.name)
    assert [p._role for p in model.parameters()] == ["parameter"] * 3


def test_a_state_dict_restores_a_network(backend: Any, judge: Any) -> None:
    one, two = (rustygrad.MLP(2, [3, 1], backend=backend.name) for _ in range(2))
    two.load_state_dict(one.state_dict())
    judge(two([0.3, -0.7]).data, one([0.3, -0.7]).data)


def test_a_refused_state_dict_changes_no_parameter(backend: Any) -> None:
    model = rustygrad.Neuron(2, backend=backend.name)
    before = model.state_dict()
    bad: dict[str, Any] = {**dict.fromkeys(before, 5.0), "b": "five"}
    with pytest.raises(rustygrad.errors.StateDictError):
        model.load_state_dict(bad)
    assert model.state_dict() == before


def test_zero_grad_sets_every_gradient_to_0(backend: Any, judge: Any) -> None:
    model = rustygrad.Neuron(2, backend=backend.name)
    model([1.0, 2.0]).backward()
    model.zero_grad()
    judge.all([p.grad for p in model.parameters()], [0.0, 0.0, 0.0])


def test_a_wrong_number_of_inputs_names_both_lengths(backend: Any) -> None:
    model = rustygrad.Neuron(2, backend=backend.name)
    with pytest.raises(ValueError, match=r"2.*3"):
        model([1.0, 2.0, 3.0])
