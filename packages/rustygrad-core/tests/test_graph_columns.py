"""Graph: capture, nodes, roles, printing, comparing, verifying, evaluating, expanding."""

import copy
import math
import pickle
from array import array

import pytest
import rustygrad
from rustygrad import Graph
from rustygrad.building import Builder, Ref
from rustygrad.errors import GraphError
from rustygrad.graph import Node
from rustygrad.modes import scope_id
from rustygrad.ops import ADD, LEAF, MUL, OPAQUE, POW
from rustygrad.reference import Value


def small():
    a, b = Value(2.0, label="a"), Value(-3.0)
    loss = (a * b + 10) ** 2
    loss.label = "loss"
    loss.backward()
    return Graph.capture(loss)


# --- capture ---


def test_capture_records_operands_before_results():
    graph = small()
    assert [node.op.name for node in graph] == [
        "leaf", "leaf", "mul", "leaf", "add", "pow",
    ]  # fmt: skip
    assert [list(graph.operands_of(i)) for i in range(6)] == [[], [], [0, 1], [], [2, 3], [4]]
    assert graph.outputs == (5,)


def test_capture_keeps_data_and_gradients():
    graph = small()
    assert list(graph.data) == [2.0, -3.0, -6.0, 10.0, 4.0, 16.0]
    assert list(graph.grad) == [-24.0, 16.0, 8.0, 8.0, 8.0, 1.0]


def test_capture_tells_inputs_constants_and_parameters_apart():
    neuron = rustygrad.Neuron(1, backend="python")
    graph = Graph.capture(neuron([5.0]) + 1)
    assert [node.data for node in graph.leaves("input")] == [5.0]
    assert [node.data for node in graph.leaves("constant")] == [1.0]
    assert [node.data for node in graph.leaves("parameter")] == [0.0, neuron.w[0].data]


def test_capture_of_several_roots_keeps_their_order():
    a = Value(1.0)
    b, c = a * 2, a + 3
    graph = Graph.capture(c, b, a, c)
    assert [graph[i].data for i in graph.outputs] == [4.0, 2.0, 1.0, 4.0]


def test_capture_keeps_repeated_operands():
    a = Value(3.0)
    assert list(Graph.capture(a * a).operands) == [0, 0]


def test_capture_of_a_lone_leaf():
    assert str(Graph.capture(Value(1.0))) == "%0 = input  data=1.0 grad=0.0\noutputs %0"


def test_capture_names_opaque_nodes():
    a = Value(1.0)
    graph = Graph.capture(Value(2.0, (a,), "mine") + rustygrad.custom(abs, abs, "own")(a))
    assert [node.symbol for node in graph if node.op is OPAQUE] == ["mine", "own"]


def test_capture_of_nothing_is_refused():
    with pytest.raises(GraphError) as caught:
        Graph.capture()
    assert str(caught.value) == "Graph.capture() takes one Value or more, and got none"


@pytest.mark.parametrize("roots", [(3.0,), (Value(1.0), 3.0), (3.0, Value(1.0))])
def test_capture_of_a_number_is_refused(roots):
    with pytest.raises(GraphError) as caught:
        Graph.capture(*roots)
    assert str(caught.value) == "Graph.capture() takes Values, not 3.0"


# --- nodes and printing ---


def test_a_node_is_a_view_of_one_row():
    node = small()[5]
    assert (node.op, node.symbol, node.attribute) == (POW, "**2", 2.0)
    assert (node.data, node.grad, node.role, node.label, node.scope) == (16.0, 1.0, "", "loss", "")
    assert [x.index for x in node.operands] == [4]


def test_a_node_without_an_attribute_has_none():
    assert small()[2].attribute is None


def test_a_leaf_has_a_role_and_no_symbol():
    node = small()[3]
    assert (node.op, node.symbol, node.role) == (LEAF, "", "constant")


def test_nodes_are_equal_where_their_graphs_and_places_are():
    one, other = small(), small()
    assert one[2] == one[2]
    assert one[2] == other[2]
    assert hash(one[2]) == hash(other[2])
    assert one[2] != one[1]
    assert one[2] != 2


def test_a_graph_prints_one_line_a_node():
    assert str(small()) == "\n".join(
        [
            "%0 = input  data=2.0 grad=-24.0  # 'a'",
            "%1 = input  data=-3.0 grad=16.0",
            "%2 = mul(%0, %1)  data=-6.0 grad=8.0",
            "%3 = constant  data=10.0 grad=8.0",
            "%4 = add(%2, %3)  data=4.0 grad=8.0",
            "%5 = pow(%4, exponent=2.0)  data=16.0 grad=1.0  # 'loss'",
            "outputs %5",
        ]
    )


