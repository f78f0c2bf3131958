"""differentiate: eager's bits, second derivatives, bad arguments."""

import math
import random

import mpmath
import pytest
import rustygrad
from hypothesis import given
from hypothesis import strategies as st
from rustygrad import Graph, differentiate
from rustygrad.errors import GraphError
from rustygrad.reference import Value

UNARY = ["relu", "tanh", "sigmoid", "exp", "log", "sqrt", "sin", "cos", "__abs__", "__neg__"]
REDUCTIONS = [
    rustygrad.sum,
    rustygrad.mean,
    rustygrad.maximum,
    rustygrad.minimum,
    rustygrad.logsumexp,
]


def step(rng, nodes):
    """Any operation on any of the nodes."""
    x, y, z = (rng.choice(nodes) for _ in range(3))
    n = rng.choice([2, -1, 0, 0.5, 3, 1])
    ways = [
        lambda: x + y,
        lambda: x - y,
        lambda: x * y,
        lambda: x / y,
        lambda: x**y,
        lambda: x**n,
        lambda: 2 - x,
        lambda: x * 0.5,
        lambda: 3**x,
        lambda: getattr(x, rng.choice(UNARY))(),
        lambda: getattr(x, rng.choice(UNARY))(),
        lambda: rng.choice(REDUCTIONS)([x, y, z, 1.5]),
        lambda: rustygrad.dot([x, y], [z, x], rng.choice([None, z])),
        lambda: rustygrad.where(x, y, z),
    ]
    return rng.choice(ways)()


def program(rng, leaves, length):
    """A random program over every kind of operation."""
    nodes = list(leaves)
    for _ in range(length):
        nodes.append(step(rng, nodes))
    return nodes[-1]


@given(st.integers(0, 10**9), st.integers(1, 25))
def test_the_written_derivative_has_the_bits_of_eager_backward(seed, length):
    rng = random.Random(seed)
    leaves = [Value(rng.choice([rng.uniform(-2, 2), 0.0, 1.0])) for _ in range(3)]
    root = program(rng, leaves, length)
    graph = Graph.capture(root, *leaves)
    places = graph.outputs[1:]
    joint = differentiate(graph, places).verify()
    root.backward()
    written = [0.0 + joint[i].data for i in joint.outputs]
    assert list(map(repr, written)) == [repr(v.grad) for v in leaves]
    assert list(map(repr, joint.evaluate())) == list(map(repr, joint.data))


SECOND = [
    ("tanh", lambda x: x.tanh(), mpmath.tanh, 0.7),
    ("sigmoid", lambda x: x.sigmoid(), lambda x: 1 / (1 + mpmath.exp(-x)), 0.7),
    ("exp", lambda x: x.exp(), mpmath.exp, 0.7),
    ("log", lambda x: x.log(), mpmath.log, 0.7),
    ("sqrt", lambda x: x.sqrt(), mpmath.sqrt, 0.7),
    ("sin", lambda x: x.sin(), mpmath.sin, 0.7),
    ("cos", lambda x: x.cos(), mpmath.cos, 0.7),
    ("relu", lambda x: x.relu() ** 3, lambda x: x**3, 0.7),
    ("abs", lambda x: abs(x) ** 3, lambda x: -(x**3), -0.7),
    ("square", lambda x: x**2, lambda x: x**2, 0.7),
    ("reciprocal", lambda x: x**-1, lambda x: 1 / x, 0.7),
    ("root", lambda x: x**2.5, lambda x: x**2.5, 0.7),
    ("power", lambda x: x ** (x + 1), lambda x: x ** (x + 1), 0.7),
    ("exponential", lambda x: 3**x, lambda x: mpmath.mpf(3) ** x, 0.7),
    ("quotient", lambda x: x.sin() / (1 + x * x), lambda x: mpmath.sin(x) / (1 + x * x), 0.7),
    (
        "logsumexp",
        lambda x: rustygrad.logsumexp([x, x * x, 0.5]),
        lambda x: mpmath.log(mpmath.exp(x) + mpmath.exp(x * x) + mpmath.exp(mpmath.mpf(0.5))),
        0.7,
    ),
    (
        "dot",
        lambda x: rustygrad.dot([x, x * x], [x, x], x) * x,
        lambda x: (x + x * x + x**3) * x,
        0.7,
    ),
    ("mean", lambda x: rustygrad.mean([x, x**3, 1.0]), lambda x: (x + x**3 + 1) / 3, 0.7),
    ("sum", lambda x: rustygrad.sum([x, x**3, 1.0]) ** 2, lambda x: (x + x**3 + 1) ** 2, 0.7),
    ("maximum", lambda x: rustygrad.maximum(x**3, x) * x, lambda x: x * x, 0.7),
    ("minimum", lambda x: rustygrad.minimum(x**3, x) * x, lambda x: x**4, 0.7),
    ("where", lambda x: rustygrad.where(x, x**3, x), lambda x: x**3, 0.7),
]


