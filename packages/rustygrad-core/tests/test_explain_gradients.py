"""`explain(value, of=root)`: why is this gradient nan, inf, 0 or huge."""

import math
import random

import pytest
import rustygrad
from hypothesis import given
from hypothesis import strategies as st
from rustygrad import Graph, explain
from rustygrad.errors import GraphError
from rustygrad.ops import OPS
from rustygrad.reference import Value

inf, nan = math.inf, math.nan


def backward(root, grad=1.0):
    root.backward(grad)
    return root


def names(found):
    return [step.node.label or step.node.op.name for step in found.steps]


# --- what it prints ---


def test_a_dead_relu_is_explained_with_the_way_of_the_gradient():
    w = Value(1.0, label="w")
    loss = backward((w * 3.0 - 10.0).relu() * 2.0)
    assert (
        str(explain(w, of=loss))
        == """\
The gradient of w is 0.

  %0 'w'  = input        data 1   grad 0
  %2      = mul(%0, %1)  data 3   grad 0
  %4      = sub(%2, %3)  data -7  grad 0
  %5      = relu(%4)     data 0   grad 2  <-- here

Why: relu(-7) got the gradient 2 and handed 0 on: relu hands nothing on where its operand is not above 0.
What to do: lower the learning rate, start from other weights, or let it leak: maximum(x, 0.01 * x).
Note: source lines are shown of what is made inside `with rustygrad.anomaly(raises=False):`."""
    )


def test_a_forward_pass_that_was_not_finite_is_explained_below():
    x = Value(-2.0, label="x")
    loss = backward(x.log() * x)
    found = explain(x, of=loss)
    assert (found.verdict, found.advice) == ("nan", "")
    assert found.because.what == "%1 is nan"
    assert str(found.because) in str(found)
    assert str(found).count("What to do") == 1
    assert str(found).count("Note") == 1


def test_a_gradient_that_is_fine_has_nothing_unusual():
    a = Value(3.0, label="a")
    found = explain(a, of=backward(a * a))
    assert (found.verdict, found.why) == ("fine", "nothing is unusual about it")


# --- there is none of this root ---


@pytest.mark.parametrize("cut", [rustygrad.detach, lambda p: Value(p.data), lambda p: 1.0])
def test_a_root_that_does_not_depend_on_it_is_named(cut):
    p = Value(2.0, label="p")
    loss = cut(p) * Value(3.0)
    loss.label = "loss"
    loss.backward()
    found = explain(p, of=loss)
    assert (found.verdict, found.why) == ("unconnected", "loss does not depend on it")
    assert "detach()" in found.advice


def test_a_root_that_it_depends_on_is_not_its_root():
    a = Value(2.0)
    b = backward(a * 3.0)
    assert explain(b, of=a).verdict == "unconnected"


def test_backward_that_has_not_run_is_named():
    p = Value(2.0)
    found = explain(p, of=p * 3.0)
    assert found.verdict == "not run"
    assert found.advice == "call backward() on it, from a gradient that is not 0"


def test_backward_from_0_is_not_told_from_one_that_has_not_run():
    p = Value(2.0)
    loss = backward(p * 3.0, 0.0)
    for x in (p, loss):
        found = explain(x, of=loss)
        assert found.verdict == "not run"
        assert found.why == (
            "backward of %2 has not run, or started from the gradient 0: its own gradient is 0"
        )


def test_a_gradient_that_was_reset_is_named():
    p = Value(2.0, label="p")
    loss = backward(p * 3.0)
    p.grad = None
    found = explain(p, of=loss)
    assert found.verdict == "stale"
    assert found.why == (
        "backward of %2 hands p 3, and it holds 0: it was reset after backward, or data was changed"
    )


OF_ANOTHER = "the rest is of another backward, or was set, or data was changed"


def test_what_was_in_a_gradient_before_is_named():
    p = Value(2.0, label="p")
    p.grad = nan
    found = explain(p, of=backward(p * 3.0))
    assert found.verdict == "stale"
    assert found.why.endswith(f"and it holds nan: {OF_ANOTHER}")
    assert found.advice == "call zero_grad() before backward(), unless gradients are to add up"


def test_a_gradient_of_two_backward_passes_is_named():
    a = Value(3.0, label="a")
    loss = backward(backward(a * a))
    found = explain(a, of=loss)
    assert found.verdict == "stale"
    assert found.why == f"backward of %1 hands a 6, and it holds 12: {OF_ANOTHER}"


