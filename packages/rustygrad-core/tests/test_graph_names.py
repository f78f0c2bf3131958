"""What nodes are called: labels, given names, and the paths of parameters."""

import pytest
import rustygrad
from rustygrad import MLP, Graph, Module
from rustygrad.errors import GraphError
from rustygrad.naming import names_of
from rustygrad.reference import Value


def captured(**names):
    """A product of two Values, with names."""
    a, b = Value(2.0), Value(3.0)
    given = {name: {"a": a, "b": b}.get(x, x) for name, x in names.items()}
    return Graph.capture(a * b, names=given)


# --- given names ---


def test_the_names_of_variables_label_nodes():
    x, y = Value(2.0), Value(3.0)
    loss = (x * y).tanh()
    graph = Graph.capture(loss, names=locals())
    assert [node.label for node in graph] == ["x", "y", "", "loss"]
    assert graph.find("loss").index == graph.outputs[0]


def test_a_label_goes_before_a_given_name():
    x = Value(2.0, label="mine")
    assert Graph.capture(x, names={"x": x})[0].title == "mine"


def test_names_that_begin_with_an_underscore_are_passed_over():
    assert captured(_x="a", __y="b").labels == {}


def test_of_two_names_the_first_holds():
    assert captured(first="a", second="a").labels == {0: "first"}


def test_what_is_no_value_is_passed_over():
    assert captured(n=3, text="x", none=None, f=len, kind=Value).labels == {}


def test_names_that_are_no_text_are_passed_over():
    x = Value(1.0)
    assert Graph.capture(x, names={1: x}).labels == {}


def test_items_are_called_by_their_place():
    a, b, c = (Value(float(i)) for i in range(3))
    names = {"w": [a, (5, b)], "d": {"key": c}}
    graph = Graph.capture(rustygrad.sum([a, b, c]), names=names)
    assert [node.label for node in graph][:3] == ["w[0]", "w[1][1]", "d['key']"]


def test_a_variable_goes_before_a_place_in_a_list():
    a = Value(1.0)
    assert Graph.capture(a, names={"items": [a], "a": a}).labels == {0: "a"}


def test_a_list_that_holds_itself_is_walked_once():
    a = Value(1.0)
    items = [a]
    items.append(items)
    assert Graph.capture(a, names={"items": items}).labels == {0: "items[0]"}


def test_lists_may_be_nested_to_any_depth():
    a = Value(1.0)
    nested = [a]
    for _ in range(5000):
        nested = [nested]
    assert Graph.capture(a, names={"n": nested}).labels == {0: "n" + "[0]" * 5001}


def test_parameters_are_called_by_their_module():
    model = MLP(1, [1], backend="python")
    b = model.layers[0].neurons[0].b
    graph = Graph.capture(model([1.0]), names={"b": b, "nets": [model]})
    assert [node.label for node in graph.leaves("parameter")] == [
        "nets[0].layers.0.neurons.0.b", "nets[0].layers.0.neurons.0.w.0",
    ]  # fmt: skip


def test_values_that_are_not_in_the_graph_leave_it_as_it_is():
    x = Value(2.0, label="x")
    y = x.exp() * 2
    later = y * Value(5.0, label="other")
    assert Graph.capture(y, x, names={"later": later}) == Graph.capture(y, x)


def test_values_of_another_class_are_passed_over():
    class Stranger:
        _prev = ()

    assert names_of({"s": Stranger()}, Value) == {}


@pytest.mark.parametrize(
    ("names", "kind"), [(["x"], "a list"), ("x", "'x'"), (3, "an object of type 'int'")]
)
def test_names_that_are_no_mapping_are_refused(names, kind):
    with pytest.raises(GraphError) as caught:
        Graph.capture(Value(1.0), names=names)
    assert str(caught.value) == f"names maps names to Values, as locals() does; this is {kind}"


# --- paths of parameters ---


def test_a_parameter_has_the_path_that_its_module_gives_it():
    model = MLP(2, [2, 1], backend="python")
    graph = Graph.capture(model([1.0, 2.0]))
    titles = [node.title for node in graph.leaves("parameter")]
    assert sorted(titles) == sorted(name for name, _ in model.named_parameters())


def test_a_parameter_is_found_by_its_path():
    model = MLP(2, [2, 1], backend="python")
    graph = Graph.capture(model([1.0, 2.0]))
    assert graph.find("layers.0.neurons.1.w.0").data == model.layers[0].neurons[1].w[0].data


def test_a_label_goes_before_a_path():
    model = MLP(1, [1], backend="python")
    model.layers[0].neurons[0].b.label = "bias"
    graph = Graph.capture(model([1.0]))
    assert [node.title for node in graph.leaves("parameter")] == [
        "bias", "layers.0.neurons.0.w.0",
    ]  # fmt: skip
    assert str(graph).splitlines()[0].endswith("# 'bias'")
    assert str(graph).splitlines()[1].endswith("# layers.0.neurons.0.w.0")


def test_a_module_inside_another_one_gives_the_whole_path():
    class Outer(Module):
        def __init__(self):
            self.inner = {"net": MLP(1, [1], backend="python")}

        def forward(self, x):
            return self.inner["net"](x)

    graph = Graph.capture(Outer()([1.0]))
    assert graph.find("inner.net.layers.0.neurons.0.b").role == "parameter"


def test_the_outermost_module_that_lists_a_parameter_gives_its_path():
    model = MLP(1, [1], backend="python")
    neuron = model.layers[0].neurons[0]
    assert Graph.capture(neuron.b)[0].title == "b"
    model.parameters()
    neuron.parameters()
    assert Graph.capture(neuron.b)[0].title == "layers.0.neurons.0.b"


def test_a_node_without_a_name_has_no_title():
    graph = Graph.capture(Value(1.0) * 2)
    assert [node.title for node in graph] == ["", "", ""]


def test_an_opaque_nodes_name_is_its_symbol_and_not_its_title():
    node = Graph.capture(Value(1.0, (Value(2.0),), "mine"))[1]
    assert (node.symbol, node.title) == ("mine", "")


def test_only_some_of_many_labels_are_listed():
    graph = Graph.capture(rustygrad.sum([Value(0.0, label=f"x{i:02}") for i in range(23)]))
    with pytest.raises(GraphError) as caught:
        graph.find("y")
    assert str(caught.value).endswith("'x18', 'x19' and 3 more")


def test_a_lazy_proxy_that_does_not_tell_what_it_is_is_passed_over():
    class Lazy:
        @property
        def __class__(self):
            raise RuntimeError("outside its context")

    x = Value(1.0)
    graph = Graph.capture(x * 2, names={"lazy": Lazy(), "x": x, "all": [Lazy(), x]})
    assert dict(graph.labels) == {0: "x"}