def test_a_node_prints_its_scope_and_an_opaque_node_its_name():
    model = rustygrad.MLP(1, [1], backend="python")
    out = model([2.0])
    out.label = "y"
    graph = Graph.capture(Value(1.0, (out,), "mine"))
    assert repr(graph[-1]) == f"<%{len(graph) - 1} = opaque 'mine'(%{len(graph) - 2})  " + (
        "data=1.0 grad=0.0>"
    )
    assert repr(graph[-2]).endswith("# 'y' layers.0.neurons.0>")


def test_a_graph_says_how_large_it_is():
    assert repr(small()) == ("<Graph of 6 nodes: 2 inputs, 1 constant, 0 parameters, outputs [5]>")


# --- a sequence ---


def test_a_graph_is_a_sequence_of_nodes():
    graph = small()
    assert len(graph) == 6
    assert graph[-1].index == 5
    assert [node.index for node in graph[1:3]] == [1, 2]
    assert list(graph) == [graph[i] for i in range(6)]
    assert isinstance(graph[0], Node)


def test_an_index_out_of_range_is_an_index_error():
    with pytest.raises(IndexError):
        small()[6]


def test_graphs_are_equal_where_every_column_holds_the_same_bits():
    assert small() == small()
    assert hash(small()) == hash(small())
    assert small() != Graph.capture(Value(1.0))
    assert small() != 3
    assert Graph.capture(Value(0.0)) != Graph.capture(Value(-0.0))
    assert Graph.capture(Value(math.nan)) == Graph.capture(Value(math.nan))


def test_a_graph_is_immutable():
    with pytest.raises(AttributeError) as caught:
        small().outputs = ()
    assert str(caught.value) == "a Graph is immutable: cannot set 'outputs'"


def test_no_column_of_a_graph_can_be_deleted():
    graph = small()
    with pytest.raises(AttributeError) as caught:
        del graph.data
    assert str(caught.value) == "a Graph is immutable: cannot delete 'data'"
    assert graph == small()


@pytest.mark.parametrize("column", ["op", "offsets", "operands", "data", "grad", "role", "scope"])
def test_what_a_column_looks_at_cannot_be_changed_either(column):
    with pytest.raises(TypeError, match="does not support item assignment"):
        getattr(small(), column).obj[0] = 1


def test_what_a_graph_was_made_from_may_change_afterwards():
    numbers = array("d", small().data)
    graph = columns(data=numbers)
    numbers[0] = 99.0
    assert graph == small()


def test_a_graph_of_leaves_has_an_empty_column():
    graph = Graph.capture(Value(1.0))
    assert (list(graph.operands), graph.operands.format) == ([], "Q")
    assert graph.operands.readonly


# --- a node, or its index ---


def test_a_node_or_any_whole_number_is_an_index():
    np = pytest.importorskip("numpy")
    graph = small()
    assert [graph.index_of(i) for i in (graph[2], 2, np.int64(2))] == [2, 2, 2]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ("w", "a node is given as such or by its index, not as 'w'"),
        (1.0, "a node is given as such or by its index, not as 1.0"),
        (None, "a node is given as such or by its index, not as None"),
        (True, "a node is given as such or by its index, not as True"),
        (
            Value(1.0),
            "a node is given as such or by its index, not as Value(data=1.0, grad=0.0): "
            "capture it among the roots to learn its index",
        ),
    ],
)
def test_what_is_no_node_is_refused(node, text):
    with pytest.raises(GraphError) as caught:
        small().index_of(node)
    assert str(caught.value) == text


def test_a_node_of_another_graph_is_refused():
    other = Graph.capture(Value(5.0, label="w") * 2)
    with pytest.raises(GraphError) as caught:
        small().index_of(other.find("w"))
    assert str(caught.value) == (
        "<%0 = input  data=5.0 grad=0.0  # 'w'> is of another graph, "
        "<Graph of 3 nodes: 1 input, 1 constant, 0 parameters, outputs [2]>, and this is "
        "<Graph of 6 nodes: 2 inputs, 1 constant, 0 parameters, outputs [5]>: "
        "find the node in this one, by its label or its index"
    )


def test_a_node_of_a_larger_graph_is_refused():
    leaf = Graph.capture(Value(2.0))
    with pytest.raises(GraphError, match="is of another graph"):
        leaf.index_of(small()[0])


def test_a_node_of_what_this_graph_begins_with_is_taken():
    graph = small()
    larger = graph.differentiate([graph.find("a")])
    assert larger.index_of(graph.find("a")) == 0
    assert larger.differentiate([graph.find("a")]).outputs
    assert Graph.capture(Value(2.0)).index_of(Graph.capture(Value(2.0))[0]) == 0


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))]
)
def test_a_graph_is_copied_and_pickled(copied):
    model = rustygrad.MLP(2, [2, 1], backend="python")
    graph = Graph.capture(model([1.0, 2.0]))
    twin = copied(graph)
    assert twin == graph
    assert twin[-1].scope == "layers.1.neurons.0"


