"""What the page plays: the engine's numbers, and what wrong orders make of them."""

import math
import random
from array import array

import pytest
import rustygrad
from hypothesis import given, settings
from hypothesis import strategies as st
from rustygrad import MLP, Graph, Value
from rustygrad.errors import GraphError
from rustygrad_conformance.strategies import EXTREME, MODERATE, programs
from rustygrad_graphviz.playback import (
    LONGEST,
    backward,
    local_derivatives,
    once,
    recursion,
    visits,
)


def last_of(program):
    return program.run(rustygrad.get_backend("python"))[program.names[-1]]


def bits(numbers):
    return array("d", [math.nan if x != x else x for x in numbers]).tobytes()


def final(record, graph):
    """The gradients that a record ends with, by node."""
    grads = dict.fromkeys(range(len(graph)), 0.0) | {record.root: record.seed}
    for edge, total in zip(record.edges, record.sums, strict=True):
        grads[graph.operands[edge]] = total
    return grads


def played(root, order=backward, **options):
    graph = Graph.capture(root)
    record = order(graph, graph.outputs[0], 1.0, **options)
    return {node.label: final(record, graph)[node.index] for node in graph if node.label}


@settings(max_examples=200, deadline=None)
@given(programs(st.one_of(MODERATE, EXTREME)))
def test_the_sums_of_a_played_backward_end_at_the_gradients_of_the_engine(program):
    root = last_of(program)
    graph = Graph.capture(root)
    grads = final(backward(graph, graph.outputs[0], 1.0, ran=True), graph)
    assert bits(grads.values()) == bits(graph.grad)


@settings(max_examples=100, deadline=None)
@given(programs(MODERATE))
def test_each_sum_is_the_one_before_it_and_a_product(program):
    graph = Graph.capture(last_of(program))
    record = backward(graph, graph.outputs[0], 1.0, ran=True)
    sums = {}
    for edge, product, total in zip(record.edges, record.products, record.sums, strict=True):
        operand = graph.operands[edge]
        assert bits([sums.get(operand, 0.0) + product]) == bits([total])
        sums[operand] = total


def test_an_expanded_graph_is_played_in_the_order_of_the_one_it_was_made_from():
    random.seed(3)
    model = MLP(3, [5, 4, 1])
    loss = rustygrad.mean([model([random.random() for _ in range(3)]).tanh() for _ in range(7)])
    loss.backward()
    graph = Graph.capture(loss).expand()
    grads = final(backward(graph, graph.outputs[0], 1.0, ran=True, as_listed=True), graph)
    for role in ("parameter", "input"):
        leaves = [node.index for node in graph.leaves(role)]
        assert bits(grads[i] for i in leaves) == bits(graph.grad[i] for i in leaves)


def test_a_node_hands_on_when_all_that_use_it_have():
    a = Value(2.0)
    b = a * a
    graph = Graph.capture(b + b * a)
    record = backward(graph, graph.outputs[0], 1.0, ran=False)
    owners = [next(i for i in range(len(graph)) if graph.offsets[i + 1] > e) for e in record.edges]
    assert owners == sorted(owners, reverse=True)


def test_a_dot_hands_on_from_the_last_pair_to_the_first():
    ws, xs = [Value(2.0), Value(3.0)], [Value(5.0), Value(7.0)]
    graph = Graph.capture(rustygrad.dot(ws, xs))
    record = backward(graph, graph.outputs[0], 1.0, ran=False)
    assert list(record.edges) == [3, 2, 1, 0]
    assert list(record.products) == [3.0, 7.0, 2.0, 5.0]


def test_local_derivatives_stand_beside_the_operands():
    a, b = Value(2.0), Value(3.0)
    graph = Graph.capture(a * b - 1)
    assert list(local_derivatives(graph)) == [3.0, 2.0, 1.0, -1.0]


def test_the_seed_is_the_gradient_of_the_root():
    a = Value(2.0, label="a")
    graph = Graph.capture(a * 3.0)
    record = backward(graph, graph.outputs[0], 0.5, ran=False)
    assert final(record, graph)[graph.find("a").index] == 1.5


def test_a_leaf_hands_nothing_on():
    graph = Graph.capture(Value(2.0))
    assert len(backward(graph, 0, 1.0, ran=False).edges) == 0


# --- opaque nodes ---


def opaque(ran):
    a = Value(2.0, label="a")
    b = a * 3.0
    result = rustygrad.custom(lambda x: x * x, lambda g, out, x: (2 * x * g,))(b)
    if ran:
        result.backward()
    graph = Graph.capture(result)
    return graph, backward(graph, graph.outputs[0], 1.0, ran=ran)


def test_below_an_opaque_node_gradients_are_those_captured():
    graph, record = opaque(ran=True)
    assert record.unknown == []
    assert record.captured == [2]
    assert final(record, graph)[graph.find("a").index] == 36.0


def test_below_an_opaque_node_gradients_are_unknown_before_backward_ran():
    graph, record = opaque(ran=False)
    assert record.captured == []
    assert {graph.find("a").index, 2} <= set(record.unknown)


def test_no_wrong_order_is_played_through_an_opaque_node():
    graph, _ = opaque(ran=True)
    for order in (recursion, once):
        with pytest.raises(GraphError, match="cannot play a wrong order through"):
            order(graph, graph.outputs[0], 1.0)


# --- wrong orders: the examples of docs/explanation/topological-order.md ---


def squares_added():
    a = Value(3.0, label="a")
    b = a * a
    return b + b


def used_again_later():
    a = Value(2.0, label="a")
    b = a * a
    return b + b * a


def test_plain_recursion_hands_the_first_share_down_twice():
    assert played(squares_added(), recursion) == {"a": 18.0}
    assert played(squares_added(), ran=False) == {"a": 12.0}


def test_a_recursion_that_visits_once_hands_on_too_early():
    assert played(used_again_later(), once) == {"a": 8.0}
    assert played(used_again_later(), ran=False) == {"a": 16.0}


def test_on_a_tree_every_order_is_right():
    a, b, c = Value(2.0, label="a"), Value(3.0, label="b"), Value(4.0, label="c")
    result = a * b + c
    right = {"a": 3.0, "b": 2.0, "c": 1.0}
    assert played(result, recursion) == played(result, once) == played(result, ran=False) == right


def doubled(times):
    x = Value(1.0, label="a")
    for _ in range(times):
        x = x + x
    return x


def test_a_recursion_visits_each_path():
    graph = Graph.capture(doubled(16))
    assert visits(graph, graph.outputs[0]) == 131071.0


def test_visits_beyond_a_float_are_inf():
    graph = Graph.capture(doubled(2000))
    assert visits(graph, graph.outputs[0]) == math.inf


def test_the_record_of_a_wrong_order_ends():
    graph = Graph.capture(doubled(2000))
    assert len(recursion(graph, graph.outputs[0], 1.0).edges) == LONGEST
