"""`explain(value)`: why is this number nan, inf, 0 or huge."""

import math

import pytest
import rustygrad
from hypothesis import given
from hypothesis import strategies as st
from rustygrad import Graph, Neuron, explain
from rustygrad.errors import ArgumentError, GraphError, MixedBackendsError
from rustygrad.explaining import Explanation
from rustygrad.ops import LEAF, OPS
from rustygrad.reference import Value

inf, nan = math.inf, math.nan


def way(found):
    """The data on the way."""
    return [step.node.data for step in found.steps]


# --- what it prints ---


def test_a_nan_is_explained_with_its_way_its_operands_a_reason_and_advice():
    x = Value(-0.5, label="x")
    loss = x.log() * 2.0
    loss.label = "loss"
    text = """\
loss is nan.

  %3 'loss'  = mul(%1, %2)  nan
  %1         = log(%0)      nan   <-- here
  %0 'x'     = input        -0.5

Why: log(-0.5) is nan: a negative number has no real logarithm.
What to do: keep the operand above 0, as rustygrad.maximum(x, 1e-12) does.
Note: source lines are shown of what is made inside `with rustygrad.anomaly(raises=False):`."""
    assert str(explain(loss)) == text
    assert repr(explain(loss)) == text


def test_lines_and_scopes_are_in_it_where_they_were_recorded():
    model = rustygrad.Layer(1, 1, nonlin=False, backend="python")
    source = "with rustygrad.anomaly(raises=False):\n    y = model([x])\n    z = y * 2\n"
    names = {"model": model, "x": Value(nan), "rustygrad": rustygrad, "__name__": "__main__"}
    exec(compile(source, "train.py", "exec"), names)
    lines = str(explain(names["z"])).splitlines()
    assert lines[2].endswith("nan  train.py:3")
    assert lines[3].endswith("nan  train.py:2 (neurons.0)")
    assert not any(line.startswith("Note:") for line in lines)


def test_the_middle_of_a_long_way_is_left_out():
    x = Value(nan)
    for _ in range(1000):
        x = -x
    found = explain(x)
    assert len(found.steps) == 1001
    assert len(str(found).splitlines()) < 20
    assert "... 991 more that hand it on ..." in str(found)


def test_a_long_way_needs_no_stack():
    x = Value(nan)
    for _ in range(20_000):
        x = x + x
    assert len(explain(x).steps) == 20_001


def test_a_line_is_not_left_out_for_another_one():
    x = Value(nan)
    for _ in range(10):
        x = -x
    assert "more that hand it on" not in str(explain(x))


def test_many_operands_do_not_fill_the_screen():
    text = str(explain(rustygrad.sum([Value(1e308) for _ in range(1000)])))
    assert "sum(%0, %1, %2, " in text
    assert max(map(len, text.splitlines())) < 200
    assert len(text.splitlines()) < 15


def test_a_number_that_is_fine_has_nothing_unusual():
    found = explain(Value(2.0) * 3.0)
    assert str(found) == "%2 is 6.\n\n  %2  = mul(%0, %1)  6\n\nWhy: nothing is unusual about it."
    assert (found.verdict, found.advice, found.notes, found.because) == ("fine", "", (), None)


def test_a_number_that_is_fine_tells_of_a_nan_below_that_did_not_reach_it():
    bad = Value(-1.0).sqrt()
    bad.label = "bad"
    found = explain(rustygrad.where(False, bad, 2.0))
    assert found.verdict == "fine"
    assert found.notes == (
        "numbers below it that are not finite: 1 (bad is nan); they did not reach it, "
        "and gradients may still come out nan there",
    )


def test_a_number_whose_gradient_is_not_finite_tells_how_to_ask_for_that():
    x = Value(0.0, label="x")
    x.sqrt().backward()
    note = "its gradient is inf; explain(value, of=root) says why"
    assert explain(x).notes == (note,)
    x.data = 1.0
    assert (explain(x).verdict, explain(x).notes) == ("fine", (note,))


def test_a_parameter_is_called_by_its_path():
    model = Neuron(1)
    model.w[0].data = math.nan
    found = explain(model([1.0]))
    assert "  %1 w.0  = parameter" in str(found)
    assert found.why.startswith("the parameter w.0 is nan")
    assert explain(model.w[0]).what == "w.0 is nan"


def test_a_step_shows_its_node_and_its_reason():
    found = explain(Value(0.0).log() * 2.0)
    assert repr(found.steps[0]) == "<step %3>"
    assert repr(found.steps[1]) == "<step %1: log(0) is -inf: the logarithm falls to -inf at 0>"