@pytest.mark.parametrize(
    ("compute", "exact", "at"), [c[1:] for c in SECOND], ids=[c[0] for c in SECOND]
)
def test_applied_twice_it_gives_the_second_derivative(compute, exact, at):
    x = Value(at)
    graph = Graph.capture(compute(x), x)
    index = graph.outputs[1]
    first = graph.differentiate([index])
    second = first.differentiate([index]).verify()
    with mpmath.workdps(40):
        expected = [float(mpmath.diff(exact, mpmath.mpf(at), n)) for n in (1, 2)]
    found = [first[first.outputs[0]].data, second[second.outputs[0]].data]
    assert found == pytest.approx(expected, rel=1e-12)


def test_mixed_second_derivatives_are_symmetric_and_right():
    x, y = Value(0.6, label="x"), Value(1.3, label="y")
    graph = Graph.capture((x * y).sin() * y.exp(), x, y)
    _, i, j = graph.outputs
    joint = differentiate(graph, [i, j])
    dx, dy = joint.outputs
    xy = differentiate(joint, [j], of=dx)
    yx = differentiate(joint, [i], of=dy)
    with mpmath.workdps(40):
        f = lambda a, b: mpmath.sin(a * b) * mpmath.exp(b)  # noqa: E731
        expected = float(mpmath.diff(f, (0.6, 1.3), (1, 1)))
    assert xy[xy.outputs[0]].data == pytest.approx(expected, rel=1e-12)
    assert yx[yx.outputs[0]].data == pytest.approx(expected, rel=1e-12)


def test_a_third_derivative():
    x = Value(0.4)
    graph = Graph.capture(x.tanh(), x)
    i = graph.outputs[1]
    third = graph.differentiate([i]).differentiate([i]).differentiate([i])
    with mpmath.workdps(40):
        expected = float(mpmath.diff(mpmath.tanh, 0.4, 3))
    assert third[third.outputs[0]].data == pytest.approx(expected, rel=1e-11)


def test_the_hessian_of_a_networks_loss_agrees_with_finite_differences():
    rng = random.Random(7)
    model = rustygrad.MLP(2, [3, 1], activation="tanh", backend="python")
    for p in model.parameters():
        p.data = rng.uniform(-1, 1)

    def loss():
        return (model([0.3, -0.8]) - 0.5) ** 2

    root, parameters = loss(), model.parameters()
    graph = Graph.capture(root, *parameters)
    places = graph.outputs[1:]
    joint = differentiate(graph, places)
    p = parameters[0]
    row = differentiate(joint, places, of=joint.outputs[0])
    grads = []
    for step in (1e-5, -1e-5):
        start = p.data
        p.data = start + step
        model.zero_grad()
        loss().backward()
        grads.append([q.grad for q in parameters])
        p.data = start
    numeric = [(up - down) / 2e-5 for up, down in zip(*grads, strict=True)]
    assert [row[i].data for i in row.outputs] == pytest.approx(numeric, rel=1e-6, abs=1e-9)


def test_nodes_keep_their_indices():
    x = Value(2.0)
    graph = Graph.capture(x * x)
    joint = graph.differentiate([0])
    assert [str(a) for a in joint[: len(graph)]] == [str(a) for a in graph]


