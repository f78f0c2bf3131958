"""What a backend may offer besides: core asks for it, checks what it was made from, does without."""

import copy
import pickle
import random
import sys
import threading
from array import array

import pytest
import rustygrad
from rustygrad import Graph, nn, optim
from rustygrad.modes import current
from rustygrad.ops import DOT
from rustygrad.reference import backend


class Stack:
    """The interface in a few lines: the same nodes, made in one call."""

    made = 0

    def __init__(self, layers, watched, counter, mode):
        type(self).made += 1
        self.layers, self.mode, self.calls = layers, mode, 0
        self.seen = [(items, list(items)) for items in (*watched, counter)]

    def is_current(self):
        return all(
            len(items) == len(before) and all(map(lambda a, b: a is b, items, before))
            for items, before in self.seen
        )

    def __call__(self, x):
        if current.get() is not self.mode or not self.is_current() or type(x) is not list:
            return None
        if len(x) != self.layers[0].inputs:
            return None
        self.calls += 1
        for layer in self.layers:
            n, outs = layer.inputs, []
            x = [v if isinstance(v, backend.Value) else backend.Value(v) for v in x]
            biases = layer.leaves[len(layer.scopes) * n :]
            for i, bias in enumerate(biases):
                row = layer.leaves[i * n : (i + 1) * n]
                total = backend.apply(DOT, nn.dot_operands(row, x, bias))
                outs.append(
                    backend.apply(layer.activation, (total,)) if layer.activation else total
                )
            x = outs
        return x[0] if len(x) == 1 else x


@pytest.fixture(autouse=True)
def stacks(monkeypatch):
    """The reference backend, with stacks of its own."""
    Stack.made = 0
    monkeypatch.setattr(
        backend,
        "stack",
        lambda *args: Stack(*args) if args[0][0].inputs != 7 else None,
        raising=False,
    )


def mlp(nin=2, nouts=(3, 1), **kwargs):
    random.seed(3)
    model = nn.MLP(nin, nouts, **kwargs)
    model([0.5] * nin)
    return model


def test_the_second_call_is_one_call_of_the_backend():
    model = mlp()
    model([1.0, 2.0])
    assert model._stack.calls == 1


def test_it_gives_what_the_generic_path_gives(monkeypatch):
    model = mlp()
    fast = Graph.capture(model([1.0, 2.0]))
    monkeypatch.delattr(backend, "stack")
    slow = Graph.capture(copy.deepcopy(model)([1.0, 2.0]))
    assert list(fast.data) == list(slow.data)
    assert list(fast.operands) == list(slow.operands)


def test_a_layer_alone_is_one_call_too():
    layer = nn.Layer(2, 3, activation="tanh")
    layer([1.0, 2.0])
    assert [v._op for v in layer([1.0, 2.0])] == ["tanh"] * 3
    assert layer._stack.calls == 1


def test_the_backend_learns_sizes_scopes_and_the_activation():
    (first, last) = mlp()._stack.layers
    scopes = [[rustygrad.modes.scope_path(n) for n in (r.scope, *r.scopes)] for r in (first, last)]
    assert scopes == [
        ["layers.0", "layers.0.neurons.0", "layers.0.neurons.1", "layers.0.neurons.2"],
        ["layers.1", "layers.1.neurons.0"],
    ]
    assert (first.inputs, first.activation.name) == (2, "relu")
    assert (last.inputs, last.activation) == (3, None)


