import math
import random

import pytest
import rustygrad
from rustygrad.errors import ArgumentError, ConversionError, LengthError
from rustygrad.reference import Value

np = pytest.importorskip("numpy")


def values(*numbers):
    return [Value(x) for x in numbers]


UNARY = ["relu", "tanh", "sigmoid", "exp", "log", "sqrt", "sin", "cos"]


@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_one_operand_is_the_method(name):
    a = Value(0.7)
    node = getattr(rustygrad, name)(a)
    assert (node.data, node._op, node._prev) == (
        getattr(a, name)().data,
        getattr(a, name)()._op,
        (a,),
    )


@pytest.mark.parametrize("name", UNARY)
def test_of_a_number_it_is_a_value_of_the_selected_backend(name):
    node = getattr(rustygrad, name)(0.7)
    assert type(node) is Value
    assert node._prev[0]._role == "constant"


@pytest.mark.parametrize("name", UNARY)
def test_of_something_else_it_is_a_conversion_error(name):
    with pytest.raises(ConversionError) as caught:
        getattr(rustygrad, name)(None)
    assert str(caught.value) == (
        "an operand is a Value or a real number, not None: pass 0.0 for nothing"
    )


REDUCTIONS = [
    (rustygrad.sum, "sum", 6.5, [1, 1, 1, 1]),
    (rustygrad.mean, "mean", 1.625, [0.25] * 4),
    (rustygrad.maximum, "max", 3.0, [0, 0, 1, 0]),
    (rustygrad.minimum, "min", 0.5, [0, 0, 0, 1]),
]


@pytest.mark.parametrize(("function", "symbol", "expected", "grads"), REDUCTIONS)
@pytest.mark.parametrize("kind", [list, tuple, iter, lambda xs: np.array(xs, dtype=object)])
def test_a_reduction_makes_one_node_of_any_iterable(function, symbol, expected, grads, kind):
    xs = values(1.0, 2.0, 3.0, 0.5)
    node = function(kind(xs))
    node.backward()
    assert (node.data, node._op, node._prev) == (expected, symbol, tuple(xs))
    assert [x.grad for x in xs] == grads


def test_a_reduction_takes_numbers_beside_values():
    a = Value(1.0)
    node = rustygrad.sum([2, a, np.float32(0.5)])
    assert (node.data, node._prev[1]) == (3.5, a)
    assert [x._role for x in node._prev] == ["constant", "input", "constant"]


def test_a_sum_starts_where_the_built_in_one_does():
    a, b = values(1.0, 2.0)
    assert rustygrad.sum([a], b)._prev == (b, a)
    assert rustygrad.sum([a], start=2.5).data == 3.5
    assert rustygrad.sum([], 4).data == 4.0
    assert rustygrad.sum([a, b], 0)._prev == (a, b)
    assert len(rustygrad.sum([a, b], 0.0)._prev) == 3


def test_a_sum_that_starts_at_no_number_is_refused():
    with pytest.raises(ConversionError):
        rustygrad.sum([[Value(1.0)]], [])


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_a_lone_value_is_no_iterable(name):
    with pytest.raises(ConversionError) as caught:
        getattr(rustygrad, name)(Value(1.0))
    assert str(caught.value) == f"{name}() takes an iterable of Values and numbers, not a Value"


def test_the_sum_of_nothing_is_0():
    assert rustygrad.sum([]).data == 0.0


@pytest.mark.parametrize(
    "name", ["mean", "maximum", "minimum", "logsumexp", "softmax", "log_softmax"]
)
def test_of_no_values_there_is_no_result(name):
    with pytest.raises(LengthError) as caught:
        getattr(rustygrad, name)([])
    assert str(caught.value) == f"{name}() of no values: give it one or more"


@pytest.mark.parametrize("name", ["sum", "mean", "maximum", "minimum", "logsumexp"])
def test_what_is_no_iterable_is_refused(name):
    with pytest.raises(ConversionError) as caught:
        getattr(rustygrad, name)(3.5)
    assert str(caught.value) == (
        f"{name}() takes an iterable of Values and numbers, not an object of type 'float'"
    )


def test_maximum_and_minimum_take_several_arguments_too():
    a, b = values(1.0, 2.0)
    assert rustygrad.maximum(a, b)._prev == (a, b)
    assert rustygrad.minimum(a, b, 0.5).data == 0.5


def test_the_first_of_tied_operands_takes_the_gradient():
    a, b = values(2.0, 2.0)
    rustygrad.maximum(a, b).backward()
    rustygrad.minimum(a, b).backward()
    assert (a.grad, b.grad) == (2.0, 0.0)


def test_dot_is_one_node_with_the_bias_first():
    w, x, b = values(1.0, 2.0), values(3.0, 4.0), Value(0.5)
    node = rustygrad.dot(w, x, b)
    node.backward()
    assert (node.data, node._prev) == (11.5, (b, w[0], x[0], w[1], x[1]))
    assert [v.grad for v in (*w, *x, b)] == [3.0, 4.0, 1.0, 2.0, 1.0]


