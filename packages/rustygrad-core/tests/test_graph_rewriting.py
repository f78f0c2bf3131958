"""Graphs cut down and drawn together: `slice` and `fold`."""

import pickle
import random

import pytest
import rustygrad
from rustygrad import MLP, Graph
from rustygrad.building import Builder
from rustygrad.errors import GraphError
from rustygrad.modes import scope_id
from rustygrad.reference import Value


def network():
    random.seed(3)
    model = MLP(2, [3, 2, 1], backend="python")
    out = model([Value(1.0, label="x"), Value(-2.0, label="y")])
    loss = (out - 1) ** 2
    loss.label = "loss"
    loss.backward()
    return Graph.capture(loss)


# --- slice ---


def test_a_slice_holds_what_a_node_depends_on():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    c = a * b
    graph = Graph.capture(c + b.exp(), c)
    part = graph.slice(graph.outputs[1])
    assert part == Graph.capture(c)


def test_a_slice_of_several_nodes_keeps_their_order():
    graph = network()
    part = graph.slice(graph[5], 0)
    assert [part[i].data for i in part.outputs] == [graph[5].data, graph[0].data]
    part.verify()


def test_a_slice_of_the_outputs_is_the_graph():
    graph = network()
    assert graph.slice(*graph.outputs) == graph


def test_a_slice_keeps_labels_scopes_roles_and_gradients():
    graph = network()
    part = graph.slice(graph.find("loss"))
    assert [(n.label, n.scope, n.role, n.grad) for n in part] == [
        (n.label, n.scope, n.role, n.grad) for n in graph
    ]


def test_a_slice_computes_the_same():
    graph = network()
    hidden = next(n for n in graph if n.op is rustygrad.ops.RELU)
    part = graph.slice(hidden)
    assert part.evaluate()[part.outputs[0]] == hidden.data


def test_a_slice_of_nothing_is_refused():
    with pytest.raises(GraphError) as caught:
        network().slice()
    assert str(caught.value) == "slice() takes one node or more, and got none"


def test_a_slice_of_a_label_is_refused():
    with pytest.raises(GraphError, match="a node is given as such or by its index, not as 'w'"):
        network().slice("w")


def test_a_slice_of_a_stranger_is_refused():
    with pytest.raises(GraphError, match="node %99 is not one of"):
        network().slice(99)


# --- slice by depth ---


def staircase():
    """f = tanh(a * b + c), and what else is made of a * b."""
    a, b, c = (Value(x, label=name) for x, name in ((0.5, "a"), (-2.0, "b"), (0.25, "c")))
    product = a * b
    product.label = "product"
    f = (product + c).tanh()
    f.label = "f"
    g = product.exp() - a
    g.label = "g"
    f.backward()
    return Graph.capture(f, g)


def lines(graph):
    return [(n.title, n.symbol or n.role, [x.title or x.symbol for x in n.operands]) for n in graph]


def test_a_slice_by_depth_ends_in_inputs_that_were_cut_off():
    graph = staircase()
    part = graph.slice(graph.find("f"), depth=2).verify()
    assert lines(part) == [
        ("product", "input", []),
        ("c", "input", []),
        ("", "+", ["product", "c"]),
        ("f", "tanh", ["+"]),
    ]
    assert [n.is_cut for n in part] == [True, False, False, False]


def test_what_is_cut_off_keeps_its_numbers_and_says_what_it_was():
    graph = staircase()
    cut = graph.slice(graph.find("f"), depth=1)[0]
    inner = graph.find("f").operands[0]
    assert (cut.data, cut.grad) == (inner.data, inner.grad)
    assert (cut.title, cut.role) == ("… +", "input")
    assert str(cut).endswith("# … +>")


def test_a_slice_by_depth_takes_the_shortest_way():
    a = Value(2.0, label="a")
    inner = a * 3
    graph = Graph.capture(inner.exp().exp() + inner)
    assert graph.slice(graph.outputs[0], depth=2).find("a")


