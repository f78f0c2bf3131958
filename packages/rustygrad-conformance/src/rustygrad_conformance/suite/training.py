"""Stage 10: networks and optimisers take the reference's path, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import rustygrad
from rustygrad import Graph, optim
from rustygrad.errors import RustygradError

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


class Story:
    """A network that is changed between calls: what it gives, hands back and is made of.

    A backend that evaluates layers in one call must notice each change. Told twice with
    the same seed it does the same.
    """

    def __init__(self, engine: Any, seed: int) -> None:
        self.rng = random.Random(seed)
        self.engine = engine
        random.seed(seed)
        activation = self.rng.choice(["relu", "tanh", "sigmoid"])
        self.model = rustygrad.MLP(2, [3, 2], activation=activation, backend=engine.name)
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.1, momentum=0.5)
        self.inputs = [engine.Value(0.5), engine.Value(-1.5)]
        self.results: list[Any] = []
        self.numbers: list[float] = []
        self.graphs: list[Graph] = []

    def call(self) -> None:
        x = self.rng.choice([[0.5, -1.0], (2.0, 0.25), self.inputs, [self.inputs[0], 3]])
        first = self.model(x)
        self.results += first if isinstance(first, list) else [first]
        with rustygrad.no_grad():
            again = self.model.layers[0](x)
        self.numbers += [y.data for y in [*self.results[-2:], *again]]
        self.numbers += [float(len(y._prev)) for y in again]

    def backward(self) -> None:
        chosen = self.rng.sample(self.results, min(3, len(self.results)))
        loss = rustygrad.sum(y * y for y in chosen)
        for p in self.model.parameters()[:3]:
            loss = loss + 0.1 * p * p
        loss.backward()
        self.numbers += [v.grad for v in [*self.model.parameters(), *self.inputs, *chosen]]

    def step(self) -> None:
        self.optimizer.step()
        if self.rng.random() < 0.5:
            self.optimizer.zero_grad()
        self.numbers += [p.data for p in self.optimizer.parameters]

    def change(self) -> None:
        rng = self.rng
        layer = rng.choice(self.model.layers)
        neuron, other = rng.choice(layer.neurons), rng.choice(layer.neurons)
        changes: list[Callable[[], Any]] = [
            lambda: setattr(neuron, "b", self.engine.Value(0.75)),
            lambda: neuron.w.__setitem__(0, self.engine.Value(-0.25)),
            lambda: neuron.w.__setitem__(0, other.w[1]),
            lambda: neuron.w.reverse(),
            lambda: layer.neurons.reverse(),
            lambda: setattr(neuron, "nonlin", not neuron.nonlin),
            lambda: setattr(neuron, "activation", "sin"),
            lambda: setattr(neuron.w[1], "data", 0.3),
            lambda: neuron.w[1].__init__(0.6),
            lambda: neuron.w.__setitem__(0, self.inputs[0]),
        ]
        rng.choice(changes)()
        self.model.parameters()  # marks the new ones

    def tell(self) -> None:
        acts = [self.call, self.call, self.backward, self.step, self.change]
        self.call()
        for _ in range(14):
            self.rng.choice(acts)()
        self.backward()
        self.graphs.append(Graph.capture(*self.results))


@pytest.mark.parametrize("seed", range(40))
def test_a_network_that_changes_takes_the_references_path(
    backend: Any, reference: Any, judge: Any, seed: int
) -> None:
    told, right = Story(backend, seed), Story(reference, seed)
    for story in (told, right):
        story.tell()
    _compare([told.numbers], [right.numbers], judge)
    for got, graph in zip(told.graphs, right.graphs, strict=True):
        for column in ("op", "offsets", "operands", "role", "scope", "names", "outputs"):
            assert getattr(got, column) == getattr(graph, column), f"{column}\n{got}\n\n{graph}"


@pytest.mark.parametrize("wrong", [[1.0], [1.0, 2.0, 3.0], [1.0, "2"], 3.0])
def test_a_network_in_use_refuses_what_is_no_input(backend: Any, wrong: Any) -> None:
    model = rustygrad.MLP(2, [2, 1], backend=backend.name)
    for _ in range(2):
        model([1.0, 2.0])
    with pytest.raises(RustygradError):
        model(wrong)


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