def test_so_is_one_of_two_roots():
    a = Value(3.0, label="a")
    one, two = backward(a * a), backward(a * 2.0)
    assert "hands a 6, and it holds 8" in explain(a, of=one).why
    assert "hands a 2, and it holds 8" in explain(a, of=two).why


def test_where_a_gradient_of_several_is_huge_the_way_matters_more():
    x = Value(1e-9, label="x")
    loss = backward(backward(x.log()))
    found = explain(x, of=loss)
    assert (found.verdict, names(found)) == ("huge", ["x", "log"])
    assert found.notes[0] == f"backward of %1 hands x 1e+09, and it holds 2e+09: {OF_ANOTHER}"


def test_data_that_was_changed_after_backward_is_named():
    a = Value(3.0, label="a")
    loss = backward(a * a)
    a.data = 100.0
    found = explain(a, of=loss)
    assert found.verdict == "stale"
    assert found.why == (
        "backward of %1 hands a 200, and it holds 6: mul(100, 100) gives 10000 now, and %1 "
        "holds 9: data was changed after it was computed"
    )
    assert found.advice == "call explain before you change data"


@pytest.mark.parametrize("off", [1.0 + 1e-15, 1.0 - 1e-15])
def test_last_places_make_no_gradient_stale(off):
    a = Value(3.0)
    loss = backward(a * a)
    a.grad *= off
    assert explain(a, of=loss).verdict == "fine"
    cancelling = backward(a.tanh() - a.tanh())
    a.grad = 1e-17
    assert explain(a, of=cancelling).verdict == "tiny"


def test_where_uses_were_cut_off_nothing_is_called_stale():
    a = Value(3.0, label="a")
    loss = backward(a * (a * a))
    graph = Graph.capture(loss)
    part = graph.slice(graph.outputs[0], depth=1)
    assert part.find("a").grad == 27.0
    assert explain(part.find("a"), of=part.outputs[0]).verdict == "fine"
    part = graph.slice(graph.find("a"), graph.outputs[0], depth=0)
    assert explain(part.find("a"), of=part.outputs[1]).why == (
        "… * does not depend on it, in this part of the graph"
    )


def test_a_gradient_that_came_from_what_was_cut_off_is_told():
    a = Value(0.0, label="a")
    graph = Graph.capture(backward(a + (a.sqrt() - a.sqrt())))
    part = graph.slice(graph.outputs[0], depth=1)
    found = explain(part.find("a"), of=part.outputs[0])
    assert found.verdict == "nan"
    assert found.why == "what hands a this gradient is not in this part of the graph"


def test_a_finite_gradient_that_has_to_be_infinite_is_stale():
    x = Value(0.0, label="x")
    loss = backward(x.sqrt())
    x.grad = 3.0
    assert explain(x, of=loss).verdict == "stale"


def test_an_inner_gradient_that_was_set_is_named():
    p = Value(2.0, label="p")
    q = p * 1.0
    double = rustygrad.custom(lambda x: x, lambda g, out, x: g, "own")
    loss = backward(q * 3.0 + double(p))
    q.grad = p.grad = nan
    found = explain(p, of=loss)
    assert found.why.startswith("own(2) got the gradient 1 and handed nan on")
    assert found.notes[0] == (
        "backward of %6 hands %2 3, and it holds nan: another backward went through it, "
        "or it was set, or data was changed"
    )


def test_a_root_is_told_apart_from_another_one_that_went_through_the_same_nodes():
    a = Value(3.0, label="a")
    shared = a * 2
    one, other = shared * shared, shared + 1
    one.backward()
    a.grad = 0.0
    other.backward()
    assert explain(a, of=other).verdict == "fine"
    found = explain(a, of=one)
    assert found.verdict == "stale"
    assert "hands a 24, and it holds 2: " in found.why


def test_gradients_that_nearly_cancel_are_called_that():
    a = Value(1e16, label="a")
    found = explain(a, of=backward(a * 1.0000000000000002 - a))
    assert found.why == (
        "a adds up 2 gradients, which makes 2.22045e-16 times the largest: they nearly cancel"
    )
    assert found.advice == ""


def test_a_leaf_that_stands_for_several_and_has_no_name_is_called_by_its_index():
    graph = Graph.capture(backward(rustygrad.mean([Value(float(i)) for i in range(6)])))
    small = graph.collapse()
    assert explain(small[0], of=small[-1]).what == "The gradient of %0 × 6 is 0.166667"


# --- where it was made ---