def test_a_slice_to_no_depth_is_the_node_alone():
    graph = staircase()
    (alone,) = graph.slice(graph.find("f"), depth=0)
    assert (alone.title, alone.is_cut, alone.data) == ("f", True, graph.find("f").data)
    (leaf,) = graph.slice(graph.find("a"), depth=0)
    assert not leaf.is_cut


def test_a_slice_deeper_than_the_graph_is_all_of_it():
    graph = staircase()
    assert graph.slice(*graph.outputs, depth=100) == graph


def test_a_slice_computes_from_where_it_was_cut_off():
    graph = staircase()
    part = graph.slice(graph.find("f"), depth=2)
    assert part.evaluate({part.find("product"): 0.0})[part.outputs[0]] == Value(0.25).tanh().data


def test_a_slice_has_the_users_of_a_node_with_what_else_they_are_made_of():
    graph = staircase()
    part = graph.slice(graph.find("product"), depth=0, users=1).verify()
    assert lines(part) == [
        ("product", "input", []),
        ("c", "input", []),
        ("", "+", ["product", "c"]),
        ("", "exp", ["product"]),
    ]
    assert [part[i].title for i in part.outputs] == ["product"]


def test_a_slice_has_all_that_is_made_of_a_node():
    graph = staircase()
    part = graph.slice(graph.find("c"), depth=0, users=None)
    assert [n.title or n.symbol for n in part] == ["product", "c", "+", "f"]
    assert part.find("product").is_cut


def test_a_slice_goes_both_ways():
    graph = staircase()
    part = graph.slice(graph.find("product"), users=None)
    assert part.slice(part.find("f"), part.find("g")) == graph


def test_a_node_that_is_a_user_of_another_one_keeps_its_operation():
    graph = staircase()
    part = graph.slice(graph.find("product"), graph.find("f"), depth=0, users=None)
    assert part.find("f").symbol == "tanh"


@pytest.mark.parametrize("keyword", ["depth", "users"])
@pytest.mark.parametrize("steps", [-1, 1.5, "all"])
def test_a_slice_by_half_a_step_is_refused(keyword, steps):
    with pytest.raises(GraphError) as caught:
        network().slice(0, **{keyword: steps})
    assert str(caught.value) == (
        f"{keyword} is a number of steps from 0 up, or None for all, not {steps!r}"
    )


def test_a_slice_of_a_fold_names_the_module_that_was_cut_off():
    folded = network().fold()
    last = folded.slice(folded.find("loss"), depth=2)
    assert [n.title for n in last if n.is_cut] == ["… layers.2.neurons.0"]


# --- sources ---


def source_lines(graph):
    return [node.source.rpartition(":")[2] for node in graph]


def traced():
    """A neuron on line 2 of a program, and what is made of it on line 4."""
    source = (
        "with rustygrad.anomaly(raises=False):\n    y = neuron([x])\nz = y * 2\n"
        "with rustygrad.anomaly(raises=False): z = z + 1\n"
    )
    neuron = rustygrad.Layer(1, 1, nonlin=False, backend="python").neurons[0]
    names = {"neuron": neuron, "x": Value(1.0), "rustygrad": rustygrad, "__name__": "__main__"}
    exec(compile(source, "train.py", "exec"), names)
    return Graph.capture(names["z"])


def test_nodes_have_the_line_that_made_them_inside_anomaly():
    graph = traced()
    assert source_lines(graph) == ["", "", "", "2", "", "", "", "4"]
    assert dict(graph.sources) == {3: "train.py:2", 7: "train.py:4"}
    assert repr(graph[7]) == "<%7 = add(%5, %6)  data=3.0 grad=0.0  # train.py:4>".replace(
        "data=3.0", f"data={graph[7].data!r}"
    )


def test_sources_are_part_of_what_makes_graphs_equal():
    graph = traced()
    record = graph.to_json()
    record["sources"] = {}
    assert Graph.from_json(record) != graph