# --- whatever things are called ---


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("the loss é", "the loss é"),
        ("a\nb\x1b[31m", r"a\nb\x1b[31m"),
        ("\ud800", r"\ud800"),
        ("a\u2028b\u202e", r"a\u2028b\u202e"),
    ],
)
def test_a_label_is_shown_in_one_line_that_can_be_printed(label, shown):
    x = Value(nan, label=label)
    found = explain(x)
    assert found.what == f"{shown} is nan"
    assert found.why == f"the input {shown} is nan, a number as it was given"
    text = str(found)
    assert text.encode()
    assert len(text.splitlines()) == 6
    hidden = rustygrad.where(False, x, 2.0)
    assert f"1 ({shown} is nan)" in explain(hidden).notes[0]


def test_so_are_names_of_custom_operations_and_of_files():
    bad = rustygrad.custom(lambda x: nan, lambda g, out, x: g, "b\nd\ud800")
    names = {"z": Value(1.0), "bad": bad, "__name__": "__main__"}
    with rustygrad.anomaly(raises=False):
        exec(compile("y = bad(z)", "a\nb\udcff.py", "exec"), names)
    text = str(explain(names["y"]))
    assert text.encode()
    assert r"Why: b\nd\ud800(1) gave nan" in text
    assert r"nan  a\nb\udcff.py:1" in text
    assert len(text.splitlines()) == 7


# --- nan ---


def test_the_way_is_the_shortest():
    x = Value(nan, label="x")
    long = ((x + 1) + 1) + 1
    found = explain(long * (x * 2))
    assert [step.node.op.name for step in found.steps] == ["mul", "mul", "leaf"]


def test_a_nan_of_infinite_operands_is_followed_to_where_the_inf_was_made():
    a = Value(1000.0, label="a")
    loss = (a.exp() - a.exp() * 2) * 3
    found = explain(loss)
    assert found.verdict == "nan"
    assert [step.node.op.name for step in found.steps] == ["mul", "sub", "exp"]
    assert found.culprit.data == inf
    assert found.why == (
        "sub(inf, inf) is nan: inf - inf has no value; "
        "exp(1000) is inf: exp is larger than the largest float from 709.8 on"
    )
    assert found.advice.startswith("use log_softmax, logsumexp or sigmoid")


@pytest.mark.parametrize(
    ("leaf", "role", "advice"),
    [
        (Value(nan, label="x"), "input", "look at where the number comes from"),
        (rustygrad.nn.Layer(1, 1, backend="python").parameters()[0], "parameter", "look at the step before"),
    ],
)  # fmt: skip
def test_a_nan_that_came_in_is_named_by_its_role(leaf, role, advice):
    leaf.data = nan
    found = explain(leaf * 1.0)
    assert found.why.startswith(f"the {role} ")
    assert found.why.endswith(" is nan, a number as it was given")
    assert found.advice.startswith(advice)


def test_a_nan_of_a_custom_operation_is_its_own_codes():
    bad = rustygrad.custom(lambda x: nan, lambda g, out, x: g, "bad")
    found = explain(bad(Value(1.0)) * 2)
    assert found.why == "bad(1) gave nan, and only its own code knows why"


def test_a_nan_is_followed_through_a_custom_operation():
    double = rustygrad.custom(lambda x: 2 * x, lambda g, out, x: 2 * g, "double")
    found = explain(double(Value(nan, label="x")))
    assert found.culprit.label == "x"


def test_an_opaque_node_of_an_infinite_operand_is_not_excused():
    odd = rustygrad.custom(lambda x: nan, lambda g, out, x: g, "odd")
    found = explain(odd(Value(inf)))
    assert found.culprit.symbol == "odd"


def test_the_branch_that_was_not_taken_is_not_blamed():
    hidden, taken = Value(nan, label="hidden"), Value(nan, label="taken")
    assert explain(rustygrad.where(0.0, hidden, taken)).culprit.label == "taken"
    assert explain(rustygrad.where(nan, taken, hidden)).culprit.label == "taken"
    assert explain(rustygrad.maximum(Value(1.0), taken, hidden)).culprit.label == "taken"
    assert explain(rustygrad.minimum(Value(1.0), taken, hidden)).culprit.label == "taken"


def test_of_a_dot_the_product_that_is_nan_is_followed():
    harmless, harmful = Value(1000.0).exp(), Value(inf, label="harmful")
    found = explain(rustygrad.dot([harmless, Value(0.0)], [Value(2.0), harmful]))
    assert found.culprit.label == "harmful"


