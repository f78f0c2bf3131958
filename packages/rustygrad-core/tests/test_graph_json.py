import json
import math

import pytest
import rustygrad
from rustygrad import Graph, modes
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
        "names": {"0": "neurons.0.b", "1": "neurons.0.w.0"},
        "repeats": {},
        "sources": {},
        "outputs": [3],
    }


def test_a_graph_that_was_saved_without_sources_has_none(graph):
    record = graph.to_json()
    del record["sources"]
    assert Graph.from_json(record) == graph


def test_sources_survive_json():
    with rustygrad.anomaly(raises=False):
        graph = Graph.capture(Value(1.0) + 2.0)
    assert graph.sources
    assert Graph.from_json(json.loads(json.dumps(graph.to_json()))) == graph


MISSING = object()


@pytest.mark.parametrize(
    ("key", "item", "text"),
    [
        ("format", MISSING, "its format is None, not 'rustygrad graph 1'"),
        ("format", "onnx", "its format is 'onnx', not 'rustygrad graph 1'"),
        ("labels", MISSING, "its 'labels' is missing"),
        ("labels", [], "its 'labels' is a list"),
        ("labels", {"9": "x"}, "labelled node %9 is not one of the 3 nodes"),
        ("labels", {"1": None}, "its 'labels' have None for '1', not text for an index"),
        ("repeats", {"9": [2]}, "repeated node %9 is not one of the 3 nodes"),
        ("repeats", {"1": 2}, "its 'repeats' have 2 for '1', not a list of counts for an index"),
        (
            "repeats",
            {"1": [0]},
            "its 'repeats' have [0] for '1', not a list of counts for an index",
        ),
        ("sources", [], "its 'sources' is a list"),
        ("sources", {"2": 3}, "its 'sources' have 3 for '2', not text for an index"),
        ("names", {"one": "x"}, "its 'names' have 'x' for 'one', not text for an index"),
        ("op", "leaf", "its 'op' is 'leaf'"),
        ("op", ["leaf", "leaf", "magic"], "node %2: there is no operation 'magic'"),
        ("op", ["leaf", 3, "add"], "node %1: its op is an object of type 'int', not text"),
        ("data", [1.0, 2.0, "3"], "its 'data': expected a number, not '3'"),
        ("data", [1.0, 2.0, True], "its 'data': expected a number, not True"),
        ("data", [1.0, 2.0, None], "its 'data': expected a number, not None"),
        (
            "grad", [1.0, 2.0, 10**400],
            "its 'grad': expected a number, not an integer too large for a float",
        ),
        ("data", [1.0], "column 'data' has 1 of 3 rows"),
        ("role", ["input", "input", "weight"], "node %2: there is no role 'weight'"),
        ("role", ["input", [], ""], "node %1: its role is a list, not text"),
        ("scope", ["", 7, ""], "node %1: its scope is an object of type 'int', not text"),
        ("operands", [[], [], [0, -1]], "the operands of node %2 are [0, -1], not a list of indices"),
        ("operands", [[], [], 3], "the operands of node %2 are 3, not a list of indices"),
        ("operands", [[], [], [0, 2]], "node %2: operands [0, 2] do not all come before it"),
        ("outputs", ["a"], "the outputs are ['a'], not a list of indices"),
        ("outputs", [3], "output %3 is not one of the 3 nodes"),
    ],
)  # fmt: skip
def test_a_record_that_is_no_graph_is_refused_with_the_reason(key, item, text):
    record = Graph.capture(Value(1.0) + Value(2.0)).to_json()
    record[key] = item
    if item is MISSING:
        del record[key]
    with pytest.raises(GraphError) as caught:
        Graph.from_json(record)
    assert str(caught.value) == f"not a saved graph: {text}"


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (None, "None"),
        ([], "a list"),
        (3, "an object of type 'int'"),
        ("graph", "'graph'"),
    ],
)
def test_another_kind_of_record_is_refused(record, text):
    with pytest.raises(GraphError) as caught:
        Graph.from_json(record)
    assert str(caught.value) == f"not a saved graph: expected a record, not {text}"


def test_a_refused_record_leaves_no_scopes_behind():
    record = Graph.capture(Value(1.0) + Value(2.0)).to_json()
    record["scope"] = ["never.seen.before", "", 3]
    before = len(modes._paths)
    with pytest.raises(GraphError):
        Graph.from_json(record)
    assert len(modes._paths) == before


def test_a_file_with_a_graph_that_makes_no_sense_is_named(tmp_path):
    path = tmp_path / "g.json"
    record = Graph.capture(Value(1.0) + Value(2.0)).to_json()
    path.write_text(json.dumps(record | {"outputs": [3]}))
    with pytest.raises(GraphError) as caught:
        Graph.load(path)
    assert str(caught.value) == f"{path} is not a saved graph: output %3 is not one of the 3 nodes"


def test_a_file_of_nested_brackets_is_refused(tmp_path):
    path = tmp_path / "g.json"
    path.write_text("[" * 100_000)
    with pytest.raises(GraphError) as caught:
        Graph.load(path)
    assert str(caught.value) == f"{path} is not a saved graph: its brackets are nested too deeply"


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


def test_a_graph_that_was_saved_before_there_were_repeats_is_read():
    graph = Graph.capture(Value(1.0) * 2)
    record = graph.to_json()
    del record["repeats"]
    assert Graph.from_json(record) == graph