def test_a_slice_a_derivative_and_a_pickle_keep_sources():
    graph = traced()
    assert graph.slice(*graph.outputs) == graph
    assert pickle.loads(pickle.dumps(graph)) == graph
    assert dict(graph.differentiate([2]).sources) == dict(graph.sources)


def test_what_an_expanded_node_is_written_out_in_has_its_line():
    expanded = traced().expand()
    made = [(n.op.name, n.source) for n in expanded if n.op is not rustygrad.ops.LEAF]
    assert made == [
        ("mul", "train.py:2"),
        ("add", "train.py:2"),
        ("mul", ""),
        ("add", "train.py:4"),
    ]


def test_what_is_cut_off_keeps_its_line():
    graph = traced()
    cut = graph.slice(graph.outputs[0], depth=0)
    assert dict(cut.sources) == {0: "train.py:4"}


def test_a_folded_node_has_the_line_of_its_result():
    neuron = rustygrad.Layer(1, 1, backend="python")
    with rustygrad.anomaly(raises=False):
        graph = Graph.capture(neuron([Value(1.0)]))
    folded = graph.fold()
    assert folded[folded.outputs[0]].source == graph[graph.outputs[0]].source


# --- fold ---


def test_a_fold_makes_one_node_of_each_neuron():
    folded = network().fold()
    names = [n.symbol for n in folded if n.op is rustygrad.ops.OPAQUE]
    expected = [f"layers.0.neurons.{i}" for i in range(3)]
    expected += [f"layers.1.neurons.{i}" for i in range(2)]
    assert sorted(names) == [*expected, "layers.2.neurons.0"]
    folded.verify()


def test_a_fold_by_depth_joins_the_neurons_of_a_layer():
    folded = network().fold(depth=2)
    names = [n.symbol for n in folded if n.op is rustygrad.ops.OPAQUE]
    assert names == ["layers.0"] * 3 + ["layers.1"] * 2 + ["layers.2"]
    first = next(n for n in folded if n.symbol == "layers.1")
    assert [n.symbol for n in first.operands] == ["layers.0"] * 3


def test_a_fold_of_all_layers_has_the_inputs_as_operands():
    folded = network().fold(depth=1)
    (module,) = [n for n in folded if n.symbol == "layers"]
    assert [n.label for n in module.operands] == ["x", "y"]


def test_a_fold_hides_a_modules_own_parameters_and_keeps_data_and_gradients():
    graph = network()
    folded = graph.fold()
    assert not folded.leaves("parameter")
    loss = folded.find("loss")
    assert (loss.data, loss.grad) == (graph.find("loss").data, 1.0)
    module = next(n for n in folded if n.symbol == "layers.2.neurons.0")
    last = next(n for n in graph if n.scope == "layers.2.neurons.0")
    assert (module.data, module.grad) == (last.data, last.grad)


def test_a_parameter_that_is_used_outside_its_module_stays():
    random.seed(3)
    model = MLP(2, [1], backend="python")
    out = model([1.0, 2.0]) + rustygrad.sum(p * p for p in model.parameters())
    folded = Graph.capture(out).fold()
    assert len(folded.leaves("parameter")) == 3


def test_a_label_inside_a_module_survives_where_the_node_is_shown():
    random.seed(3)
    model = MLP(1, [1], backend="python")
    out = model([2.0])
    out.label = "score"
    assert Graph.capture(out).fold().find("score").symbol == "layers.0.neurons.0"


def test_a_shared_node_inside_a_module_is_visited_once():
    class Twice(rustygrad.Module):
        def forward(self, x):
            y = x * x
            return y + y.exp() * y

    class Net(rustygrad.Module):
        def __init__(self):
            self.twice = Twice()

        def forward(self, x):
            return self.twice(x) * 2

    folded = Graph.capture(Net()(Value(2.0, label="x"))).fold()
    (module,) = [n for n in folded if n.symbol == "twice"]
    assert [n.label for n in module.operands] == ["x"]