def test_dot_without_a_bias_and_with_numbers():
    w = values(1.0, 2.0)
    assert rustygrad.dot(w, [3, 4]).data == 11.0
    assert rustygrad.dot([], []).data == 0.0
    assert rustygrad.dot([], [], 2.0).data == 2.0


def test_dot_refuses_lists_of_two_lengths():
    with pytest.raises(LengthError) as caught:
        rustygrad.dot([1, 2], [3])
    assert str(caught.value) == "dot() takes as many weights as inputs, and got 2 and 1"


def test_dot_has_the_bits_of_micrograds_neuron():
    rng = random.Random(3)
    w, x = ([Value(rng.uniform(-1, 1)) for _ in range(9)] for _ in range(2))
    b = Value(rng.uniform(-1, 1))
    assert (
        rustygrad.dot(w, x, b).data == sum((wi * xi for wi, xi in zip(w, x, strict=True)), b).data
    )


def test_logsumexp_is_stable():
    a, b = values(1000.0, 1000.0)
    node = rustygrad.logsumexp([a, b])
    node.backward()
    assert node.data == 1000.0 + math.log(2.0)
    assert (a.grad, b.grad) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(("condition", "taken"), [(True, 0), (False, 1), (Value(2.0), 0), (0, 1)])
def test_where_takes_one_and_gives_the_other_no_gradient(condition, taken):
    pair = values(2.0, 3.0)
    node = rustygrad.where(condition, *pair)
    node.backward()
    assert node.data == pair[taken].data
    assert [v.grad for v in pair] == [1.0 - taken, 0.0 + taken]


def test_softmax_adds_up_to_1_and_is_stable():
    parts = rustygrad.softmax([Value(1000.0), Value(0.0), 1000.0])
    assert [p.data for p in parts] == pytest.approx([0.5, 0.0, 0.5])


def test_log_softmax_is_exact_where_softmax_underflows():
    logs = rustygrad.log_softmax([Value(1000.0), Value(0.0)])
    assert [v.data for v in logs] == [0.0, -1000.0]


def test_cross_entropy_is_the_negative_log_of_the_right_class():
    logits = values(1.0, 2.0, -1.0)
    loss = rustygrad.cross_entropy(logits, np.int64(1))
    loss.backward()
    exps = [math.exp(v.data) for v in logits]
    parts = [e / sum(exps) for e in exps]
    assert loss.data == pytest.approx(-math.log(parts[1]))
    assert [v.grad for v in logits] == pytest.approx([parts[0], parts[1] - 1, parts[2]])


