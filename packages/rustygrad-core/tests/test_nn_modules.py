"""Module, Neuron, Layer and MLP: micrograd's shapes, parameters, scopes, state on disk."""

import copy
import json
import math
import pickle
import random
from itertools import pairwise

import pytest
import rustygrad
from rustygrad import Graph
from rustygrad.errors import ArgumentError, ConversionError, LengthError, StateDictError
from rustygrad.nn import MLP, Layer, Module, Neuron
from rustygrad.reference import Value

np = pytest.importorskip("numpy")


# --- micrograd's ---


def micrograds_draws(nin, nouts):
    """What micrograd's MLP draws, in its order of construction."""
    sizes = [nin, *nouts]
    return [
        [[random.uniform(-1, 1) for _ in range(n)] for _ in range(m)] for n, m in pairwise(sizes)
    ]


def test_the_initial_draws_and_the_parameter_order_are_micrograds():
    random.seed(1337)
    model = MLP(3, [4, 2, 1])
    random.seed(1337)
    expected = []
    for layer in micrograds_draws(3, [4, 2, 1]):
        for weights in layer:
            expected += [*weights, 0.0]
    assert [p.data for p in model.parameters()] == expected


def test_construction_draws_nothing_else():
    random.seed(1)
    MLP(2, [3, 1])
    after = random.random()
    random.seed(1)
    micrograds_draws(2, [3, 1])
    assert random.random() == after


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (lambda: Neuron(2), "ReLUNeuron(2)"),
        (lambda: Neuron(2, nonlin=False), "LinearNeuron(2)"),
        (lambda: Neuron(2, activation="tanh"), "TanhNeuron(2)"),
        (lambda: Neuron(2, False, activation="tanh"), "LinearNeuron(2)"),
        (lambda: Neuron(2, activation=math.cosh), "CoshNeuron(2)"),
        (lambda: Neuron(2, activation=Callable()), "CustomNeuron(2)"),
        (lambda: Layer(2, 2), "Layer of [ReLUNeuron(2), ReLUNeuron(2)]"),
        (
            lambda: MLP(1, [2, 1]),
            "MLP of [Layer of [ReLUNeuron(1), ReLUNeuron(1)], Layer of [LinearNeuron(2)]]",
        ),
    ],
)
def test_a_module_prints_as_in_micrograd(module, text):
    assert repr(module()) == text


class Callable:
    def __call__(self, x):
        return x


def test_the_attributes_are_micrograds():
    model = MLP(2, [3, 1])
    neuron = model.layers[0].neurons[2]
    assert (len(neuron.w), neuron.b.data, neuron.nonlin) == (2, 0.0, True)
    assert not model.layers[1].neurons[0].nonlin


def test_a_neuron_is_one_dot_node_and_its_activation():
    neuron = Neuron(2)
    x = [Value(1.0), Value(2.0)]
    out = neuron(x)
    assert out._op == "ReLU"
    (total,) = out._prev
    assert total._op == "dot"
    assert total._prev == (neuron.b, neuron.w[0], x[0], neuron.w[1], x[1])


def test_a_linear_neuron_is_one_node():
    assert Neuron(2, nonlin=False)([1, 2])._op == "dot"


def test_a_neuron_without_inputs_is_its_bias():
    assert Neuron(0, nonlin=False)([]).data == 0.0


def test_the_outputs_are_those_of_micrograds_formula():
    model = MLP(2, [3, 2])
    hidden = [
        max(n.b.data + n.w[0].data * 0.5 + n.w[1].data * -1.5, 0.0) for n in model.layers[0].neurons
    ]
    expected = []
    for n in model.layers[1].neurons:
        total = n.b.data
        for w, h in zip(n.w, hidden, strict=True):
            total += w.data * h
        expected.append(total)
    assert [v.data for v in model([0.5, -1.5])] == expected


def test_one_output_is_unwrapped():
    assert isinstance(Layer(2, 1)([1, 2]), Value)
    assert isinstance(Layer(2, 2)([1, 2]), list)
    assert isinstance(MLP(2, [3, 1])([1, 2]), Value)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "exp", "sin"])