def test_a_dot_may_overflow_both_ways_by_itself():
    found = explain(rustygrad.dot([Value(1e200), 1e200], [1e200, -1e200]))
    assert found.culprit.op.name == "dot"
    assert found.why.endswith(
        "is nan: a part of the sum is larger than the largest float, 1.8e308, "
        "and inf and -inf have no sum"
    )
    assert found.advice == "scale the numbers down, or compute with their logarithms"


def test_a_sum_that_overflows_against_an_inf_is_both_and_the_inf_is_followed():
    found = explain(rustygrad.sum([Value(1e308), Value(1e308), Value(-inf, label="x")]))
    assert "a part of the sum is larger than the largest float" in found.why
    assert found.culprit.label == "x"


# --- inf and 0 ---


def test_an_inf_is_followed_to_the_division_by_0():
    found = explain((Value(1.0) / Value(0.0, label="y")) + 1)
    assert way(found) == [inf, inf]
    assert found.why == "div(1, 0) is inf: it divides by 0"


def test_a_0_is_followed_to_the_dead_relu():
    found = explain(Value(-3.0).relu() * 4.0)
    assert found.verdict == "zero"
    assert found.why == "relu(-3) is 0: relu is 0 of every negative number"


def test_a_0_is_followed_through_a_product_to_the_leaf():
    found = explain(Value(5.0) * Value(0.0, label="w"))
    assert found.culprit.label == "w"
    assert (found.why, found.advice) == ("the input w is 0, a number as it was given", "")


def test_a_0_out_of_a_division_by_inf_is_followed_to_the_inf():
    found = explain(1.0 / Value(1000.0).exp())
    assert [step.node.op.name for step in found.steps] == ["div", "exp"]


@pytest.mark.parametrize(
    ("make", "culprit"),
    [
        (lambda a, z: a - a, "sub"),
        (lambda a, z: rustygrad.sum([z, z]), "leaf"),
        (lambda a, z: rustygrad.sum([z, a, -a]), "sum"),
        (lambda a, z: rustygrad.dot([z, a], [a, z]), "leaf"),
        (lambda a, z: rustygrad.dot([z, a], [a, a], bias=-a * a), "dot"),
        (lambda a, z: z / a, "leaf"),
        (lambda a, z: rustygrad.maximum(z, -a), "leaf"),
        (lambda a, z: rustygrad.logsumexp([z]), "leaf"),
        (lambda a, z: rustygrad.logsumexp([z, a * -1e3]), "logsumexp"),
        (lambda a, z: (z + 1).log(), "log"),
        (lambda a, z: Value._backend.apply(OPS["greater"], [z, a]), "greater"),
    ],
)
def test_a_0_is_followed_where_operands_account_for_it(make, culprit):
    assert explain(make(Value(2.0), Value(0.0))).culprit.op.name == culprit


def test_an_operand_of_minus_inf_did_not_make_logsumexp_inf():
    large = Value(1e308) * 10
    found = explain(rustygrad.logsumexp([Value(0.0).log(), large * 1]))
    assert way(found) == [inf, inf, inf]
    assert found.why.startswith("mul(1e+308, 10) is inf: ")
    nothing = explain(rustygrad.logsumexp([Value(0.0).log(), Value(0.0).log()]))
    assert nothing.culprit.op.name == "log"


def test_an_operand_of_minus_inf_did_not_make_logsumexp_0():
    found = explain(rustygrad.logsumexp([Value(0.0).log(), Value(0.0)]))
    assert found.culprit.op.name == "logsumexp"


def test_a_sum_that_overflows_on_the_way_is_not_called_too_large_itself():
    found = explain(rustygrad.mean([Value(1e308), Value(1e308)]))
    assert found.why.endswith("is inf: a part of the sum is larger than the largest float, 1.8e308")


def test_of_several_zeros_the_one_that_was_made_is_the_way_and_the_others_are_noted():
    w, zero = Value(2.0), Value(0.0, label="zero")
    found = explain(zero + (w * -1).relu() * 3 + Value(0.0))
    assert [step.node.op.name for step in found.steps] == ["add", "add", "mul", "relu"]
    assert found.notes[0] == "operands beside the way that are 0 as well: %8, zero"
    many = explain(rustygrad.sum([Value(0.0) for _ in range(9)]))
    assert many.notes[0] == "operands beside the way that are 0 as well: %1, %2, %3 and 5 more"


def test_a_0_of_a_dot_has_a_0_in_each_of_its_products():
    zero, small = Value(0.0), Value(1e-200)
    found = explain(rustygrad.dot([zero, small], [Value(1.0), small]))
    assert found.culprit.op.name == "dot"
    assert found.why.endswith("is 0: the result is smaller than the smallest float, 4.9e-324")