def test_cross_entropy_takes_the_truth_of_something_for_a_class():
    losses = [rustygrad.cross_entropy([1.0, 2.0], target).data for target in (True, 1)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("target", [3, -1, 1.0, "1", None, np.array([1])])
def test_cross_entropy_refuses_what_is_not_the_index_of_a_class(target):
    with pytest.raises(ArgumentError) as caught:
        rustygrad.cross_entropy([1.0, 2.0, 3.0], target)
    assert str(caught.value) == (
        f"cross_entropy() takes the index of one of 3 classes, not {target!r}"
    )


def test_hinge_is_the_mean_of_what_lacks_to_the_margin():
    scores = values(2.0, 0.5, -1.0)
    loss = rustygrad.hinge(scores, [1, -1, 1])
    loss.backward()
    assert loss.data == pytest.approx((0 + 1.5 + 2.0) / 3)
    assert [s.grad for s in scores] == pytest.approx([0, 1 / 3, -1 / 3])


def test_mse_is_the_mean_of_squares():
    predictions = values(2.0, 0.5)
    loss = rustygrad.mse(predictions, [1.0, 1])
    loss.backward()
    assert loss.data == 0.625
    assert [p.grad for p in predictions] == [1.0, -0.5]


@pytest.mark.parametrize(("name", "what"), [("hinge", "scores"), ("mse", "predictions")])
def test_a_loss_of_two_lengths_is_refused(name, what):
    loss = getattr(rustygrad, name)
    for given, targets in (([1.0, 2.0], [1.0]), ([1.0], []), ([], [1.0])):
        with pytest.raises(LengthError) as caught:
            loss(given, targets)
        assert str(caught.value) == (
            f"{name}() takes as many targets as {what}, and got {len(targets)} and {len(given)}"
        )


@pytest.mark.parametrize("name", ["hinge", "mse"])
def test_a_loss_of_nothing_is_refused(name):
    with pytest.raises(LengthError) as caught:
        getattr(rustygrad, name)([], [])
    assert str(caught.value) == f"{name}() of no values: give it one or more"


@pytest.mark.parametrize(
    ("x", "data", "grad"), [(0.5, 0.5, 1.0), (2.0, 1.0, 0.0), (-2.0, -1.0, 0.0)]
)
def test_clip_limits_and_has_no_gradient_outside(x, data, grad):
    v = Value(x)
    node = rustygrad.clip(v, -1.0, 1.0)
    node.backward()
    assert (node.data, v.grad) == (data, grad)


def test_clip_refuses_an_empty_interval():
    with pytest.raises(ArgumentError) as caught:
        rustygrad.clip(Value(0.0), 1, -1)
    assert str(caught.value) == "clip() takes low <= high, not low=1 and high=-1"


@pytest.mark.parametrize(
    ("operands", "text"),
    [
        ((1, "a", 1), "'a'"),
        ((Value(1.0), 0, None), "None"),
        (([1.0], 0, 1), "a list"),
        ((1.0, 0, 1j), "the complex number 1j"),
    ],
)
def test_clip_refuses_what_is_no_number(operands, text):
    with pytest.raises(ConversionError) as caught:
        rustygrad.clip(*operands)
    assert str(caught.value) == f"clip() takes Values and numbers, not {text}"


def test_detach_gives_a_leaf_with_data_and_label():
    v = Value(2.0, label="x") * 3
    v.label = "y"
    leaf = rustygrad.detach(v)
    assert (leaf.data, leaf.label, leaf._prev, leaf._role) == (6.0, "y", (), "input")


def test_detach_takes_a_value():
    with pytest.raises(ConversionError) as caught:
        rustygrad.detach("3")
    assert str(caught.value) == "detach() takes a Value, not '3'"


# --- custom ---


def test_custom_makes_an_operation_of_a_users_own():
    cbrt = rustygrad.custom(
        lambda x: math.copysign(abs(x) ** (1 / 3), x), lambda g, out, x: g / (3 * out**2), "cbrt"
    )
    x = Value(8.0)
    y = cbrt(x)
    y.backward()
    assert (y.data, y._op, y._prev) == (2.0, "cbrt", (x,))
    assert x.grad == pytest.approx(1 / 12)
    assert repr(cbrt) == "<custom operation cbrt>"


def test_custom_takes_several_operands_and_numbers():
    fma = rustygrad.custom(
        lambda x, y, z: x * y + z, lambda g, out, x, y, z: [y * g, x * g, g], "fma"
    )
    x, z = values(2.0, 1.0)
    node = fma(x, 3, z)
    node.backward(2.0)
    assert (node.data, x.grad, z.grad) == (7.0, 6.0, 2.0)


def test_custom_of_numbers_alone_is_a_value_of_the_selected_backend():
    node = rustygrad.custom(math.floor, lambda g, out, x: 0.0)(2.5)
    assert (type(node), node.data, node._op) == (Value, 2.0, "floor")


def test_custom_takes_gradients_from_any_iterable_and_numpy():
    x = Value(2.0)
    rustygrad.custom(lambda x: x, lambda g, out, x: np.float64(3.0))(x).backward()
    rustygrad.custom(lambda x: x, lambda g, out, x: (g for _ in range(1)))(x).backward()
    rustygrad.custom(lambda x: x, lambda g, out, x: np.array(5.0))(x).backward()
    assert x.grad == 9.0


def test_custom_without_a_name_is_called_custom():
    class F:
        def __call__(self, x):
            return x

    assert repr(rustygrad.custom(F(), F())) == "<custom operation custom>"


@pytest.mark.parametrize(
    ("forward", "vjp", "text"),
    [
        (None, None, "custom() takes two functions, and forward is None"),
        (abs, None, "custom() takes two functions, and vjp is None"),
        (2.0, abs, "custom() takes two functions, and forward is an object of type 'float'"),
    ],
)
def test_custom_refuses_what_is_no_function(forward, vjp, text):
    with pytest.raises(ArgumentError) as caught:
        rustygrad.custom(forward, vjp)
    assert str(caught.value) == text


def test_custom_refuses_a_result_that_is_no_number():
    with pytest.raises(ConversionError) as caught:
        rustygrad.custom(lambda x: None, abs)(1.0)
    assert str(caught.value) == "a Value takes one real number, not None: pass 0.0 for nothing"


def test_custom_refuses_an_operand_that_is_no_number():
    with pytest.raises(ConversionError):
        rustygrad.custom(lambda x: 1.0, abs)("1")


@pytest.mark.parametrize(("grads", "count"), [((1.0, 2.0, 3.0), 3), (1.0, 1), (None, 1)])
def test_custom_refuses_gradients_of_another_number(grads, count):
    node = rustygrad.custom(lambda x, y: x, lambda *_: grads, "f")(Value(1.0), 2.0)
    with pytest.raises(LengthError) as caught:
        node.backward()
    assert str(caught.value) == f"the vjp of 'f' gave {count} gradients for 2 operands"


@pytest.mark.parametrize("grads", [None, "1", [None]])
def test_custom_refuses_a_gradient_that_is_no_number(grads):
    node = rustygrad.custom(lambda x: x, lambda *_: grads)(Value(1.0))
    with pytest.raises(ConversionError):
        node.backward()