def test_an_activation_is_an_operation_by_name(activation):
    neuron = Neuron(1, activation=activation)
    x = neuron.w[0].data * 0.5
    assert neuron([0.5]).data == getattr(Value(x), activation)().data


def test_an_activation_is_any_function_of_a_value():
    model = MLP(1, [1, 1], activation=lambda v: v * v)
    hidden = (model.layers[0].neurons[0].w[0].data * 2.0) ** 2
    assert model([2.0]).data == model.layers[1].neurons[0].w[0].data * hidden


@pytest.mark.parametrize(
    "x", [(1, 2), np.array([1.0, 2.0]), iter([1.0, 2.0]), [Value(1.0), np.float32(2)]]
)
def test_inputs_come_in_any_iterable(x):
    model = MLP(2, [2, 1])
    assert model(x).data == model([1.0, 2.0]).data


def test_a_hidden_layer_may_have_one_neuron():
    model = MLP(1, [1, 1])
    hidden = model.layers[0]([2.0])
    assert model([2.0]).data == model.layers[1]([hidden]).data


def test_a_lone_value_is_one_input():
    neuron = Neuron(1)
    assert neuron(Value(2.0)).data == neuron([2.0]).data
    with pytest.raises(LengthError):
        Neuron(2)(Value(2.0))


def test_numbers_given_as_inputs_become_inputs():
    graph = Graph.capture(Neuron(2)([1.0, Value(2.0)]))
    assert [n.data for n in graph.leaves("input")] == [1.0, 2.0]


# --- errors ---


def test_a_neuron_names_both_lengths():
    with pytest.raises(LengthError) as caught:
        Neuron(2)([1.0])
    assert str(caught.value) == "this Neuron takes 2 inputs, and got 1: ReLUNeuron(2)"


def test_a_layer_names_both_lengths():
    with pytest.raises(LengthError) as caught:
        MLP(2, [1])([1, 2, 3])
    assert str(caught.value) == "this Layer takes 2 inputs, and got 3: Layer of [LinearNeuron(2)]"


@pytest.mark.parametrize(("x", "text"), [(3.5, "3.5"), (None, "None")])
def test_a_lone_number_is_no_list_of_inputs(x, text):
    with pytest.raises(ConversionError) as caught:
        Neuron(1)(x)
    assert str(caught.value) == f"this Neuron takes a list of 1 inputs, not {text}"


def test_an_input_that_is_no_number_is_refused():
    with pytest.raises(ConversionError):
        Neuron(1)(["1"])
    with pytest.raises(ConversionError):
        MLP(2, [1])(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Neuron(-1), "nin is a whole number from 0 up, not -1"),
        (lambda: Neuron(True), "nin is a whole number from 0 up, not True"),
        (lambda: Neuron(2.0), "nin is a whole number from 0 up, not 2.0"),
        (lambda: Neuron("2"), "nin is a whole number from 0 up, not '2'"),
        (lambda: Layer(2, 0), "nout is a whole number from 1 up, not 0"),
        (lambda: Layer(None, 1), "nin is a whole number from 0 up, not None"),
        (lambda: MLP(2, [3, 0]), "nouts is a whole number from 1 up, not 0"),
        (lambda: MLP(2, [2.5]), "nouts is a whole number from 1 up, not 2.5"),
        (lambda: MLP(2, []), "an MLP takes one layer size or more, as in MLP(2, [16, 16, 1])"),
        (
            lambda: MLP(2, 16),
            "nouts is a list of sizes, as in MLP(2, [16, 16, 1]), not 16",
        ),
        (
            lambda: Neuron(1, activation="swish"),
            "no activation 'swish': give one of cos, exp, log, relu, sigmoid, sin, sqrt, tanh, "
            "or a function",
        ),
        (
            lambda: MLP(1, [1], activation=3),
            "no activation 3: give one of cos, exp, log, relu, sigmoid, sin, sqrt, tanh, "
            "or a function",
        ),
    ],
)
def test_a_bad_argument_is_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == text


