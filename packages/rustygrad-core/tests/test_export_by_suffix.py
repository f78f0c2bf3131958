import pytest
import rustygrad
from rustygrad import Graph, export
from rustygrad.building import Builder
from rustygrad.errors import ArgumentError, GraphError, UnknownNameError
from rustygrad.plugins import Offer
from rustygrad.reference import Value


class TextExporter:
    name = "txt"

    def export(self, graph, stream, *, title=""):
        stream.write(f"{title}{len(graph)}".encode())


@pytest.fixture
def _text(nothing_selected):
    plugin = nothing_selected.plugins[0]
    nothing_selected.offers.append(Offer("exporter", "txt", plugin, TextExporter, None))


@pytest.mark.usefixtures("_text")
def test_the_suffix_picks_the_exporter(tmp_path):
    path = export(Value(1.0) + 2, tmp_path / "g.TXT", title="nodes: ")
    assert path == tmp_path / "g.TXT"
    assert path.read_text() == "nodes: 3"


@pytest.mark.usefixtures("_text")
def test_a_graph_is_exported_as_it_is(tmp_path):
    path = export(Graph.capture(Value(1.0)), str(tmp_path / "g.txt"))
    assert path.read_text() == "1"


@pytest.mark.usefixtures("_text")
def test_an_option_that_the_exporter_has_not_leaves_no_file(tmp_path):
    with pytest.raises(TypeError):
        export(Value(1.0), tmp_path / "g.txt", colour="red")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_text")
def test_something_else_than_a_value_is_refused(tmp_path):
    with pytest.raises(GraphError) as caught:
        export(3.0, tmp_path / "g.txt")
    assert str(caught.value) == "Graph.capture() takes Values, not 3.0"


def test_a_path_without_a_suffix_is_refused():
    with pytest.raises(ArgumentError) as caught:
        rustygrad.export(Value(1.0), "graph")
    assert str(caught.value) == "'graph' has no suffix to pick an exporter by, such as '.dot'"


@pytest.mark.usefixtures("_text")
def test_an_unknown_suffix_is_answered_with_what_is_near_and_what_can_be_installed():
    with pytest.raises(UnknownNameError) as caught:
        export(Value(1.0), "folder/g.tex")
    assert str(caught.value) == (
        "export(..., 'g.tex'): no such exporter. Installed: 'c', 'py', 'txt'. Did you mean 'txt'? "
        "For 'dot', 'html', 'pdf', 'png', 'svg': pip install rustygrad-graphviz"
    )


class LabelsExporter:
    name = "txt"

    def export(self, graph, stream):
        stream.write(" ".join(graph.labels.values()).encode())


@pytest.fixture
def _labels(nothing_selected):
    plugin = nothing_selected.plugins[0]
    nothing_selected.offers.append(Offer("exporter", "txt", plugin, LabelsExporter, None))


@pytest.mark.usefixtures("_labels")
def test_names_reach_the_graph_that_is_exported(tmp_path):
    x = Value(1.0)
    y = x * 2
    assert export(y, tmp_path / "g.txt", names=locals()).read_text() == "x y"


@pytest.mark.usefixtures("_labels")
def test_names_for_a_graph_are_refused(tmp_path):
    with pytest.raises(ArgumentError) as caught:
        export(Graph.capture(Value(1.0)), tmp_path / "g.txt", names={})
    assert str(caught.value) == (
        "a Graph has its names: give them to Graph.capture(..., names=...)"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_suffix_of_a_package_that_is_not_installed_is_answered_with_its_name(nothing_selected):
    with pytest.raises(UnknownNameError) as caught:
        export(Value(1.0), "g.SVG")
    assert str(caught.value) == (
        "export(..., 'g.SVG'): no such exporter. Installed: 'c', 'py'. "
        "Install it with: pip install rustygrad-graphviz"
    )


@pytest.mark.usefixtures("_text")
def test_a_graph_without_nodes_is_refused(tmp_path):
    with pytest.raises(GraphError) as caught:
        export(Builder().build([]), tmp_path / "g.txt")
    assert str(caught.value) == "the graph has no nodes: there is nothing to export"
    assert list(tmp_path.iterdir()) == []


class Never:
    name = "txt"

    def export(self, graph, stream):
        raise AssertionError("it was asked for nothing")


@pytest.mark.parametrize("place", ["missing/g.txt", "file/g.txt", "folder.txt"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_drawn(
    nothing_selected, tmp_path, place
):
    plugin = nothing_selected.plugins[0]
    nothing_selected.offers.append(Offer("exporter", "txt", plugin, Never, None))
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(OSError) as caught:
        export(Value(1.0), tmp_path / place)
    assert caught.value.filename == str(tmp_path / place)


def test_a_value_whose_backend_is_no_longer_offered_is_exported(nothing_selected, tmp_path):
    value = Value(1.0) + 2
    plugin = nothing_selected.plugins[0]
    nothing_selected.offers[:] = [Offer("exporter", "txt", plugin, TextExporter, None)]
    assert export(value, tmp_path / "g.txt").read_text() == "3"


@pytest.mark.parametrize("path", [None, 5, b"a.dot", "a\0.dot", "\ud800.dot"])
def test_what_can_be_no_path_is_refused(path):
    with pytest.raises(ArgumentError) as caught:
        export(Value(1.0), path)
    assert str(caught.value) == (
        f"export() writes to a path, such as 'graph.svg', not to {path!r:.60}"
    )


def test_a_list_of_values_is_refused_in_a_line_with_advice(tmp_path):
    with pytest.raises(GraphError) as caught:
        export([Value(float(i)) for i in range(1000)], tmp_path / "g.py")
    assert str(caught.value).endswith(": give them one by one, Graph.capture(*values)")
    assert len(str(caught.value)) < 200