def test_the_root_itself_may_have_started_from_it():
    p = Value(2.0)
    loss = backward(p * 3.0, nan)
    found = explain(p, of=loss)
    assert found.why == "backward of %2 started from the gradient nan"
    assert explain(loss, of=loss).verdict == "nan"


def test_a_gradient_of_the_root_is_what_backward_was_given():
    loss = backward(Value(2.0) * 3.0)
    assert explain(loss, of=loss).verdict == "fine"
    assert explain(backward(loss, inf), of=loss).verdict == "inf"


def test_the_steep_root_at_0():
    x = Value(0.0, label="x")
    found = explain(x, of=backward(x.sqrt() * 2.0))
    assert found.verdict == "inf"
    assert found.why == (
        "sqrt(0) got the gradient 2 and handed inf on: the operation is infinitely steep at 0"
    )


def test_a_branch_that_is_not_taken_still_makes_nan():
    x = Value(0.0, label="x")
    found = explain(x, of=backward(rustygrad.where(False, x.sqrt(), x)))
    assert names(found) == ["x", "sqrt"]
    assert found.why == (
        "sqrt(0) got the gradient 0 and handed nan on: 0 * inf has no value, "
        "and the operation is infinitely steep at 0"
    )
    assert found.advice.startswith("make the operand safe before the operation")


def test_a_nan_that_where_hides_is_told_with_the_advice_for_where():
    x = Value(-1.0, label="x")
    found = explain(x, of=backward(rustygrad.where(False, x.sqrt(), x)))
    assert found.because.why == "sqrt(-1) is nan: a negative number has no real square root"
    assert str(found).count("What to do") == 1
    assert "where(c, x, 1.0).log()" in str(found)


def test_an_infinite_gradient_times_0_is_followed_to_where_it_became_infinite():
    x = Value(0.0, label="x")
    found = explain(x, of=backward((x * 0.0).sqrt()))
    assert found.verdict == "nan"
    assert names(found) == ["x", "mul", "sqrt"]
    assert found.why == (
        "mul(0, 0) got the gradient inf and handed nan on: 0 * inf has no value, and the "
        "derivative is the other factor, and that is 0; sqrt(0) got the gradient 1 and handed "
        "inf on: the operation is infinitely steep at 0"
    )
    assert [bool(step.why) for step in found.steps] == [False, True, True]


def test_an_infinite_root_times_0_is_followed_to_the_root():
    x = Value(1.0)
    loss = backward(x * 0.0, inf)
    found = explain(x, of=loss)
    assert found.why.endswith("; backward of %2 started from the gradient inf")
    assert found.steps[-1].why.startswith("mul(1, 0) got the gradient inf")


def test_opposite_infinities_have_no_sum():
    x = Value(0.0)
    found = explain(x, of=backward(x.sqrt() - x.sqrt()))
    assert found.why == "the gradients that %0 gets are -inf + inf: inf and -inf have no sum"


def test_beside_a_sum_of_gradients_stands_what_handed_them_on():
    product = Value(0.0) * Value(5.0)
    found = explain(product, of=backward(product.sqrt() - product.sqrt()))
    assert [x.op.name for x in found.steps[0].beside] == ["sqrt", "sqrt"]
    assert "leaf" not in str(found)
    assert "input" not in str(found)


def test_of_a_product_the_other_factor_is_what_was_not_finite():
    x, y = Value(inf, label="x"), Value(-1.0).log()
    y.label = "y"
    assert explain(x, of=backward(x * y)).because.what == "y is nan"
    assert explain(y, of=backward(x * y)).because.what == "x is inf"


def test_a_gradient_that_only_the_users_code_knows_a_part_of_is_shown_with_a_gap():
    own = rustygrad.custom(lambda x: x, lambda g, out, x: -3.0 * g, "own")
    x = Value(1.0)
    found = explain(x, of=backward(own(x) + x * 3.0))
    assert found.why == "the gradients that %0 gets are 3 + ?: they cancel"


def test_beside_a_dot_stands_the_factor_that_matters():
    x, zero = Value(1.0), Value(0.0, label="zero")
    others = [Value(7.0) for _ in range(9)]
    found = explain(x, of=backward(rustygrad.dot([*others, x], [*others, zero])))
    assert [node.label for node in found.steps[-1].beside] == ["zero"]
    assert "data 7" not in str(found)


def test_a_sum_of_gradients_may_be_too_large():
    x = Value(1.0)
    found = explain(x, of=backward(x * 1e308 + x * 1e308))
    assert found.why.endswith("their sum is larger than the largest float, 1.8e308")