# --- finding ---


def test_find_gives_the_node_of_a_label():
    assert small().find("loss").index == 5


def test_find_of_an_unknown_label_lists_the_labels():
    with pytest.raises(GraphError) as caught:
        small().find("x")
    assert str(caught.value) == "0 nodes are labelled 'x'; the labels are: 'a', 'loss'"


def test_find_in_a_graph_without_labels():
    with pytest.raises(GraphError) as caught:
        Graph.capture(Value(1.0)).find("x")
    assert str(caught.value) == "0 nodes are labelled 'x'; the labels are: none"


def test_find_of_a_label_that_two_nodes_have():
    with pytest.raises(GraphError) as caught:
        Graph.capture(Value(1.0, label="x") + Value(2.0, label="x")).find("x")
    assert str(caught.value) == "2 nodes are labelled 'x'; the labels are: 'x'"


def test_leaves_of_an_unknown_role():
    with pytest.raises(GraphError) as caught:
        small().leaves("weight")
    assert str(caught.value) == ("no leaf role 'weight': it is one of input, constant, parameter")


# --- verify ---


def columns(**changes):
    graph = small()
    given = {name: getattr(graph, name) for name in Graph.__slots__}
    return Graph(**(given | changes))


def test_a_captured_graph_verifies_and_is_returned():
    graph = small()
    assert graph.verify() is graph


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data": array("d", [1.0])}, "column 'data' has 1 of 6 rows"),
        ({"role": array("B", [0] * 7)}, "column 'role' has 7 of 6 rows"),
        (
            {"offsets": array("Q", [0, 0, 0, 2, 2, 4, 4])},
            "the operand offsets do not cover the operands",
        ),
        (
            {"offsets": array("Q", [1, 1, 1, 2, 2, 4, 5])},
            "the operand offsets do not cover the operands",
        ),
        ({"offsets": array("Q", [0, 5])}, "the operand offsets do not cover the operands"),
        (
            {"offsets": array("Q", [0, 0, 3, 2, 2, 4, 5])},
            "node %1: operands [0, 1, 2] do not all come before it",
        ),
        (
            {"offsets": array("Q", [0, 0, 0, 2, 2, 1, 5])},
            "node %4: its operands end before they start",
        ),
        ({"op": array("B", [1, 1, 4, 1, 2, 200])}, "node %0: opaque has the role number 1"),
        ({"op": array("B", [0, 0, 4, 0, 2, 200])}, "node %5: no operation has the code 200"),
        (
            {"operands": array("Q", [0, 1, 2, 4, 4])},
            "node %4: operands [2, 4] do not all come before it",
        ),
        (
            {"op": array("B", [0, 0, 8, 0, 2, 6])},
            "node %2: neg takes 1 operands, not 2",
        ),
        (
            {"role": array("B", [1, 1, 0, 9, 0, 0])},
            "node %3: leaf has the role number 9",
        ),
        ({"role": array("B", [1, 1, 0, 0, 0, 0])}, "node %3: leaf has the role number 0"),
        ({"role": array("B", [1, 1, 1, 2, 0, 0])}, "node %2: mul has the role number 1"),
        (
            {"scope": array("I", [0, 0, 0, 4_000_000_000, 0, 0])},
            "node %3: no scope has the number 4000000000",
        ),
        ({"outputs": (6,)}, "output %6 is not one of the 6 nodes"),
        ({"labels": {-1: "x"}}, "labelled node %-1 is not one of the 6 nodes"),
        ({"names": {7: "x"}}, "named node %7 is not one of the 6 nodes"),
        ({"sources": {7: "x.py:1"}}, "node with a source %7 is not one of the 6 nodes"),
    ],
)
def test_verify_names_the_first_node_that_makes_no_sense(changes, text):
    with pytest.raises(GraphError) as caught:
        columns(**changes).verify()
    assert str(caught.value) == text


def test_verify_refuses_a_reduction_of_nothing():
    builder = Builder()
    builder.add(rustygrad.ops.OPS["sum"], (), 0.0)
    with pytest.raises(GraphError) as caught:
        builder.build([0]).verify()
    assert str(caught.value) == "node %0: sum takes at least one operand"


def test_verify_allows_an_opaque_node_without_operands():
    assert Graph.capture(Value(1.0, (), "source")).verify()


# --- evaluate ---


def test_evaluate_computes_every_node_again():
    assert list(small().evaluate()) == list(small().data)