def test_each_mode_has_a_stack_of_its_own_and_anomaly_none():
    model = mlp()
    for _ in range(4):  # a new mode makes modules forget; the fourth round finds all learned
        made = Stack.made
        model([1.0, 2.0])
        assert model._stack.mode is current.get()
        with rustygrad.no_grad():
            model([1.0, 2.0])
            assert model._stack.mode is current.get()
        with rustygrad.anomaly():
            model([1.0, 2.0])
            assert model._stack is None
            assert len(model.parameters()) == 13
    assert Stack.made == made


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.layers[0].neurons[0].w.__setitem__(0, backend.Value(9.0)),
        lambda m: setattr(m.layers[0].neurons[0], "b", backend.Value(9.0)),
        lambda m: setattr(m.layers[0].neurons[0], "nonlin", False),
        lambda m: m.layers.pop(),
        lambda m: setattr(m.layers[0].neurons[0], "__dict__", dict(vars(nn.Neuron(2)))),
        lambda m: delattr(m.layers[1], "neurons") or setattr(m.layers[1], "neurons", nn.Layer(3, 2).neurons),
    ],
)  # fmt: skip
def test_a_changed_model_is_learned_anew(change):
    model = mlp()
    before = model._stack
    change(model)
    y = model([1.0, 2.0])
    assert before.calls == 0
    assert model._stack is not before
    assert len(model.parameters()) == len(rustygrad.nn.Module.parameters(model))
    assert y is not None


class Unhashable(list):
    """An activation that is a function, and cannot be in a set."""

    def __call__(self, v):
        return v.tanh()


class MoodyNeuron(nn.Neuron):
    """A neuron that computes with what it makes up."""

    bias = 0.0

    @property
    def b(self):
        return backend.Value(self.bias)

    @b.setter
    def b(self, value):
        pass


def test_a_subclass_that_computes_an_attribute_is_asked_each_time():
    layer = nn.Layer(1, 1, nonlin=False)
    layer.neurons[0] = MoodyNeuron(1, nonlin=False)
    before = layer([0.0]).data
    MoodyNeuron.bias = 2.0
    try:
        assert (before, layer([0.0]).data) == (0.0, 2.0)
    finally:
        MoodyNeuron.bias = 0.0


def test_a_class_that_its_user_has_changed_goes_neuron_by_neuron(monkeypatch):
    forward = nn.Neuron.forward
    monkeypatch.setattr(nn.Neuron, "forward", lambda self, x: forward(self, x) * 2)
    layer = nn.Layer(2, 1)
    assert [layer([1.0, 2.0])._op for _ in range(2)] == ["*", "*"]


def test_a_layer_whose_neuron_has_just_got_another_name_is_learned_later():
    shared = nn.Layer(2, 2)
    model = nn.MLP(2, [2, 2])
    model.layers[:] = [shared, nn.Layer(2, 2)]
    model.layers[1].neurons[0] = shared.neurons[0]
    model([1.0, 2.0])
    assert model._stack is None
    model([1.0, 2.0])
    model([1.0, 2.0])
    assert model._stack is not None


def test_a_layer_without_inputs_goes_neuron_by_neuron():
    layer = nn.Layer(0, 2)
    layer([])
    assert layer._stack is None
    assert len(layer([])) == 2


@pytest.mark.parametrize(
    "unusual",
    [
        lambda m: setattr(m.layers[0].neurons[1], "nonlin", False),
        lambda m: setattr(m.layers[0].neurons[1], "activation", "tanh"),
        lambda m: [setattr(n, "activation", abs) for n in m.layers[0].neurons],
        lambda m: setattr(m.layers[0], "neurons", tuple(m.layers[0].neurons)),
        lambda m: setattr(m.layers[0].neurons[0], "w", tuple(m.layers[0].neurons[0].w)),
        lambda m: setattr(m, "layers", tuple(m.layers)),
        lambda m: setattr(m.layers[0], "forward", nn.Layer.forward.__get__(m.layers[0])),
        lambda m: setattr(m.layers[0].neurons[0], "forward", lambda x: x[0]),
        lambda m: [setattr(n, "activation", Unhashable()) for n in m.layers[0].neurons],
        lambda m: [setattr(n, "activation", "__neg__") for n in m.layers[0].neurons],
        lambda m: m.layers[0].neurons.__setitem__(1, MoodyNeuron(2)),
        lambda m: setattr(m, "forward", lambda x: m.layers[0](x)),
        lambda m: setattr(m, "layers", []),
    ],
)
def test_a_model_that_is_not_as_usual_goes_neuron_by_neuron(unusual):
    model = nn.MLP(2, [3, 1])
    unusual(model)
    model([1.0, 2.0])
    assert model._stack is None


