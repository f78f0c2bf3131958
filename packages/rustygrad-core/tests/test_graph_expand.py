"""Reductions written out in + and *, with the numbers and gradients of each step."""

import math

import pytest
import rustygrad
from rustygrad import Graph
from rustygrad.building import Builder
from rustygrad.ops import DOT, LEAF
from rustygrad.reference import Value

XS = (0.1, -0.7, 1e-3, 3.0)


def leaves():
    return [Value(x) for x in XS]


def by_hand_sum(xs):
    return ((xs[0] + xs[1]) + xs[2]) + xs[3]


WRITTEN = {
    "sum": (rustygrad.sum, by_hand_sum),
    "mean": (rustygrad.mean, lambda xs: by_hand_sum(xs) / 4.0),
    "dot": (lambda xs: rustygrad.dot(xs[:2], xs[2:]), lambda xs: xs[0] * xs[2] + xs[1] * xs[3]),
    "dot with a bias": (
        lambda xs: rustygrad.dot(xs[:1], xs[1:2], xs[2]), lambda xs: xs[2] + xs[0] * xs[1]
    ),
    "mean of one": (lambda xs: rustygrad.mean(xs[:1]), lambda xs: xs[0] / 1.0),
    "nested": (
        lambda xs: rustygrad.mean([rustygrad.dot(xs[:2], xs[2:]), 2.0]),
        lambda xs: ((xs[0] * xs[2] + xs[1] * xs[3]) + 2.0) / 2.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", [1.0, -0.3, 0.0, math.nan])
@pytest.mark.parametrize("name", WRITTEN)
def test_an_expanded_graph_has_the_numbers_of_a_program_that_is_written_out(name, seed):
    graphs = []
    for program in WRITTEN[name]:
        root = program(leaves())
        root.backward(seed)
        graphs.append(Graph.capture(root))
    short, long = graphs
    wide = short.expand().verify()
    rows = [sorted((n.op.name, repr(n.data), repr(n.grad)) for n in g) for g in (wide, long)]
    assert rows[0] == rows[1]


def test_the_operands_of_an_expanded_node_keep_their_gradients():
    xs = leaves()
    (rustygrad.dot(xs[:2], xs[2:], xs[0]) * rustygrad.sum(xs)).backward()
    root = rustygrad.dot(xs[:2], xs[2:], xs[0]) * rustygrad.sum(xs)
    root.backward()
    graph = Graph.capture(root, *xs)
    wide = graph.expand()
    assert [wide.grad[i] for i in wide.outputs] == [x.grad for x in (root, *xs)]


def test_each_mean_has_a_constant_of_its_own_with_its_own_gradient():
    xs = leaves()
    root = rustygrad.mean(xs) * rustygrad.mean(xs[:2] + xs[:2])
    root.backward()
    wide = Graph.capture(root).expand()
    counts = [n for n in wide.leaves("constant") if n.data == 4.0]
    means = [n for n in wide if n.op.name == "div"]
    assert [n.grad for n in counts] == [-(m.data / 4.0 * m.grad) for m in means]


def test_before_backward_no_gradient_is_made_up():
    wide = Graph.capture(rustygrad.mean([Value(math.inf), Value(1.0)])).expand()
    assert list(wide.grad) == [0.0] * len(wide)


def test_the_last_node_has_the_number_that_was_captured():
    xs = leaves()
    total = rustygrad.sum(xs)
    xs[0].data = 100.0
    wide = Graph.capture(total).expand()
    assert wide[wide.outputs[0]].data == total.data


def test_expand_keeps_operations_whose_steps_would_have_other_gradients():
    xs = leaves()
    graph = Graph.capture(rustygrad.logsumexp(xs) + rustygrad.maximum(xs) - rustygrad.minimum(xs))
    assert graph.expand() == graph


def test_the_label_of_a_sum_of_one_operand_goes_to_the_operand():
    total = rustygrad.sum([Value(2.0)])
    total.label = "total"
    assert [n.label for n in Graph.capture(total).expand()] == ["total"]


def test_the_operand_of_a_sum_of_one_keeps_its_own_label():
    total = rustygrad.sum([Value(2.0, label="a")])
    total.label = "total"
    assert [n.label for n in Graph.capture(total).expand()] == ["a"]


def test_a_dot_of_a_bias_alone_is_the_bias():
    builder = Builder()
    builder.add(LEAF, (), 3.0, role="input")
    builder.add(DOT, (0,), 3.0)
    assert len(builder.build([1]).expand()) == 1