def test_a_graph_without_modules_folds_into_itself():
    graph = Graph.capture(Value(2.0) * Value(3.0))
    assert graph.fold() == graph


def test_a_folded_graph_refuses_to_compute():
    with pytest.raises(GraphError, match="cannot evaluate the opaque node"):
        network().fold().evaluate()


@pytest.mark.parametrize("depth", [0, -1, "a", 1.5, True])
def test_a_fold_to_no_depth_is_refused(depth):
    with pytest.raises(GraphError) as caught:
        network().fold(depth)
    assert str(caught.value) == f"fold() keeps one part of a scope path or more, not {depth!r}"


class Chain(rustygrad.Module):
    """Gives back every link of a chain, each made of two nodes."""

    def __init__(self, length):
        self.length = length

    def forward(self, x):
        links = [x]
        for _ in range(self.length):
            links.append((links[-1] * 2).sin())
        return links[1:]


class Chained(rustygrad.Module):
    def __init__(self, length):
        self.chain = Chain(length)

    def forward(self, x):
        return self.chain(x)


def test_a_result_of_a_module_takes_other_results_of_it_as_operands():
    folded = Graph.capture(*Chained(3)(Value(2.0, label="x"))).fold()
    links = [n for n in folded if n.symbol == "chain"]
    assert [[x.index for x in n.operands] for n in links] == [
        [folded.find("x").index], [links[0].index], [links[1].index],
    ]  # fmt: skip


def test_folding_a_chain_of_results_walks_each_link_once(monkeypatch):
    graph = Graph.capture(*Chained(300)(Value(2.0)))
    walked = []
    operands_of = Graph.operands_of
    monkeypatch.setattr(
        Graph, "operands_of", lambda self, i: walked.append(i) or operands_of(self, i)
    )
    graph.fold()
    assert len(walked) < 5 * len(graph)


class Running(rustygrad.Module):
    """The results of a running total, which nobody outside sees."""

    def forward(self, xs):
        total, results = xs[0], []
        for x in xs[1:]:
            total = total + x
            results.append(total.exp())
        return results


class Runner(rustygrad.Module):
    def __init__(self):
        self.running = Running()

    def forward(self, xs):
        return self.running(xs)


def test_what_few_inputs_reach_several_results_by_stays_inside():
    xs = [Value(0.1, label=f"x{i}") for i in range(4)]
    folded = Graph.capture(*Runner()(xs)).fold()
    assert [[x.label for x in n.operands] for n in folded if n.symbol == "running"] == [
        ["x0", "x1"], ["x0", "x1", "x2"], ["x0", "x1", "x2", "x3"],
    ]  # fmt: skip


def test_what_many_inputs_reach_several_results_by_is_a_node_of_the_module():
    xs = [Value(0.0, label=f"x{i}") for i in range(40)]
    folded = Graph.capture(*Runner()(xs)).fold().verify()
    inside = [n for n in folded if n.symbol == "running" and n.index not in folded.outputs]
    assert [len(n.operands) for n in inside] == [17, 17]


def test_folding_results_of_one_long_chain_makes_few_edges():
    count = 2000
    folded = Graph.capture(*Runner()([Value(0.0) for _ in range(count)])).fold()
    assert len(folded.operands) < 20 * count


def test_a_node_inside_a_module_that_nothing_uses_is_not_shown():
    builder = Builder()
    x = builder.leaf(1.0, "input")
    builder.scope = scope_id("module")
    rustygrad.ops.EXP(x)
    assert len(builder.build([x.index]).fold()) == 1


# --- immutable ---


@pytest.mark.parametrize("column", ["op", "offsets", "operands", "data", "grad", "role", "scope"])
def test_a_column_cannot_be_changed(column):
    with pytest.raises(TypeError, match="read-only"):
        getattr(network(), column)[0] = 1


@pytest.mark.parametrize("column", ["labels", "names", "repeats"])
def test_a_table_cannot_be_changed(column):
    with pytest.raises(TypeError, match="does not support item assignment"):
        getattr(network(), column)[0] = "x"