def test_a_subclass_with_a_forward_of_its_own_goes_its_own_way():
    class Doubled(nn.MLP):
        def forward(self, x):
            return super().forward(x) * 2

    model = Doubled(2, [1])
    model([1.0, 2.0])
    assert model([1.0, 2.0])._op == "*"


def test_a_backend_may_decline():
    model = mlp(7)
    assert model._stack is None
    assert model([1.0] * 7) is not None


def test_an_assignment_during_learning_is_noticed(monkeypatch):
    model = nn.MLP(2, [1])
    record = nn.Layer._record

    def hasty(layer, *args):
        model.layers[0].neurons[0].b = backend.Value(1.0)
        return record(layer, *args)

    monkeypatch.setattr(nn.Layer, "_record", hasty)
    model([1.0, 2.0])
    assert model._stack is None


def test_wrong_inputs_have_the_messages_of_the_generic_path():
    with pytest.raises(rustygrad.errors.LengthError, match="takes 2 inputs, and got 3"):
        mlp()([1.0, 2.0, 3.0])


def test_parameters_are_remembered_while_the_stack_is_current():
    model = mlp()
    first = model.parameters()
    assert first == nn.Module.parameters(model)
    assert first is not model.parameters()
    model.layers[0].neurons[0].w[0] = new = backend.Value(0.0)
    assert any(p is new for p in model.parameters())


@pytest.mark.parametrize("extra", [[1], {}, nn.Neuron(1), (1,)])
def test_parameters_are_not_remembered_where_something_else_may_hold_some(extra):
    model = nn.MLP(2, [1])
    model.layers[0].extra = extra
    model([1.0, 2.0])
    model.layers[0].neurons[0].note = backend.Value(1.0)
    assert model._leaves is None
    assert len(model.parameters()) == len(nn.Module.parameters(model))


@pytest.mark.parametrize(
    "assign",
    [
        lambda m: setattr(m, "epoch", 3),
        lambda m: setattr(m, "last", m([1.0, 2.0])),
        lambda m: setattr(m.layers[0], "seen", [1.0]),
        lambda m: setattr(m.layers[0].neurons[0], "note", "x") or delattr(m.layers[0].neurons[0], "note"),
        lambda m: setattr(nn.Neuron(1), "b", 3),
        lambda m: nn.MLP(2, [3, 1]),
    ],
)  # fmt: skip
def test_what_a_model_does_not_compute_with_leaves_its_stack_current(assign):
    model = mlp()
    stack, made = model._stack, Stack.made
    assign(model)
    assign(model)
    model([1.0, 2.0])
    assert model._stack is stack
    assert Stack.made == made
    assert len(model.parameters()) == len(nn.Module.parameters(model))


@pytest.mark.parametrize("extra", [backend.Value(1.0), [backend.Value(1.0)], nn.Neuron(1)])
def test_a_parameter_that_came_later_is_among_the_parameters(extra):
    model = mlp()
    remembered = model.parameters()
    model.layers[0].extra = extra
    assert model.parameters() == nn.Module.parameters(model)
    assert len(model.parameters()) > len(remembered)
    del model.layers[0].extra
    assert model.parameters() == remembered


def test_what_the_backend_declines_is_seldom_asked_for_again(monkeypatch):
    asked = []
    monkeypatch.setattr(backend, "stack", lambda *args: asked.append(args), raising=False)
    model = nn.MLP(2, [3, 1])
    for _ in range(50):
        model([1.0, 2.0])
    few = len(asked)
    assert few < 20
    model.layers[0].neurons[0].nonlin = True  # what it was declined for may be gone
    model([1.0, 2.0])
    assert len(asked) > few
    few = len(asked)
    for _ in range(1100):
        model([1.0, 2.0])
    assert few < len(asked) < few + 30