def test_a_0_that_was_set_is_not_followed_to_an_inf():
    y = Value(2.0).log() * Value(inf)
    y.data = 0.0
    assert explain(y).culprit.op.name == "mul"


# --- huge ---


def test_a_huge_number_is_followed_to_the_operation_that_multiplied_most():
    x = Value(20.0)
    found = explain((x.exp() * 2.0) + 1.0)
    assert found.verdict == "huge"
    assert found.culprit.op.name == "exp"
    assert found.why == (
        "exp(20) is 4.85165e+08, 2.42583e+07 times %0, and no other step on the way did more to make it huge"
    )


def test_a_huge_leaf_is_named():
    found = explain(Value(3e9, label="x") * 0.5)
    assert found.why == "the input x is 3e+09, a number as it was given"


def test_a_number_that_grew_evenly_has_no_single_culprit():
    x = Value(1.0)
    for _ in range(30):
        x = x * 2.0
    found = explain(x)
    assert found.why == "it grew in 29 steps from 2 on, and none of them stands out"
    assert len(found.steps) == 30
    assert not any(step.why for step in found.steps)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda x: (x * 1e30).tanh() / 1e-9, "div(1, 1e-09) is 1e+09, 1e+09 times %3, and"),
        (lambda x: (x * 20).exp() / 1e-9, "exp(20) is 4.85165e+08, 2.42583e+07 times %2, and"),
        (lambda x: rustygrad.dot([x * 1e9, x * 3e3], [x * 1e-9, 3e3]), "dot(1e+09, 1e-09, 3000, "),
        (
            lambda x: rustygrad.logsumexp([x * -1e9, x / 5e-7]),
            "div(1, 5e-07) is 2e+06, 2e+06 times",
        ),
    ],
)
def test_a_huge_number_is_blamed_on_the_step_that_made_it_huge(make, why):
    assert why in explain(make(Value(1.0))).why


def doubled(x, times):
    for _ in range(times):
        x = x + x
    return x


def test_what_is_below_a_number_that_is_not_huge_does_not_matter():
    found = explain(doubled(Value(1e30).tanh(), 30))
    assert found.why == "it grew in 30 steps from 1 on, and none of them stands out"
    assert found.culprit.op.name == "tanh"


def test_from_small_to_one_is_no_growth():
    found = explain(doubled(Value(1e-300).exp(), 30))
    assert found.why == "it grew in 30 steps from 1 on, and none of them stands out"


def test_a_step_that_made_much_more_of_what_was_huge_already_is_named():
    found = explain(doubled(Value(1.0), 21) / 1e-9)
    assert found.why == (
        "div(2.09715e+06, 1e-09) is 2.09715e+15, 1e+09 times %21, and no other step on the way "
        "did more to make it huge"
    )


def test_a_huge_number_may_come_out_of_0():
    found = explain(Value(0.0, label="x").cos(), huge=0.5)
    assert (
        found.why
        == "cos(0) is 1, though x is 0, and no other step on the way did more to make it huge"
    )
    assert explain(Value(inf).tanh(), huge=0.5).why == (
        "tanh(inf) is 1: none of its operands is a finite number"
    )


def test_a_small_number_that_was_set_to_0_is_not_blamed_on_the_operation():
    y = Value(1e-10) * 1e-10
    y.data = 0.0
    assert explain(y).why.startswith("mul(1e-10, 1e-10) gives 1e-20 now, and %2 holds 0: ")


def test_a_huge_dot_whose_operands_were_changed_is_followed_to_them():
    x, y = Value(2.0), Value(3.0)
    z = rustygrad.dot([x, y], [5e6, 0.0])
    x.data = inf
    y.data = -inf
    assert "data was changed" in explain(z).why


def test_a_huge_number_that_was_set_is_not_blamed_on_the_operation():
    y = Value(3.0) * 2.0
    y.data = 1e9
    assert explain(y * 2).why == (
        "mul(3, 2) gives 6 now, and %2 holds 1e+09: data was changed after it was computed"
    )


def test_huge_is_what_you_call_huge():
    assert explain(Value(5.0) * 5.0).verdict == "fine"
    assert explain(Value(5.0) * 5.0, huge=20).verdict == "huge"


def test_a_huge_number_of_a_custom_operation_is_followed():
    big = rustygrad.custom(lambda x: 1e9 * x, lambda g, out, x: 1e9 * g, "big")
    assert explain(big(Value(2.0))).culprit.symbol == "big"