def test_a_size_may_be_numpys():
    assert len(Layer(np.int64(2), np.int32(3)).parameters()) == 9


def test_a_module_without_forward_says_so():
    class Empty(Module):
        pass

    with pytest.raises(NotImplementedError) as caught:
        Empty()(1)
    assert str(caught.value) == "Empty needs a forward method"


def test_an_unknown_backend_is_refused_at_construction():
    with pytest.raises(rustygrad.errors.UnknownNameError):
        MLP(2, [1], backend="nonsense")


# --- parameters ---


def test_named_parameters_have_the_paths_of_their_attributes():
    assert [name for name, _ in MLP(1, [1, 1]).named_parameters()] == [
        "layers.0.neurons.0.w.0",
        "layers.0.neurons.0.b",
        "layers.1.neurons.0.w.0",
        "layers.1.neurons.0.b",
    ]


class Own(Module):
    def __init__(self):
        self.scale = Value(2.0)
        self.parts = {"a": Neuron(1), "b": (Value(1.0), [Value(2.0)])}
        self.size = 3
        self.name = "own"
        self.cached = self.scale * 2
        self.nothing = None


def test_parameters_are_found_in_lists_tuples_and_dicts_and_results_are_not_parameters():
    assert [name for name, _ in Own().named_parameters()] == [
        "scale", "parts.a.w.0", "parts.a.b", "parts.b.0", "parts.b.1.0",
    ]  # fmt: skip


class Tied(Module):
    def __init__(self):
        self.a = Neuron(1)
        self.b = self.a
        self.w = self.a.w[0]

    def forward(self, x):
        return self.a(x) + self.b(x)


def test_a_shared_module_or_leaf_is_listed_once():
    assert [name for name, _ in Tied().named_parameters()] == ["a.w.0", "a.b"]


def test_modules_that_point_at_each_other_do_not_hang():
    neuron, owner = Neuron(1), Own()
    owner.kid, neuron.boss = neuron, owner
    owner.forward = lambda x: neuron(x)
    assert len(owner.parameters()) == 7
    assert owner([1.0]).data == owner([1.0]).data


def test_two_parameters_with_one_path_are_refused():
    own = Own()
    own.parts = {1: Value(1.0), "1": Value(2.0)}
    with pytest.raises(ArgumentError) as caught:
        own.state_dict()
    assert str(caught.value) == (
        "two parameters of this Own have the path 'parts.1': "
        "give one of them another name, or another key"
    )


def test_zero_grad_resets_every_parameter():
    model = MLP(2, [2, 1])
    model([1.0, 2.0]).backward()
    model.zero_grad()
    assert {p.grad for p in model.parameters()} == {0.0}


def test_parameters_have_the_role_of_one():
    assert {p._role for p in MLP(2, [1]).parameters()} == {"parameter"}


def test_a_users_modules_leaves_are_parameters_once_it_is_called():
    class Scale(Module):
        def __init__(self):
            self.k = Value(2.0)

        def forward(self, x):
            return self.k * x

    scale = Scale()
    assert [n.role for n in Graph.capture(scale(3.0))][:2] == ["parameter", "constant"]


def test_an_attribute_named_like_cores_own_is_no_obstacle():
    class Named(Module):
        _backend = "mine"

        def __init__(self):
            self.w = Value(1.0)

    class Owner(Module):
        def __init__(self):
            self.inner = Named()

    assert [name for name, _ in Owner().named_parameters()] == ["inner.w"]


def test_a_users_attributes_are_left_alone():
    class Mine(Module):
        def __init__(self):
            self._name, self._modes = "mine", ["train"]
            self.inner = Neuron(1)
            self.inner._name = "also mine"

        def forward(self, x):
            return self.inner(x)

    mine = Mine()
    mine([1.0])
    assert (mine._name, mine._modes, mine.inner._name) == ("mine", ["train"], "also mine")


