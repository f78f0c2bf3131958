"""What repeats in a graph, drawn once."""

import math
import pickle
import random

import pytest
import rustygrad
from rustygrad import MLP, Graph
from rustygrad.building import Builder
from rustygrad.errors import GraphError
from rustygrad.ops import OPAQUE, SUM
from rustygrad.reference import Value


def batch(samples=5):
    """The loss of a 2-3-1 network over a batch, as one writes it."""
    random.seed(3)
    model = MLP(2, [3, 1], backend="python")
    inputs = [[Value(random.random()) for _ in range(2)] for _ in range(samples)]
    scores = [model(x) for x in inputs]
    losses = [(1 + -random.choice([-1, 1]) * score).relu() for score in scores]
    loss = sum(losses) * (1.0 / samples) + 1e-4 * sum(p * p for p in model.parameters())
    loss.backward()
    return Graph.capture(loss, names=locals())


def shapes(graph):
    """The nodes with operations, as pictures show them."""
    return [n.symbol for n in graph if not n.role]


def test_the_samples_of_a_batch_and_the_neurons_of_a_layer_are_drawn_once():
    graph = batch().collapse().verify()
    assert shapes(graph) == [
        "dot × 3 × 5", "ReLU × 3 × 5", "dot × 5", "* × 5", "+ × 5", "ReLU × 5", "+", "*",
        "* × 9", "* × 4", "+", "*", "+",
    ]  # fmt: skip


def test_layers_and_inputs_stay_apart():
    titles = [n.title for n in batch().collapse() if n.role in ("parameter", "input")]
    assert titles == [
        "model.layers.1.neurons.0.b",
        "model.layers.1.neurons.0.w.* × 3",
        "model.layers.0.neurons.*.b × 3",
        "model.layers.0.neurons.*.w.* × 6",
        "inputs[*][*] × 10",
    ]


def test_a_collapsed_graph_says_in_which_modules_its_nodes_were_made():
    scopes = [n.scope for n in batch().collapse() if not n.role]
    assert scopes[:3] == ["layers.0.neurons.*", "layers.0.neurons.*", "layers.1.neurons.0"]


def test_labels_that_differ_in_numbers_alone_are_drawn_together():
    assert [n.label for n in batch().collapse() if n.label[:6] in ("scores", "losses")] == [
        "scores[*]", "losses[*]",
    ]  # fmt: skip


def test_modules_are_drawn_once_after_folding():
    assert shapes(batch().fold().collapse())[:2] == [
        "layers.0.neurons.* × 3 × 5", "layers.1.neurons.0 × 5",
    ]  # fmt: skip
    assert shapes(batch().fold(1).collapse())[0] == "layers × 5"


def test_all_nodes_are_counted():
    graph = batch()
    small = graph.collapse()
    inside = 3 + 11  # of the two chains of +, which sum() makes
    assert sum(math.prod(n.repeats) for n in small) == len(graph) - inside


def test_a_merged_node_has_the_numbers_of_the_first():
    graph = batch()
    small = graph.collapse()
    first = next(n for n in graph if n.symbol == "dot")
    merged = next(n for n in small if n.symbol.startswith("dot"))
    assert (merged.data, merged.grad) == (first.data, first.grad)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_merged_node_shows_the_first_number_that_is_not_finite(odd):
    xs = [Value(float(i)) for i in range(5)]
    xs[3].data, xs[4].data, xs[2].grad = odd, -math.inf, odd
    merged = Graph.capture(rustygrad.sum(xs)).collapse()[0]
    assert repr((merged.data, merged.grad)) == repr((odd, odd))


def test_a_network_in_single_operations_collapses_as_one_of_dots_does():
    random.seed(1)
    xs = [Value(random.random()) for _ in range(4)]
    outs = []
    for _ in range(3):
        ws = [Value(random.random()) for _ in range(4)]
        outs.append(sum((w * x for w, x in zip(ws, xs, strict=True)), Value(0.0)).tanh())
    graph = Graph.capture(rustygrad.sum(outs)).collapse()
    assert shapes(graph) == ["* × 12", "+ × 3", "tanh × 3", "sum"]


def test_counts_add_up_when_nodes_are_drawn_together_again():
    graph = Graph.capture(rustygrad.sum([Value(1.0) for _ in range(3)])).collapse()
    builder = Builder()
    leaves = [builder.copy(graph, 0, ()).index for _ in range(2)]
    twice = builder.build([builder.add(SUM, leaves, 6.0)]).collapse()
    assert twice[0].repeats == (6,)


def test_a_graph_in_which_nothing_repeats_stays_as_it_is():
    a, b, c = (Value(x, label=name) for x, name in ((0.5, "a"), (-2.0, "b"), (0.25, "c")))
    graph = Graph.capture((a * b + c + b).tanh() - a / (b + 2), a)
    assert graph.collapse() == graph


def test_collapsing_twice_changes_nothing_more():
    once = batch().collapse()
    assert once.collapse() == once


def test_nodes_that_compute_the_same_for_different_users_stay_apart():
    a, b = Value(1.0), Value(2.0)
    assert shapes(Graph.capture(a.exp() * b.exp().tanh()).collapse()) == ["exp", "exp", "tanh", "*"]


