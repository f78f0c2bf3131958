"""What is drawn of a graph that is too large for a page, and that the picture says so."""

import random

import pytest
import rustygrad
from rustygrad import MLP, Graph, Value
from rustygrad_graphviz.dot import dot
from rustygrad_graphviz.fitting import fitted
from rustygrad_graphviz.options import Options


def network(*sizes):
    random.seed(5)
    out = MLP(2, [*sizes, 1])([Value(1.0, label="x"), Value(2.0, label="y")])
    out.backward()
    return Graph.capture(out)


def fit(graph, **options):
    return fitted(graph, Options(**options))


def modules(excerpt):
    return {n.symbol for n in excerpt.graph if n.op is rustygrad.ops.OPAQUE}


def test_a_graph_that_fits_is_drawn_as_it_is():
    graph = network(3)
    excerpt = fit(graph)
    assert excerpt.graph is graph
    assert excerpt.shown == list(range(len(graph)))
    assert excerpt.note == ""


def test_a_network_is_folded_as_finely_as_fits():
    graph = network(8, 8)
    assert modules(fit(graph, page=50)) >= {"layers.0.neurons.7", "layers.2.neurons.0"}
    assert fit(graph, page=50).note == (
        f"{len(graph)} nodes are too many for one page; modules are folded, fold=4"
    )


def test_a_network_is_folded_coarsely_where_that_fits_better():
    graph = network(8, 8)
    assert len(graph.fold(2)) > 5
    excerpt = fit(graph, page=5)
    assert modules(excerpt) == {"layers"}
    assert excerpt.note.endswith("modules are folded, fold=1")


def various(count):
    """A chain of operations that do not repeat, each made of the one before and of the first."""
    first = x = Value(1.0)
    for i in range(count):
        x = x * first if i % 2 else x + first
    return x


def test_a_graph_without_modules_is_drawn_as_far_as_it_is_near_to_the_result():
    excerpt = fit(Graph.capture(various(1000)), page=10)
    assert len(excerpt.shown) == 10
    assert excerpt.graph.outputs[0] in excerpt.shown
    assert excerpt.hidden == {min(i for i in excerpt.shown if i): 1}
    assert excerpt.note == (
        "1,001 nodes are too many for one page; what repeats is drawn once, "
        "with the numbers of the first; drawn are the 10 nearest to the result"
    )


def test_the_samples_of_a_batch_are_drawn_once():
    random.seed(5)
    model = MLP(2, [8, 8, 1])
    loss = rustygrad.mean([(model([float(i), 1.0]) - 1) ** 2 for i in range(50)])
    excerpt = fit(Graph.capture(loss))
    assert len(excerpt.shown) < 30
    assert excerpt.note.endswith(
        "modules are folded, fold=4; what repeats is drawn once, with the numbers of the first"
    )
    text = dot(excerpt.graph)
    assert 'label="layers.0.neurons.* × 8 × 50"' in text
    assert 'peripheries=2, label="**2 × 50"' in text


def test_what_stands_for_several_is_not_taken_for_an_operation_of_the_users_own():
    text = dot(Graph.capture(rustygrad.sum([Value(1.0) - 2.0 for _ in range(50)])))
    assert "- × 50" in text
    assert "dashed" not in text.replace('"filled,dashed", fillcolor', "")  # but constants are
    assert "headlabel" not in text


def wide(count):
    """The sum of operations that are all different."""
    return rustygrad.sum([Value(2.0) ** i for i in range(3, count + 3)])


def test_of_many_operands_some_are_drawn_and_the_others_counted():
    graph = Graph.capture(wide(1000))
    excerpt = fit(graph, page=17)
    assert len(excerpt.shown) == 17
    assert excerpt.hidden == {excerpt.graph.outputs[0]: 992}
    assert 'label="992 more"' in dot(graph, page=17)


def test_more_outputs_than_fit_are_cut_too():
    graph = Graph.capture(*[Value(2.0) ** i for i in range(3, 100)])
    assert len(fit(graph, page=10).shown) == 10


@pytest.mark.parametrize("page", [1, 2, 7, 30, 100])
def test_no_more_is_drawn_than_a_page_holds(page):
    graph = network(16, 16)
    excerpt = fit(graph, page=page)
    assert len(excerpt.shown) <= page
    assert set(excerpt.graph.outputs) <= set(excerpt.shown)


def test_the_picture_says_that_it_is_folded_and_how():
    graph = network(16, 16)
    text = dot(graph)
    assert f"<I>{len(graph)} nodes are too many for one page; modules are folded" in text


def test_fold_false_draws_every_node():
    graph = network(16, 16)
    text = dot(graph, fold=False)
    assert text.count("| data") + text.count("{ data") == len(graph)
    assert "too many" not in text


def test_fold_true_folds_what_would_have_fitted():
    graph = network(2)
    assert modules(fit(graph, fold=True)) == {
        "layers.0.neurons.0", "layers.0.neurons.1", "layers.1.neurons.0",
    }  # fmt: skip


def test_a_depth_is_kept_whatever_fits():
    assert modules(fit(network(8, 8), fold=2, page=1)) == {"layers.0", "layers.1", "layers.2"}


def test_a_folded_module_has_a_double_border_and_no_numbered_operands():
    text = dot(network(2), fold=True)
    (line,) = [line for line in text.splitlines() if "layers.1.neurons.0" in line]
    assert "peripheries=2" in line
    assert "headlabel" not in text


def test_a_million_operands_are_drawn_as_a_few():
    total = rustygrad.sum([Value(1.0)] * 1_000_000)
    text = dot(Graph.capture(total))
    assert '[label="1,000,000 times"]' in text
    assert len(text) < 3000