# --- scopes ---


def scopes(node):
    """The scopes of results; inputs belong to the layer that made Values of them."""
    return sorted({n.scope for n in Graph.capture(node) if n.scope and n.role != "input"})


def test_nodes_are_stamped_with_the_path_of_the_module_that_made_them():
    assert scopes(MLP(1, [2, 1])([1.0])) == [
        "layers.0.neurons.0", "layers.0.neurons.1", "layers.1.neurons.0",
    ]  # fmt: skip


def test_a_module_that_was_called_alone_before_gets_its_path_later():
    model = MLP(1, [2, 1])
    model.layers[0]([1.0])
    model.layers[0].neurons[1]([1.0])
    assert scopes(model([1.0])) == [
        "layers.0.neurons.0", "layers.0.neurons.1", "layers.1.neurons.0",
    ]  # fmt: skip


def test_a_shared_module_has_the_first_of_its_names_as_its_parameters_do():
    assert scopes(Tied()([1.0])) == ["a"]


class Caller(Module):
    """Adds up what its parts give."""

    def __init__(self, **parts):
        vars(self).update(parts)
        self.parts = list(parts.values())

    def forward(self, x):
        return rustygrad.sum(part(x) for part in self.parts)


def test_a_module_that_was_added_after_the_first_call_gets_its_path():
    net = Caller(inner=Caller(a=Neuron(1)))
    net([1.0])
    net.inner.parts.append(Neuron(1))
    assert scopes(net([1.0])) == ["inner", "inner.a", "inner.parts.1"]


def test_a_module_of_two_parents_has_its_path_in_the_one_that_calls_it():
    shared = Neuron(1)
    net = Caller(one=Caller(a=shared), two=Caller(b=shared))
    for _ in range(2):
        assert scopes(net([1.0])) == ["one", "one.a", "two", "two.b"]
    with rustygrad.anomaly():
        assert scopes(net([1.0])) == ["one", "one.a", "two", "two.b"]


def test_what_was_learned_of_scopes_is_in_no_pickle():
    net = Caller(a=Neuron(1))
    net([1.0])
    assert not [name for name in net.a.__getstate__() if name.startswith("_scope")]


def test_modules_in_dicts_have_their_keys_in_the_path():
    class Bag(Module):
        def __init__(self):
            self.parts = {"x": (Neuron(1),)}

        def forward(self, x):
            return self.parts["x"][0](x)

    assert scopes(Bag()([1.0])) == ["parts.x.0"]


def test_the_scope_ends_with_the_call_even_after_an_exception():
    layer = Layer(1, 1)
    with pytest.raises(LengthError):
        layer([1, 2])
    assert Graph.capture(Value(1.0) + 1)[-1].scope == ""


def test_scopes_hold_inside_no_grad_and_anomaly():
    model = MLP(1, [1, 1])
    with rustygrad.anomaly():
        assert scopes(model([1.0])) == ["layers.0.neurons.0", "layers.1.neurons.0"]
    with rustygrad.no_grad():
        assert Graph.capture(model([1.0]))[0].scope == "layers.1.neurons.0"


# --- state ---


def test_the_state_dict_maps_paths_to_numbers():
    neuron = Neuron(1)
    assert neuron.state_dict() == {"w.0": neuron.w[0].data, "b": 0.0}


