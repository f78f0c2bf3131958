"""Stage 8: the captured graph equals the reference's, node for node."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import rustygrad
from hypothesis import given
from rustygrad import Graph
from rustygrad.errors import GraphError, MixedBackendsError
from rustygrad.ops import OPS

from rustygrad_conformance.programs import Program
from rustygrad_conformance.strategies import MODERATE, programs


def _graphs(backend: Any, reference: Any, lines: list[str], *roots: str) -> list[Graph]:
    program = Program(lines, [])
    found = []
    for engine in (backend, reference):
        variables = program.run(engine)
        found.append(Graph.capture(*[variables[root] for root in roots]))
    return found


def _assert_equal(got: Graph, right: Graph, exact: bool = True) -> None:
    """Compare column by column, so that a failure names what differs."""
    for column in (
        "op",
        "offsets",
        "operands",
        "attribute",
        "role",
        "scope",
        "labels",
        "names",
        "sources",
    ):
        x, y = getattr(got, column), getattr(right, column)
        same = list(map(repr, x)) == list(map(repr, y)) if column == "attribute" else x == y
        assert same, f"the column {column!r} differs:\n{got}\n\nand should be\n{right}"
    assert got.outputs == right.outputs
    if exact:
        assert got == right, f"the numbers differ:\n{got}\n\nand should be\n{right}"


@pytest.fixture
def exact(backend: Any) -> bool:
    return bool(backend.numerics.ulps == 0)


def test_a_graph_lists_operands_before_results_depth_first(backend: Any, reference: Any) -> None:
    lines = ["a = Value(1.0)", "b = Value(2.0)", "c = b * 3 + a", "d = c - (a / b) * c"]
    got, right = _graphs(backend, reference, lines, "d")
    assert [n.op.name for n in got] == [n.op.name for n in right], f"{got}\n\nshould be\n{right}"
    assert list(got.operands) == list(right.operands), f"{got}\n\nshould be\n{right}"


def test_the_outputs_of_a_graph_are_its_roots_in_order(backend: Any, reference: Any) -> None:
    lines = ["a = Value(1.0)", "b = a * 2", "c = a + b"]
    got, right = _graphs(backend, reference, lines, "c", "a", "b", "c")
    assert got.outputs == right.outputs


def test_what_a_later_root_adds_comes_last(backend: Any) -> None:
    a = backend.Value(3.0)
    first, later = a * 2, a.exp() + backend.Value(1.0)
    alone, both = Graph.capture(first), Graph.capture(first, later)
    assert list(both.op)[: len(alone)] == list(alone.op), f"{both}\n\nshould begin with\n{alone}"
    # which is how names are found without adding anything to the graph
    named = Graph.capture(first, names={"first": first, "later": later})
    assert (len(named), named.outputs) == (len(alone), alone.outputs)
    assert list(named.labels.values()) == ["first"]


@pytest.mark.parametrize("name", OPS)
def test_every_operation_is_captured_under_its_name(backend: Any, name: str) -> None:
    op = OPS[name]
    leaves = [backend.Value(x) for x in (1.0, 2.0, 3.0)][: op.arity or 3]
    graph = Graph.capture(backend.apply(op, leaves, 3.0 if op.attribute else None))
    node = graph[graph.outputs[0]]
    assert node.op is op
    assert [x.data for x in node.operands] == [x.data for x in leaves]
    assert node.attribute == (3.0 if op.attribute else None)


def test_data_and_gradients_are_captured(backend: Any, judge: Any) -> None:
    a = backend.Value(3.0)
    c = a * a
    c.backward(0.5)
    graph = Graph.capture(c)
    judge.all(list(graph.data), [3.0, 9.0])
    judge.all(list(graph.grad), [3.0, 0.5])


def test_numbers_are_constants_and_values_are_inputs(backend: Any) -> None:
    graph = Graph.capture(2 * backend.Value(3.0))
    assert [node.role for node in graph] == ["constant", "input", ""]


def test_a_modules_leaves_are_parameters(backend: Any) -> None:
    neuron = rustygrad.Neuron(2, backend=backend.name)
    graph = Graph.capture(neuron([1.0, 2.0]))
    assert len(graph.leaves("parameter")) == 3
    assert len(graph.leaves("input")) == 2


def test_labels_are_captured(backend: Any) -> None:
    a = backend.Value(3.0, label="a")
    c = a * 2
    c.label = "c"
    assert list(Graph.capture(c).labels.values()) == ["a", "c"]


def test_scopes_are_stamped_on_nodes(backend: Any) -> None:
    model = rustygrad.MLP(2, [2, 1], backend=backend.name)
    scopes = [node.scope for node in Graph.capture(model([1.0, 2.0])) if node.op.name != "leaf"]
    assert scopes == ["layers.0.neurons.0"] * 2 + ["layers.0.neurons.1"] * 2 + [
        "layers.1.neurons.0"
    ]


def test_hand_built_nodes_are_captured_as_opaque(backend: Any) -> None:
    a = backend.Value(3.0)
    node = Graph.capture(backend.Value(9.0, (a,), "square"))[1]
    assert (node.op.name, node.symbol, node.data) == ("opaque", "square", 9.0)


def test_parameters_are_captured_with_their_paths(backend: Any) -> None:
    model = rustygrad.MLP(1, [1], backend=backend.name)
    graph = Graph.capture(model([1.0]))
    assert [node.title for node in graph.leaves("parameter")] == [
        "layers.0.neurons.0.b", "layers.0.neurons.0.w.0",
    ]  # fmt: skip


def test_nodes_with_an_assigned_closure_are_captured_as_opaque(backend: Any) -> None:
    a = backend.Value(3.0)
    node = a * 2
    node._backward = lambda: None
    graph = Graph.capture(node)
    assert graph[graph.outputs[0]].op.name == "opaque"
    assert graph[graph.outputs[0]].symbol == "*"


def test_a_graph_of_a_network_equals_the_references(
    backend: Any, reference: Any, exact: bool
) -> None:
    graphs = []
    for engine in (backend, reference):
        random.seed(7)
        model = rustygrad.MLP(3, [4, 2], activation="tanh", backend=engine.name)
        loss = rustygrad.cross_entropy(model([1.0, -2.0, 0.5]), 1)
        loss.label = "loss"
        loss.backward()
        graphs.append(Graph.capture(loss).verify())
    _assert_equal(graphs[0], graphs[1], exact=exact)


@given(program=programs(MODERATE))
def test_the_graph_of_a_random_program_equals_the_references(
    backend: Any, reference: Any, program: Program
) -> None:
    name = program.names[-1]
    got, right = (Graph.capture(program.run(engine)[name]) for engine in (backend, reference))
    _assert_equal(got.verify(), right, exact=backend.numerics.ulps == 0)


@given(program=programs(MODERATE))
def test_differentiating_a_graph_gives_eagers_bits(
    backend: Any, judge: Any, program: Program
) -> None:
    if judge.ulps:
        pytest.skip("the derivative graph is computed by the reference's forward functions")
    variables = program.run(backend)
    root = variables[program.names[-1]]
    leaves = [variables[n] for n in program.names if not variables[n]._prev]
    graph = Graph.capture(root, *leaves)
    inner = [i for i in graph.outputs[1:] if i != graph.outputs[0]]
    adjoint = graph.differentiate(inner)
    by_graph = [adjoint.data[i] for i in adjoint.outputs]
    eager = [graph.grad[i] for i in inner]
    judge.all(eager, [0.0 + g for g in by_graph], f"gradients of\n{program}\n")


def test_second_derivatives_come_from_differentiating_twice(backend: Any) -> None:
    x = backend.Value(0.7)
    y = x**3 + x.tanh() * 2
    graph = Graph.capture(y, x)
    leaf = graph.outputs[1]
    first = graph.differentiate([leaf])
    second = first.differentiate([leaf])
    t = first.data[first.outputs[0]], second.data[second.outputs[0]]
    tanh = 0.6043677771171635
    assert t[0] == pytest.approx(3 * 0.49 + 2 * (1 - tanh**2), rel=1e-14)
    assert t[1] == pytest.approx(6 * 0.7 - 4 * tanh * (1 - tanh**2), rel=1e-14)


def test_a_graph_can_be_computed_again(backend: Any, judge: Any) -> None:
    a = backend.Value(3.0, label="a")
    graph = Graph.capture((a * a).tanh() + a)
    judge.all(list(graph.data), list(graph.evaluate()))


def test_a_graph_survives_json(backend: Any) -> None:
    a = backend.Value(-0.0, label="a")
    c = a.log() * 2
    c.backward()
    graph = Graph.capture(c)
    assert Graph.from_json(graph.to_json()) == graph


def test_capturing_does_not_change_the_values(backend: Any, judge: Any) -> None:
    a = backend.Value(3.0)
    c = a * a
    c.backward()
    Graph.capture(c)
    judge.all([c.grad, a.grad], [1.0, 6.0])
    c.backward()
    judge(a.grad, 12.0)


def test_a_graph_holds_what_was_captured_and_not_what_came_later(backend: Any, judge: Any) -> None:
    a = backend.Value(3.0)
    graph = Graph.capture(a * 2)
    a.data = 100.0
    judge.all(sorted(graph.data), [2.0, 3.0, 6.0])


def test_capture_needs_values(backend: Any) -> None:
    with pytest.raises(GraphError):
        Graph.capture(3.0)


def test_capture_refuses_roots_of_two_backends(backend: Any, other: Any) -> None:
    for roots in itertools.permutations([backend.Value(1.0), other.Value(2.0)]):
        with pytest.raises(MixedBackendsError):
            Graph.capture(*roots)