def test_what_does_not_depend_on_the_node_has_the_derivative_0():
    x, y = Value(2.0), Value(3.0)
    graph = Graph.capture(x * 2, y)
    joint = graph.differentiate([graph.outputs[1]])
    assert joint[joint.outputs[0]].data == 0.0


def test_a_float_derivative_becomes_a_constant():
    x = Value(2.0)
    graph = Graph.capture(x**0, x)
    joint = graph.differentiate([graph.outputs[1]]).verify()
    assert joint[joint.outputs[0]].role == "constant"


def test_the_derivative_of_a_leaf_by_itself_is_the_seed():
    graph = Graph.capture(Value(2.0))
    joint = graph.differentiate([0], seed=3.0)
    assert joint[joint.outputs[0]].data == 3.0


def test_an_inner_node_may_be_asked_for_as_a_node_or_an_index():
    x = Value(2.0)
    y = x * 3
    graph = Graph.capture(y * y, y)
    joint = graph.differentiate([graph[graph.outputs[1]], graph.outputs[1]], of=graph[-1])
    assert [joint[i].data for i in joint.outputs] == [12.0, 12.0]


@pytest.mark.parametrize("options", [{"wrt": [9]}, {"wrt": [-1]}, {"wrt": [0], "of": 9}])
def test_an_index_out_of_range_is_refused(options):
    with pytest.raises(GraphError, match=r"^node %(9|-1) is not one of the 3 nodes of this graph$"):
        Graph.capture(Value(1.0) + 1).differentiate(**options)


def test_a_graph_without_outputs_needs_to_know_what_to_differentiate():
    graph = Graph.capture(Value(1.0) + 1).differentiate([])
    assert graph.outputs == ()
    with pytest.raises(GraphError) as caught:
        graph.differentiate([0])
    assert str(caught.value) == (
        "the graph has no outputs: say which node to differentiate, of=..."
    )
    assert graph.differentiate([0], of=2).outputs


def test_an_opaque_node_on_the_way_is_refused():
    a = Value(1.0)
    with pytest.raises(GraphError) as caught:
        Graph.capture(Value(1.0, (a,), "mine") * 2).differentiate([0])
    assert str(caught.value) == (
        "cannot differentiate the opaque node %1 'mine': it was built by hand, "
        "by custom(), fold() or collapse(), and no operation of the table says what it computes"
    )


def test_an_opaque_node_elsewhere_is_no_obstacle():
    a = Value(2.0)
    graph = Graph.capture(a * a, Value(1.0, (a,), "mine"))
    joint = graph.differentiate([0])
    assert joint[joint.outputs[0]].data == 4.0


def test_derivatives_of_numbers_that_are_not_finite():
    x = Value(0.0)
    graph = Graph.capture(x.log(), x)
    joint = graph.differentiate([graph.outputs[1]])
    assert joint[joint.outputs[0]].data == math.inf


def test_a_deep_graph_is_differentiated():
    x = y = Value(1.0)
    for _ in range(30_000):
        y = y * 1.0 + 0.5
    graph = Graph.capture(y, x)
    joint = graph.differentiate([graph.outputs[1]])
    assert joint[joint.outputs[0]].data == 1.0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"wrt": ["w"]}, "a node is given as such or by its index, not as 'w'"),
        ({"wrt": 0}, "wrt is a list of nodes or indices, as in wrt=[0, 1], not 0"),
        ({"wrt": [0], "of": "L"}, "a node is given as such or by its index, not as 'L'"),
        ({"wrt": [0], "seed": "x"}, "the seed is a number, not 'x'"),
        ({"wrt": [0], "seed": None}, "the seed is a number, not None"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, text):
    graph = rustygrad.Graph.capture(Value(2.0) * 3)
    with pytest.raises(rustygrad.errors.GraphError) as caught:
        graph.differentiate(**arguments)
    assert str(caught.value) == text


def test_a_lone_node_is_no_list_of_nodes():
    graph = rustygrad.Graph.capture(Value(2.0) * 3)
    with pytest.raises(rustygrad.errors.GraphError, match="wrt is a list of nodes"):
        graph.differentiate(graph[0])