def test_gradients_that_cancel_are_told():
    x = Value(5.0, label="x")
    found = explain(x, of=backward(x - x))
    assert found.why == "the gradients that x gets are 1 + -1: they cancel"


def test_all_uses_of_a_dead_weight_are_counted():
    w = Value(1.0)
    loss = backward(rustygrad.sum([(w * -x).relu() for x in (1.0, 2.0, 3.0)]))
    assert "it is used in 3 places, and each of them hands 0 on" in explain(w, of=loss).notes


def test_the_shortest_way_is_taken():
    w = Value(-1.0, label="w")
    loss = backward(((w + 0.0) + 0.0).relu() + w.relu())
    assert names(explain(w, of=loss)) == ["w", "relu"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda x: (x * 30.0).tanh(), "tanh is saturated: it is flat at -1 and 1"),
        (lambda x: (x * 800.0).sigmoid(), "sigmoid is saturated: it is flat at 0 and 1"),
        (lambda x: rustygrad.maximum(x, 5.0), "another operand was chosen, and that one takes all"),
        (lambda x: rustygrad.minimum(x, -5.0), "another operand was chosen"),
        (lambda x: rustygrad.where(True, 1.0, x), "the other branch was taken"),
        (lambda x: rustygrad.where(x, 1.0, 2.0), "the condition only chooses"),
        (lambda x: x * 0.0, "the derivative is the other factor, and that is 0"),
        (lambda x: rustygrad.dot([x, 1.0], [0.0, 1.0]), "the derivative is the other factor"),
        (lambda x: rustygrad.logsumexp([x, 1000.0]), "another operand is so much larger"),
    ],
)
def test_a_zero_gradient_names_what_stopped_it(make, reason):
    x = Value(1.0)
    assert f"handed 0 on: {reason}" in explain(x, of=backward(make(x))).why


# --- the user's own code ---


def test_a_vjp_that_gives_nan_is_named():
    bad = rustygrad.custom(lambda x: x, lambda g, out, x: nan, "bad")
    x = Value(1.0)
    found = explain(x, of=backward(bad(x) * 2.0))
    assert found.why == "bad(1) got the gradient 2 and handed nan on, which only its own code knows"


def test_a_node_without_a_backward_is_named():
    x = Value(1.0)
    loss = backward(Value(2.0, (x,), "mine") * 3.0)
    found = explain(x, of=loss)
    assert found.why == "mine(1) got the gradient 3 and handed 0 on, which only its own code knows"
    assert found.advice.endswith("without one, nothing is handed on")


def test_known_operations_are_blamed_before_the_users_code():
    own = rustygrad.custom(lambda x: x, lambda g, out, x: g, "own")
    x = Value(0.0)
    assert names(explain(x, of=backward(own(x) + x.sqrt()))) == ["leaf", "sqrt"]


def test_a_nan_is_followed_through_the_users_code():
    own = rustygrad.custom(lambda x: x, lambda g, out, x: g, "own")
    x = Value(1.0)
    found = explain(x, of=backward(own(x) * 2.0, nan))
    assert names(found) == ["leaf", "opaque", "mul"]


def test_a_huge_gradient_of_the_users_code_ends_there():
    own = rustygrad.custom(lambda x: x, lambda g, out, x: 1e9 * g, "own")
    x = Value(1.0, label="x")
    found = explain(x, of=backward(own(x)))
    assert found.why == "x is used by your own code alone"


# --- huge and tiny ---


def test_a_huge_gradient_above_the_users_code_is_followed_to_it():
    own = rustygrad.custom(lambda x: x, lambda g, out, x: 1e9 * g, "own")
    x = Value(1.0, label="x")
    found = explain(x, of=backward(own(x * 1.0)))
    assert found.why == "%2 is used by your own code alone"


def test_a_huge_gradient_names_the_operation_that_multiplied_most():
    x = Value(1e-9, label="x")
    found = explain(x, of=backward((x.log() * 2.0) + 1.0))
    assert found.verdict == "huge"
    assert found.why == (
        "log(1e-09) multiplied the gradient by 1e+09, "
        "and no other step on the way did more to make it huge"
    )


def test_what_was_lost_again_has_made_no_gradient_huge():
    x = Value(1.0, label="x")
    found = explain(x, of=backward(x * 1e13 * 1e-20 * 1e15))
    assert found.why.startswith("mul(1, 1e+13) multiplied the gradient by 1e+13, ")