def test_a_state_dict_is_loaded():
    one, other = MLP(2, [2, 1]), MLP(2, [2, 1])
    other.load_state_dict(one.state_dict())
    assert other.state_dict() == one.state_dict()


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"w.0": 1}, "the state dict does not fit this Neuron: missing 'b'; unexpected nothing"),
        (
            {"w.0": 1, "b": 2, "c": 3},
            "the state dict does not fit this Neuron: missing nothing; unexpected 'c'",
        ),
        (
            dict.fromkeys("vwxyz", 0.0),
            "the state dict does not fit this Neuron: missing 'w.0', 'b'; "
            "unexpected 'v', 'w', 'x' and 2 more",
        ),
        ({"w.0": 1, "b": "2"}, "the state dict holds no number for 'b': '2'"),
        ({"w.0": 1, "b": None}, "the state dict holds no number for 'b': None"),
        (None, "a state dict maps names to numbers; this is None"),
        ([1.0, 2.0], "a state dict maps names to numbers; this is a list"),
        ({"w.0": 1, "b": 10**400}, "the number for 'b' is too large for a float"),
        ({"w.0": 1, "b": 10**5000}, "the number for 'b' is too large for a float"),
    ],
)
def test_a_state_dict_that_does_not_fit_changes_nothing(state, text):
    neuron = Neuron(1)
    before = neuron.state_dict()
    with pytest.raises(StateDictError) as caught:
        neuron.load_state_dict(state)
    assert str(caught.value) == text
    assert neuron.state_dict() == before


def test_a_file_keeps_every_bit(tmp_path):
    neuron = Neuron(5)
    numbers = [math.nan, math.inf, -math.inf, -0.0, 0.1 + 0.2, 5e-324]
    for p, x in zip(neuron.parameters(), numbers, strict=True):
        p.data = x
    neuron.save(tmp_path / "n.json")
    other = Neuron(5)
    other.load(str(tmp_path / "n.json"))
    assert [repr(p.data) for p in other.parameters()] == list(map(repr, numbers))


def test_a_file_is_strict_json(tmp_path):
    neuron = Neuron(1)
    neuron.b.data = math.nan
    neuron.save(tmp_path / "n.json")

    def refuse(text):
        raise AssertionError(text)

    record = json.loads((tmp_path / "n.json").read_text(), parse_constant=refuse)
    assert record == {"w.0": neuron.w[0].data, "b": "nan"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"[1, 2]", "expected numbers by name, not a list"),
        (b"[" * 100_000, "its brackets are nested too deeply"),
        (b'{"w.0": null, "b": 0}', "expected a number, not None"),
        (b'{"w.0": "one", "b": 0}', "expected a number, not 'one'"),
        (b'{"w.0": true, "b": 0}', "expected a number, not True"),
        (
            b'{"w.0": 1' + b"0" * 400 + b', "b": 0}',
            "expected a number, not an integer too large for a float",
        ),
    ],
)
def test_a_file_that_is_no_module_changes_nothing(content, reason, tmp_path):
    path = tmp_path / "n.json"
    path.write_bytes(content)
    neuron = Neuron(1)
    before = neuron.state_dict()
    with pytest.raises(StateDictError) as caught:
        neuron.load(path)
    assert str(caught.value) == f"{path} is not a saved module: {reason}"
    assert neuron.state_dict() == before


@pytest.mark.parametrize("content", [b'{"w.0": null, "b": 0}', b'{"w.0": [], "b": 0}', b"\xff"])
def test_a_file_of_other_things_is_refused(content, tmp_path):
    path = tmp_path / "n.json"
    path.write_bytes(content)
    with pytest.raises(StateDictError, match="is not a saved module: "):
        Neuron(1).load(path)


def test_a_file_of_another_shape_is_refused(tmp_path):
    path = tmp_path / "n.json"
    Neuron(2).save(path)
    with pytest.raises(StateDictError) as caught:
        Neuron(1).load(path)
    assert str(caught.value) == (
        f"{path}: the state dict does not fit this Neuron: missing nothing; unexpected 'w.1'"
    )


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Neuron(1).load(tmp_path / "none.json")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_module_is_copied_with_parameters_of_its_own(copied):
    model = MLP(2, [2, 1])
    model([1.0, 2.0])
    twin = copied(model)
    assert twin.state_dict() == model.state_dict()
    assert not set(map(id, twin.parameters())) & set(map(id, model.parameters()))
    assert twin([1.0, 2.0]).data == model([1.0, 2.0]).data
    assert scopes(twin([1.0, 2.0])) == scopes(model([1.0, 2.0]))
