"""What IPython is given of a Value and of a Graph."""

import sys

import pytest
from rustygrad import Graph
from rustygrad.notebook import mimebundle
from rustygrad.plugins import Offer
from rustygrad.reference import Value

SVG = "image/svg+xml"


class SvgExporter:
    name = "svg"

    def export(self, graph, stream):
        stream.write(f"<svg>ä {len(graph)}</svg>".encode())


class Failing:
    name = "svg"

    def export(self, graph, stream):
        raise MemoryError


def offer(registry, exporter):
    registry.offers.append(Offer("exporter", "svg", registry.plugins[0], exporter, None))


@pytest.fixture
def _svg(nothing_selected):
    offer(nothing_selected, SvgExporter)


@pytest.mark.usefixtures("_svg")
def test_a_value_shows_its_text_and_its_picture():
    assert (Value(1.0) + 2)._repr_mimebundle_() == {
        "text/plain": "Value(data=3.0, grad=0.0)",
        SVG: "<svg>ä 3</svg>",
    }


@pytest.mark.usefixtures("_svg")
def test_a_graph_shows_its_text_and_its_picture():
    graph = Graph.capture(Value(1.0))
    assert graph._repr_mimebundle_() == {"text/plain": repr(graph), SVG: "<svg>ä 1</svg>"}


def test_where_no_exporter_is_installed_the_text_stands_alone(nothing_selected):
    assert mimebundle(Value(1.0)) == {"text/plain": "Value(data=1.0, grad=0.0)"}


def test_where_the_exporter_fails_the_text_stands_alone(nothing_selected):
    offer(nothing_selected, Failing)
    assert list(mimebundle(Value(1.0))) == ["text/plain"]


@pytest.mark.usefixtures("_svg")
@pytest.mark.parametrize(
    ("include", "exclude", "pictured"),
    [
        (None, None, True),
        ([], [], True),
        ([SVG], None, True),
        (["text/plain"], None, False),
        (None, [SVG], False),
        (None, ["text/html"], True),
    ],
)
def test_no_picture_is_drawn_that_is_not_wanted(include, exclude, pictured):
    assert (SVG in mimebundle(Value(1.0), include, exclude)) == pictured


class Shell:
    """What `IPython.get_ipython()` gives, as far as it matters."""

    def __init__(self, *active):
        self.display_formatter = type("Formatter", (), {"active_types": list(active)})


@pytest.mark.usefixtures("_svg")
@pytest.mark.parametrize(
    ("shell", "pictured"),
    [
        (Shell("text/plain"), False),
        (Shell("text/plain", SVG), True),
        (None, True),
        (object(), True),
    ],
    ids=["terminal", "notebook", "no shell", "another shell"],
)
def test_no_picture_is_drawn_in_a_terminal(monkeypatch, shell, pictured):
    ipython = type("IPython", (), {"get_ipython": staticmethod(lambda: shell)})
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert (SVG in mimebundle(Value(1.0))) == pictured
