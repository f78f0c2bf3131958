"""How a page folds: modules, repeats, runs, and never too much at once."""

from collections import Counter

import pytest
import rustygrad
from rustygrad import MLP, Graph, Value
from rustygrad_graphviz.groups import CROWD, groups


def sizes(tree):
    """How many members each group has: nodes and groups directly in it."""
    found = Counter(tree.of)
    found.update(tree.parent[1:])
    return found


def loss(model, samples):
    return rustygrad.mean([(1 - model([x, -x])).relu() for x in range(samples)])


def names(tree, kind):
    return [name for name, k in zip(tree.name, tree.kind, strict=True) if k == kind]


def test_a_graph_without_modules_is_one_group():
    tree = groups(Graph.capture(Value(1.0) + 2.0))
    assert tree.parent == [0]
    assert set(tree.of) == {0}


def test_modules_are_groups_without_the_lists_that_hold_them():
    tree = groups(Graph.capture(*MLP(2, [2, 2])([1.0, 2.0])))
    parents = {tree.name[g]: tree.name[p] for g, p in enumerate(tree.parent) if g}
    assert parents == {
        "layers.0": "", "layers.0.neurons.0": "layers.0", "layers.0.neurons.1": "layers.0",
        "layers.1": "", "layers.1.neurons.0": "layers.1", "layers.1.neurons.1": "layers.1",
    }  # fmt: skip


def test_a_parameter_is_with_its_module_even_if_others_use_it():
    model = MLP(1, [2])
    penalty = rustygrad.sum(p * p for p in model.parameters())
    graph = Graph.capture(penalty + rustygrad.sum(model([1.0])))
    tree = groups(graph)
    homes = {tree.name[tree.of[node.index]] for node in graph.leaves("parameter")}
    assert homes == {"layers.0.neurons.0", "layers.0.neurons.1"}


def test_inputs_stay_outside():
    graph = Graph.capture(MLP(2, [2, 1])([1.0, 2.0]))
    tree = groups(graph)
    assert {tree.of[node.index] for node in graph.leaves("input")} == {0}


def test_what_is_done_to_each_sample_is_one_group():
    tree = groups(Graph.capture(loss(MLP(2, [3, 1]), 40)))
    assert sorted(names(tree, "repeat")) == sorted(
        ["-", "ReLU", "constant", "input", "input"] + 3 * ["ReLU", "dot"] + ["dot"]
    )


def test_a_shared_label_names_a_repeat():
    terms = [Value(float(i), label="x") * Value(1.0) for i in range(30)]
    assert "x" in names(groups(Graph.capture(rustygrad.sum(terms))), "repeat")


@pytest.mark.parametrize("make", [
    lambda: loss(MLP(2, [16, 1]), 200),
    lambda: rustygrad.sum([Value(1.0) for _ in range(5000)]),
    lambda: chain(5000),
], ids=["samples", "many leaves", "a chain"])  # fmt: skip
def test_no_group_has_more_members_than_can_be_looked_at(make):
    assert max(sizes(groups(Graph.capture(make()))).values()) <= CROWD


def chain(length):
    x = Value(0.5)
    for i in range(length):
        x = x.tanh() if i % 3 else x + 0.1
    return x


def test_a_group_comes_after_the_one_that_it_is_in():
    tree = groups(Graph.capture(loss(MLP(2, [4, 1]), 100)))
    assert all(parent < group for group, parent in enumerate(tree.parent) if group)


@pytest.mark.parametrize("count", [1, 3])
def test_results_stay_out_of_runs(count):
    results = [rustygrad.sum([Value(1.0) for _ in range(400)]) for _ in range(count)]
    graph = Graph.capture(*results)
    tree = groups(graph)
    assert len(names(tree, "run")) > 1
    assert all(tree.kind[tree.of[i]] != "run" for i in graph.outputs)


def test_so_many_results_are_divided_into_runs_too():
    tree = groups(Graph.capture(*chains(400)))
    assert max(sizes(tree).values()) <= CROWD


def chains(count):
    """Results that do not do the same."""
    return [chain(2 + k % 7) * Value(float(k)) ** k for k in range(count)]


def test_a_run_is_named_by_its_first_and_last_node():
    tree = groups(Graph.capture(chain(100)))
    for group, kind in enumerate(tree.kind):
        if kind == "run":
            inside = [i for i, home in enumerate(tree.of) if home == group]
            assert tree.name[group] == f"{inside[0]} - {inside[-1]}"