def test_evaluate_takes_new_numbers_for_leaves():
    graph = small()
    assert list(graph.evaluate({0: 1.0, 3: 5.0})) == [1.0, -3.0, -3.0, 5.0, 2.0, 4.0]
    assert graph == small()


def test_evaluate_refuses_new_numbers_for_other_nodes():
    with pytest.raises(GraphError) as caught:
        small().evaluate({2: 1.0})
    assert str(caught.value) == "only leaves can be given new numbers, and %2 is not one"


@pytest.mark.parametrize("index", [6, -1])
def test_evaluate_refuses_an_index_out_of_range(index):
    with pytest.raises(GraphError) as caught:
        small().evaluate({index: 1.0})
    assert str(caught.value) == f"node %{index} is not one of the 6 nodes of this graph"


def test_evaluate_takes_nodes_too():
    graph = small()
    assert list(graph.evaluate({graph.find("a"): 1})) == list(graph.evaluate({0: 1.0}))


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({0: "a"}, "the new number of %0 is a number, not 'a'"),
        ({0: None}, "the new number of %0 is a number, not None"),
        ({"a": 1.0}, "a node is given as such or by its index, not as 'a'"),
        ([1.0], "evaluate() takes numbers by node, not a list"),
    ],
)
def test_evaluate_refuses_what_is_no_number_of_a_node(overrides, text):
    with pytest.raises(GraphError) as caught:
        small().evaluate(overrides)
    assert str(caught.value) == text


def test_evaluate_refuses_opaque_nodes():
    with pytest.raises(GraphError) as caught:
        Graph.capture(Value(1.0, (Value(2.0),), "mine")).evaluate()
    assert str(caught.value) == (
        "cannot evaluate the opaque node %1 'mine': it was built by hand, "
        "by custom(), fold() or collapse(), and no operation of the table says what it computes"
    )


# --- expand ---


def test_expand_writes_reductions_out_in_arithmetic_with_the_same_bits():
    xs = [Value(0.1 * i) for i in range(1, 5)]
    out = rustygrad.dot(xs[:2], xs[2:], 0.7) * rustygrad.mean(xs) - rustygrad.sum(xs)
    graph = Graph.capture(out)
    wide = graph.expand().verify()
    assert {n.op.name for n in wide} == {"leaf", "add", "mul", "div", "sub"}
    assert repr(wide[wide.outputs[0]].data) == repr(out.data)
    assert list(wide.evaluate()) == list(wide.data)


def test_expand_keeps_labels_scopes_gradients_and_outputs():
    neuron = rustygrad.Layer(2, 1, nonlin=False, backend="python")
    node = neuron([1.0, 2.0])
    node.label = "y"
    (node * 3).backward()
    wide = Graph.capture(node).expand()
    top = wide.find("y")
    assert (top.index, top.op, top.grad, top.scope) == (wide.outputs[0], ADD, 3.0, "neurons.0")
    assert top.operands[1].op is MUL


def test_expand_of_a_sum_of_one_operand_is_that_operand():
    a = Value(2.0)
    wide = Graph.capture(rustygrad.sum([a]) * 3).expand()
    assert [n.op.name for n in wide] == ["leaf", "leaf", "mul"]


def test_expand_keeps_opaque_nodes():
    a = Value(2.0)
    wide = Graph.capture(Value(1.0, (a,), "mine") + 1).expand()
    assert [n.symbol for n in wide if n.op is OPAQUE] == ["mine"]


# --- the builder ---


def test_arithmetic_on_a_reference_writes_nodes_and_computes():
    builder = Builder()
    x = Ref(builder, builder.add(LEAF, (), 3.0, role="input"))
    results = [x + 1.0, 1.0 + x, x - 1.0, 1.0 - x, x * 2.0, 2.0 * x, x / 2.0, 3.0 / x, -x]
    assert [builder.data[r.index] for r in results] == [4, 4, 2, -2, 6, 6, 1.5, 1, -3]
    assert [builder.data[r.index] for r in (POW(x, 2.0),)] == [9.0]
    builder.build([x.index]).verify()


def test_the_builder_writes_a_constant_once_and_tells_the_zeros_apart():
    builder = Builder()
    assert builder.lift(2.0).index == builder.lift(2).index
    assert builder.lift(0.0).index != builder.lift(-0.0).index


def test_the_builder_stamps_its_scope():
    builder = Builder()
    builder.scope = scope_id("here")
    builder.add(LEAF, (), 1.0, role="input")
    assert builder.build([0])[0].scope == "here"


def test_a_node_that_was_made_of_itself_later_is_refused():
    first = Value(1.0)
    last = first * 2 + 1
    first.__init__(5.0, (last,), "f")
    with pytest.raises(GraphError, match=r"is made of itself: it was given operands, by __init__"):
        Graph.capture(last)
