import json
import math

import pytest
import rustygrad
from rustygrad import Graph
from rustygrad.errors import GraphError
from rustygrad.reference import Value


@pytest.fixture
def graph():
    model = rustygrad.MLP(2, [2, 1], activation="tanh", backend="python")
    x = Value(0.1, label="x")
    loss = model([x, 2.0]) ** 0.5 / (x - x) + Value(1.0, (x,), "mine") + math.inf * x
    loss.label = "loss"
    loss.backward()
    return Graph.capture(loss, x)


def test_a_graph_survives_json(graph):
    assert Graph.from_json(json.loads(json.dumps(graph.to_json(), allow_nan=False))) == graph


def test_a_graph_survives_a_file(graph, tmp_path):
    graph.save(tmp_path / "g.json")
    assert Graph.load(tmp_path / "g.json") == graph


def test_json_holds_names_and_paths_and_no_numbers_of_one_process():
    neuron = rustygrad.Layer(1, 1, nonlin=False, backend="python")
    out = neuron([Value(math.nan, label="x")])
    assert Graph.capture(out).to_json() == {
        "format": "rustygrad graph 1",
        "op": ["leaf", "leaf", "leaf", "dot"],
        "operands": [[], [], [], [0, 1, 2]],
        "attribute": ["nan"] * 4,
        "data": [0.0, neuron.neurons[0].w[0].data, "nan", "nan"],
        "grad": [0.0] * 4,
        "role": ["parameter", "parameter", "input", ""],
        "scope": ["", "", "", "neurons.0"],
        "labels": {"2": "x"},
        "names": {},
        "outputs": [3],
    }


MISSING = object()


@pytest.mark.parametrize(
    ("key", "item", "text"),
    [
        ("format", MISSING, "not a saved graph: KeyError: 'format'"),
        (
            "format", "onnx",
            "not a saved graph: ValueError: its format is 'onnx', not 'rustygrad graph 1'",
        ),
        ("op", ["leaf", "leaf", "magic"], "not a saved graph: KeyError: 'magic'"),
        (
            "data", [1.0, 2.0, "3"],
            "not a saved graph: ValueError: expected a number, not '3'",
        ),
        (
            "data", [1.0, 2.0, True],
            "not a saved graph: ValueError: expected a number, not True",
        ),
        (
            "role", ["input", "input", "weight"],
            "not a saved graph: ValueError: ",
        ),
        (
            "operands", [[], [], [0, -1]],
            "not a saved graph: OverflowError: ",
        ),
        ("operands", [[], [], [0, 2]], "node %2: operands [0, 2] do not all come before it"),
        (
            "outputs", ["a"],
            "not a saved graph: TypeError: ",
        ),
        ("outputs", [3], "output %3 is not one of the 3 nodes"),
        ("labels", {"9": "x"}, "labelled node %9 is not one of the 3 nodes"),
        ("labels", [], "not a saved graph: AttributeError: "),
        ("data", [1.0], "column 'data' has 1 of 3 rows"),
    ],
)  # fmt: skip
def test_a_record_that_is_no_graph_is_refused_with_the_reason(key, item, text):
    record = Graph.capture(Value(1.0) + Value(2.0)).to_json()
    record[key] = item
    if item is MISSING:
        del record[key]
    with pytest.raises(GraphError) as caught:
        Graph.from_json(record)
    assert str(caught.value).startswith(text)  # what follows are Python's own words
    assert len(str(caught.value)) == len(text) or text.endswith("Error: ")


@pytest.mark.parametrize("record", [None, [], 3, "graph"])
def test_another_kind_of_record_is_refused(record):
    with pytest.raises(GraphError, match=r"^not a saved graph: TypeError: "):
        Graph.from_json(record)


def test_a_file_that_is_no_json_is_refused(tmp_path):
    path = tmp_path / "g.json"
    path.write_text("digraph {}")
    with pytest.raises(GraphError) as caught:
        Graph.load(path)
    assert str(caught.value) == (
        f"{path} is not a saved graph: Expecting value: line 1 column 1 (char 0)"
    )


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "g.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(GraphError, match="is not a saved graph: 'utf-8' codec"):
        Graph.load(path)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Graph.load(tmp_path / "none.json")