def test_a_huge_gradient_may_be_a_sum_of_many():
    x = Value(1.0, label="x")
    found = explain(x, of=backward(rustygrad.sum([x] * 200)), huge=100)
    assert found.why == "x adds up 200 gradients, which makes 200 times the largest"


def test_a_gradient_that_grew_evenly_has_no_single_culprit():
    x = Value(1.0)
    y = x
    for _ in range(30):
        y = y * 2.0
    found = explain(x, of=backward(y))
    assert found.why == "it came through 30 operations, and none of them stands out"


def test_a_huge_start_is_named():
    x = Value(1.0)
    found = explain(x, of=backward(x * 2.0, 1e9))
    assert found.why == "backward of %2 started from the gradient 1e+09"


def test_a_tiny_gradient_names_the_operation_that_is_saturated():
    x = Value(15.0)
    found = explain(x, of=backward((x * 1.0).tanh()))
    assert found.verdict == "tiny"
    assert found.why.startswith("tanh(15) multiplied the gradient by 3.74367e-13, ")


def test_a_gradient_that_vanished_evenly_has_no_single_culprit():
    x = Value(0.0)
    y = x
    for _ in range(30):
        y = y.sigmoid()
    found = explain(x, of=backward(y))
    assert found.verdict == "tiny"
    assert "it came through 30 operations, and none of them stands out" in found.why


# --- changed data, nodes of graphs ---


def test_a_step_of_an_optimiser_after_backward_is_noted():
    w = Value(3.0, label="w")
    loss = backward((w * 2.0 - 10.0).relu())
    w.data = 2.5
    assert explain(w, of=loss).notes[0] == (
        "mul(2.5, 2) gives 5 now, and %2 holds 6: data was changed after it was computed"
    )


def test_nodes_of_a_graph_are_explained_too():
    w = Value(-1.0, label="w")
    other, loss = Value(1.0), backward(w.relu() * 2.0)
    graph = Graph.capture(loss, other * w)
    found = explain(graph.find("w"), of=graph.outputs[0])
    assert str(found) == str(explain(graph.find("w"), of=graph[graph.outputs[0]]))
    assert found.verdict == "zero"
    assert explain(graph[graph.outputs[0]], of=graph.outputs[1]).verdict == ("unconnected")
    with pytest.raises(GraphError, match="capture it among the roots"):
        explain(graph.find("w"), of=loss)


def test_a_long_way_needs_no_stack():
    x = y = Value(1.0)
    for _ in range(20_000):
        y = -y
    found = explain(x, of=backward(y * 0.0))
    assert (len(found.steps), found.culprit.op.name) == (20_002, "mul")


# --- random programs ---

OPERATIONS = [op for op in OPS.values() if not op.mask and op.name != "where"]


@st.composite
def programs(draw):
    numbers = st.sampled_from([0.0, 1.0, -2.0, 0.5, 800.0, 1e200, -1e-200, 20.0])
    nodes = [Value(draw(numbers)) for _ in range(3)]
    for _ in range(draw(st.integers(1, 8))):
        op = draw(st.sampled_from(OPERATIONS))
        count = op.arity or draw(st.integers(1, 4))
        picked = [nodes[draw(st.integers(0, len(nodes) - 1))] for _ in range(count)]
        exponent = draw(st.sampled_from([2.0, -1.0, 0.5])) if op.attribute else None
        nodes.append(Value._backend.apply(op, picked, exponent))
    return nodes


@given(programs())
def test_every_gradient_is_explained_along_users(nodes):
    root = backward(nodes[-1])
    for leaf in nodes[:3]:
        found = explain(leaf, of=root)
        number = leaf.grad
        expected = {
            "nan": math.isnan(number), "inf": math.isinf(number), "zero": number == 0.0,
            "unconnected": number == 0.0,
        }  # fmt: skip
        assert expected.get(found.verdict, math.isfinite(number) and number != 0.0), found
        for below, above in zip(found.steps, found.steps[1:], strict=False):
            assert below.node in above.node.operands
        assert str(found)


@given(st.integers(0, 2**32))
def test_a_model_with_a_planted_dead_layer_names_it(seed):
    random.seed(seed)
    model = rustygrad.MLP(2, [3, 3, 1], backend="python")
    for neuron in model.layers[1].neurons:
        neuron.b.data = -100.0
    loss = backward((model([1.0, -1.0]) - 1.0) ** 2.0)
    culprit = explain(model.layers[0].neurons[0].w[0], of=loss).culprit
    assert culprit.op.name == "relu"
    assert culprit.scope.startswith("layers.")