def test_a_huge_number_out_of_an_infinite_operand_ends_there():
    odd = rustygrad.custom(lambda x: 1e9, lambda g, out, x: 0.0, "odd")
    found = explain(odd(Value(inf)))
    assert found.why == "odd(inf) gave 1e+09, and only its own code knows why"


# --- changed data ---


def test_a_number_that_was_set_is_not_blamed_on_the_operation():
    y = Value(3.0, label="x") * 2.0
    y.data = nan
    found = explain(y + 1)
    assert (
        found.why
        == "mul(3, 2) gives 6 now, and %2 holds nan: data was changed after it was computed"
    )


def test_a_number_on_the_way_that_was_changed_is_noted():
    middle = -Value(inf, label="x")
    y = -middle
    middle.data = inf
    found = explain(y)
    assert found.culprit.label == "x"
    assert found.notes[0] == (
        "neg(inf) gives -inf now, and %2 holds inf: data was changed after it was computed"
    )


# --- what it takes ---


def test_a_node_of_a_graph_is_explained_too(tmp_path):
    with rustygrad.anomaly(raises=False):
        y = Value(-1.0).log() * 2.0
    graph = Graph.capture(y)
    graph.save(tmp_path / "g.json")
    loaded = Graph.load(tmp_path / "g.json")
    assert str(explain(loaded[loaded.outputs[0]])) == str(explain(y))


@pytest.mark.parametrize("value", [3.0, None, "x", [Value(1.0)]])
def test_something_else_is_refused(value):
    with pytest.raises(GraphError, match=r"explain\(\) takes a Value or a node of a graph, not "):
        explain(value)
    with pytest.raises(GraphError):
        explain(Value(1.0), of=value if value is not None else 1)


@pytest.mark.parametrize("huge", [0, -1.0, nan, "much", None])
def test_a_size_that_is_none_is_refused(huge):
    with pytest.raises(ArgumentError, match="huge from a size above 0 on, not "):
        explain(Value(1.0), huge=huge)


def test_values_of_two_backends_are_refused():
    class Stranger:
        data = 1.0

    class Other:
        name = "other"
        Value = Stranger

    Stranger._backend = Other()
    with pytest.raises(MixedBackendsError):
        explain(Value(1.0), of=Stranger())


# --- random programs ---

SAFE = [
    OPS[name]
    for name in ("add", "sub", "mul", "neg", "tanh", "sigmoid", "sin", "sum", "mean", "dot")
]


@st.composite
def programs(draw, planted):
    """A root over random operations that stay finite, and one leaf that is not."""
    nodes = [Value(draw(st.floats(-2.0, 2.0))) for _ in range(3)]
    nodes.append(Value(planted, label="planted"))
    for _ in range(draw(st.integers(1, 12))):
        op = draw(st.sampled_from(SAFE))
        count = op.arity or draw(st.integers(1, 4))
        picked = [nodes[draw(st.integers(0, len(nodes) - 1))] for _ in range(count)]
        nodes.append(Value._backend.apply(op, picked))
    return nodes[-1]


def distances(graph, test):
    """For each node that passes, the steps down to a leaf that passes, through such nodes."""
    found = {}
    for i in range(len(graph)):
        if not test(graph.data[i]):
            continue
        below = [found[j] for j in graph.operands_of(i) if j in found]
        if graph[i].op is LEAF:
            found[i] = 0
        elif below:
            found[i] = 1 + min(below)
    return found


@given(programs(nan))
def test_a_planted_nan_is_found_by_the_shortest_way(root):
    found = explain(root)
    if math.isnan(root.data):
        assert found.culprit.label == "planted"
        graph = Graph.capture(root)
        assert len(found.steps) - 1 == distances(graph, math.isnan)[graph.outputs[0]]
    else:
        assert found.verdict in ("fine", "zero")


@given(programs(-inf))
def test_a_planted_inf_is_found_whatever_it_became(root):
    found = explain(root)
    if not math.isfinite(root.data):
        assert found.culprit.label == "planted"
    assert isinstance(found, Explanation)
    assert str(found).count("\n") >= 4


@given(programs(1e9))
def test_every_step_is_an_operand_of_the_one_before(root):
    found = explain(root)
    for above, below in zip(found.steps, found.steps[1:], strict=False):
        assert below.node in above.node.operands


@pytest.mark.parametrize("huge", [10**400, True, 0.0, "x"])
def test_huge_is_a_number_above_zero(huge):
    with pytest.raises(
        ArgumentError, match="explain\\(\\) calls a number huge from a size above 0 on"
    ):
        explain(Value(1.0), huge=huge)