def test_the_operands_of_a_difference_stay_apart_and_those_of_a_sum_do_not():
    def collapsed(combine):
        return Graph.capture(combine(Value(1.0).exp(), Value(2.0).exp())).collapse()

    assert len(collapsed(lambda x, y: x - y)) == 5
    assert len(collapsed(lambda x, y: rustygrad.sum([x, y]))) == 3


def test_weights_and_inputs_of_a_dot_stay_apart():
    ws, xs = [Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]
    graph = Graph.capture(rustygrad.dot(ws, xs, Value(5.0))).collapse()
    assert [n.repeats for n in graph] == [(1,), (2,), (2,), (1,)]


def test_a_square_is_not_drawn_with_a_product():
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    assert shapes(Graph.capture(rustygrad.sum([a * a, b * c])).collapse()) == ["*", "*", "sum"]


def test_powers_of_different_exponents_stay_apart():
    xs = [Value(1.0), Value(2.0), Value(3.0)]
    graph = Graph.capture(rustygrad.sum([xs[0] ** 2, xs[1] ** 2, xs[2] ** 3])).collapse()
    assert shapes(graph) == ["**2 × 2", "**3", "sum"]


def test_labels_that_differ_in_more_than_numbers_stay_apart():
    graph = Graph.capture(rustygrad.sum([Value(1.0, label=x) for x in ("a", "b", "x1", "x2")]))
    assert [n.title for n in graph.collapse()][:3] == ["a", "b", "x* × 2"]


def test_results_that_repeat_are_one_output():
    model = MLP(1, [2, 1], backend="python")
    graph = Graph.capture(*[model([float(i)]) for i in range(3)]).collapse()
    assert [graph[i].symbol for i in graph.outputs] == ["dot × 3"]


def test_scopes_of_unequal_numbers_have_one_count():
    class Some(rustygrad.Module):
        def __init__(self, index):
            self.index = index

        def forward(self, xs):
            return [x.exp() for x in xs[self.index :]]

    class Uneven(rustygrad.Module):
        def __init__(self):
            self.parts = [Some(0), Some(1)]

        def forward(self, xs):
            return rustygrad.sum([y for part in self.parts for y in part(xs)])

    graph = Graph.capture(Uneven()([Value(1.0), Value(2.0), Value(3.0)])).collapse()
    assert "exp × 5" in shapes(graph)


def test_a_chain_is_left_where_its_steps_have_labels():
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    partial = a + b
    partial.label = "partial"
    graph = Graph.capture(partial + c).collapse()
    assert graph.find("partial").symbol == "+"


def test_a_long_chain_is_walked_once():
    total = Value(0.0, label="start")
    x = Value(1.0, label="x")
    for _ in range(3000):
        total = x + total
    assert len(Graph.capture(total).collapse()) == 3


def test_nodes_that_no_output_needs_are_kept():
    graph = batch()
    part = graph.slice(graph.leaves("parameter")[0], depth=0, users=None)
    assert "ReLU × 5" in shapes(part.collapse())


def test_a_collapsed_graph_refuses_to_compute():
    with pytest.raises(GraphError, match="built by hand, by custom\\(\\), fold\\(\\) or collapse"):
        batch().collapse().evaluate()


def test_opaque_nodes_are_drawn_together_by_their_names():
    made = [Value(1.0, tuple(Value(0.0) for _ in range(3)), name) for name in ("f1", "g", "f2")]
    once = Graph.capture(rustygrad.sum(made)).collapse()
    assert [n.symbol for n in once if n.op is OPAQUE] == ["f* × 2", "g", "sum"]
    assert [n.repeats for n in once if n.role] == [(6,), (3,)]


# --- saved, cut and copied ---


def test_repeats_are_saved_and_loaded(tmp_path):
    graph = batch().collapse()
    graph.save(tmp_path / "graph.json")
    loaded = Graph.load(tmp_path / "graph.json")
    assert loaded == graph
    assert [n.repeats for n in loaded] == [n.repeats for n in graph]


def test_repeats_are_pickled():
    graph = batch().collapse()
    assert pickle.loads(pickle.dumps(graph)) == graph


def test_a_slice_of_a_collapsed_graph_keeps_the_counts():
    graph = batch().collapse()
    dot = next(n for n in graph if n.symbol == "dot × 3 × 5")
    part = graph.slice(dot)
    assert part[-1].symbol == "dot × 3 × 5"
    assert part[0].title == "model.layers.0.neurons.*.b × 3"
    relu = next(n for n in graph if n.symbol == "ReLU × 3 × 5")
    assert graph.slice(relu, depth=1)[0].title == "… dot × 3 × 5"


def test_what_is_drawn_once_has_its_line_where_all_of_it_has_the_same():
    a, b = Value(2.0), Value(3.0)
    with rustygrad.anomaly(raises=False):
        total = (
            a.exp()
            + b.exp()
            + (a * b)
        )  # fmt: skip
        one_line = sum([x.tanh() for x in (a, b)], total)
    graph = Graph.capture(one_line)
    lines = {n.symbol: n.source for n in graph.collapse() if not n.role}
    (tanh,) = {n.source for n in graph if n.symbol == "tanh"}
    assert lines["exp × 2"] == ""
    assert lines["tanh × 2"] == tanh