def test_a_layer_of_two_models_tells_both_of_them():
    one, other = nn.MLP(2, [3, 1]), nn.MLP(2, [3, 1])
    other.layers[0] = one.layers[0]
    for model in (one, other, one, other, one, other):  # until nobody forgets a name any more
        model([1.0, 2.0])
    stacks = one._stack, other._stack
    assert None not in stacks
    one.layers[0].neurons[1].b = backend.Value(5.0)
    assert not any(stack.is_current() for stack in stacks)


def test_a_layer_of_many_models_tells_each_of_them_once():
    layer, models = nn.Layer(2, 3), []
    for _ in range(50):
        model = nn.MLP(2, [3, 1])
        model.layers[0] = layer
        models.append(model)
    for _ in range(4):
        for model in models:
            model([1.0, 2.0])
    before = [model._version[0] for model in models]
    for _ in range(5):
        layer.neurons[0].b = backend.Value(1.0)
    assert [model._version[0] for model in models] == [version + 1 for version in before]


def test_models_that_are_gone_are_told_nothing():
    layer = nn.Layer(2, 3)
    for _ in range(5):
        model = nn.MLP(2, [3, 1])
        model.layers[0] = layer
        model([1.0, 2.0])
        model([1.0, 2.0])
    del model
    layer.neurons[0].nonlin = False
    layer([1.0, 2.0])
    layer([1.0, 2.0])
    assert len(layer.__dict__["_readers"]) <= 1


def test_threads_may_make_the_first_call_together():
    errors = []

    def call():
        try:
            together.wait()
            model([1.0, 2.0])
        except RuntimeError as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            model, together = nn.MLP(2, [8, 8, 1]), threading.Barrier(4)
            threads = [threading.Thread(target=call) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []


def test_what_was_learned_stays_out_of_pickles_and_copies():
    model = mlp()
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert twin._stack is None
        assert not {"_stack", "_stacks", "_leaves", "_readers", "_version"} & set(vars(twin))


# --- optimisers ---


def leaves(*grads):
    made = [backend.Value(1.0) for _ in grads]
    for p, g in zip(made, grads, strict=True):
        p.grad = g
    return made


@pytest.mark.parametrize("answer", [True, False])
def test_an_optimiser_takes_the_backends_step_where_it_makes_one(monkeypatch, answer):
    asked = []

    def native(*args):
        asked.append(args)
        return answer

    for name in ("zero_grad", "sgd", "adam"):
        monkeypatch.setattr(backend, name, native, raising=False)
    ps = leaves(0.5)
    optimizer = optim.SGD(ps, lr=0.5, momentum=0.9, weight_decay=0.1)
    optimizer.step()
    optimizer.step()
    assert [a[2] for a in asked] == [True, False]
    assert [type(a[1]) for a in asked] == [array, array]
    assert (ps[0].data == 1.0) is answer
    asked.clear()
    optim.SGD(ps).step()
    assert asked == [(ps, None, True, 0.01, 0.0, 0.0)]
    asked.clear()
    optim.AdamW(ps, lr=0.5, weight_decay=0.5).step()
    assert asked[0][-2:] == (0.0, 0.75)
    optimizer.zero_grad()
    assert (ps[0].grad == 0.5) is answer


def test_a_list_of_parameters_that_has_grown_is_not_the_backends_business(monkeypatch):
    monkeypatch.setattr(backend, "sgd", lambda *args: True, raising=False)
    monkeypatch.setattr(backend, "adam", lambda *args: True, raising=False)
    for optimizer in (optim.SGD(leaves(1.0), momentum=0.5), optim.Adam(leaves(1.0))):
        optimizer.step()
        optimizer.parameters.append(leaves(1.0)[0])
        with pytest.raises(ValueError, match="zip"):
            optimizer.step()


def test_parameters_in_something_else_than_a_list_are_stepped_in_python(monkeypatch):
    monkeypatch.setattr(backend, "sgd", lambda *args: True, raising=False)
    optimizer = optim.SGD(leaves(1.0), lr=1.0)
    optimizer.parameters = tuple(optimizer.parameters)
    optimizer.step()
    assert optimizer.parameters[0].data == 0.0
