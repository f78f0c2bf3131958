"""The exporter of ``.html`` files: what it writes, without a browser."""

import io
import json
import math
import re
from base64 import b64decode

import pytest
import rustygrad
from hypothesis import example, given
from hypothesis import strategies as st
from rustygrad import MLP, Graph, Value
from rustygrad.errors import ArgumentError, GraphError, OptionError, PluginError
from rustygrad_graphviz import page as module
from rustygrad_graphviz.page import LARGEST, ROOTS, HtmlExporter, page

TEMPLATE = '<!doctype html><script type="application/json">@GRAPH@</script>@GRAPH@'


@pytest.fixture(autouse=True)
def _stub(monkeypatch):
    """The real page is built with npm; what stands around the graph does not matter here."""
    monkeypatch.setattr(module, "template", lambda: TEMPLATE)


def held(text):
    """The graph in a page."""
    return json.loads(re.fullmatch(r".*?json\">(.*)</script>@GRAPH@", text)[1])


def described(*roots, **options):
    return held(page(Graph.capture(*roots), **options))


def test_export_writes_the_page(tmp_path):
    path = rustygrad.export(Value(1.0, label="a") + 2.0, tmp_path / "g.html")
    assert held(path.read_text(encoding="ascii"))["labels"] == {"0": "a"}


def test_the_title_is_the_label_of_the_result_or_what_is_given():
    loss = Value(2.0) * 3.0
    loss.label = "loss"
    assert described(loss)["title"] == "loss"
    assert described(loss, title="My loss")["title"] == "My loss"


def test_it_says_whether_backward_has_run():
    loss = Value(2.0) * 3.0
    assert described(loss)["ran"] is False
    loss.backward()
    assert described(loss)["ran"] is True


def test_backward_is_played_with_the_gradient_that_it_was_called_with():
    loss = Value(2.0) * 3.0
    loss.backward(0.5)
    (sweep,) = described(loss)["sweeps"]
    assert (sweep["right"]["seed"], sweep["ran"]) == (0.5, True)


def test_a_result_that_another_one_uses_is_played_from_1():
    hidden = Value(2.0) * 3.0
    loss = hidden * 5.0
    loss.backward()
    sweeps = described(loss, hidden)["sweeps"]
    assert [(s["right"]["seed"], s["ran"]) for s in sweeps] == [(1.0, True), (1.0, False)]


def test_backward_is_played_from_the_first_results():
    x = Value(1.0)
    assert len(described(*[x * i for i in range(ROOTS + 3)])["sweeps"]) == ROOTS


def test_nan_and_inf_pass_as_text_and_bits():
    loss = Value(2.0) * 3.0
    loss.backward(float("inf"))
    (sweep,) = described(loss)["sweeps"]
    assert sweep["right"]["seed"] == "inf"


def test_nodes_that_were_drawn_together_say_how_many_they_are():
    graph = Graph.capture(rustygrad.sum([Value(1.0) * 2.0 for _ in range(5)])).collapse()
    assert [math.prod(node.repeats) for node in graph] == [5, 5, 5, 1]
    assert held(page(graph))["repeats"] == {"0": 5, "1": 5, "2": 5, "3": 1}


def test_expand_writes_reductions_out():
    loss = rustygrad.sum([Value(1.0), Value(2.0), Value(3.0)])
    assert described(loss)["symbols"] == ["", "sum"]
    assert described(loss, expand=True)["symbols"] == ["", "+"]


def test_formulas_come_from_the_op_table():
    assert described((Value(2.0) ** 2).tanh())["formulas"] == [
        "", "x ** n", "tanh(x)", "2 * x", "1 - out * out",
    ]  # fmt: skip


def test_an_opaque_node_has_its_name_and_no_formula():
    record = described(Value(3.0, (Value(1.0),), "mine"))
    assert record["symbols"] == ["", "mine"]
    assert record["formulas"] == [""]
    assert "recursion" not in record["sweeps"][0]


def test_it_says_which_data_no_longer_follow_from_their_operands(monkeypatch):
    model = MLP(2, [3, 1])
    loss = model([1.0, 1.0]) ** 2
    assert described(loss)["changed"] == {"count": 0, "now": {}}
    was = loss.data
    loss.data = 100.0
    record = described(loss)["changed"]
    assert record == {"count": 1, "now": {str(Graph.capture(loss).outputs[0]): was}}
    for parameter in model.parameters():
        parameter.data += 1.0
    changed = described(loss)["changed"]["count"]
    assert changed > 1
    monkeypatch.setattr(module, "LARGEST", 30)
    assert described(loss)["changed"]["count"] == changed


def test_what_expand_writes_out_has_not_been_changed():
    loss = rustygrad.sum([Value(1e16), Value(1.0), Value(-1e16)]) * 2.0
    assert described(loss, expand=True)["changed"] == {"count": 0, "now": {}}


def kinds(graph):
    return list(b64decode(held(page(graph))["op"]))


def test_what_has_no_formula_is_the_users_own_a_module_or_what_repeats():
    own = rustygrad.custom(lambda x: 2 * x, lambda g, out, x: 2 * g, "twice")
    graph = Graph.capture(own(MLP(2, [1])([1.0, 2.0])))
    assert set(kinds(graph)) == {0, 1, 2}
    assert kinds(graph.fold()) == [0, 0, 3, 2]
    repeats = Graph.capture(own(rustygrad.sum([Value(float(i)).tanh() for i in range(9)])))
    assert kinds(repeats.collapse()) == [0, 4, 4, 2]


def test_an_empty_graph_has_a_page():
    whole = Graph.capture(Value(1.0)).to_json()
    empty = {key: value for key, value in whole.items() if key == "format"}
    columns = {key: type(value)() for key, value in whole.items() if key != "format"}
    assert held(page(Graph.from_json(empty | columns)))["outputs"] == []


@given(st.text())
@example("<script>alert(1)</script>")
@example('"];</script><!--')
@example("\u2028\u2029\x00\ud800")
@example("@GRAPH@")
def test_no_text_of_the_user_leaves_the_block_of_json(text):
    value = Value(1.0, (Value(2.0, label=text),), text)
    written = page(Graph.capture(value), title=text)
    assert written.isascii()
    assert written.count("<") == TEMPLATE.count("<")
    record = held(written)
    assert record["title"] == text
    assert record["labels"] == ({"0": text} if text else {})
    assert record["symbols"] == list(dict.fromkeys(["", text]))


def test_a_title_is_text():
    with pytest.raises(ArgumentError, match="title is text, not 3"):
        described(Value(1.0), title=3)


def test_an_unknown_option_is_refused():
    message = "a .html file has no option 'colour'. It has: title, expand, names"
    with pytest.raises(OptionError, match=message):
        HtmlExporter().export(Graph.capture(Value(1.0)), io.BytesIO(), colour="red")


def ladder(steps):
    """Operations that do not repeat, each made of the one before."""
    x = Value(1.0)
    for _ in range(steps):
        x = x + x
    return Graph.capture(x)


def test_too_large_a_graph_is_refused_with_advice_that_helps(tmp_path):
    graph, path = ladder(LARGEST // 3 + 1), tmp_path / "g.html"
    with pytest.raises(GraphError) as caught:
        rustygrad.export(graph, path)
    assert str(caught.value) == (
        "a page holds 400,000 nodes and operands. This graph has 400,003, and 400,003 with modules "
        "folded and what repeats drawn once: give it a part, graph.slice(node, depth=20)"
    )
    assert not path.exists()
    assert rustygrad.export(graph.slice(graph[-1], depth=20), path).exists()


def test_a_graph_that_fits_when_it_is_folded_is_folded_and_says_so(monkeypatch):
    model = MLP(2, [3, 1])
    loss = sum(model([float(i), 1.0]) for i in range(4))
    loss.backward()
    graph = Graph.capture(loss)
    assert held(page(graph))["note"] == ""
    monkeypatch.setattr(module, "LARGEST", 30)
    record = held(page(graph))
    assert record["note"] == (
        f"{len(graph)} nodes are too many for one page; modules are folded, fold=1. "
        "To step through a part in full, export graph.slice(node)."
    )
    assert record["symbols"].count("layers") == 1
    assert record["ran"]


def test_what_repeats_is_one_node_where_folding_is_not_enough(monkeypatch):
    graph = Graph.capture(rustygrad.sum([Value(float(i)).tanh() for i in range(50)]))
    monkeypatch.setattr(module, "LARGEST", 100)
    record = held(page(graph))
    assert record["note"].startswith(
        "101 nodes are too many for one page; what repeats is drawn once, "
    )
    assert any("50" in label for label in record["labels"].values())


@pytest.fixture
def without_page(monkeypatch):
    monkeypatch.undo()

    class Nothing:
        def __truediv__(self, name):
            return self

        def read_text(self, encoding):
            raise FileNotFoundError

    monkeypatch.setattr(module, "files", lambda package: Nothing())


def test_without_the_page_the_error_says_what_to_install(without_page):
    with pytest.raises(PluginError, match=r"install node 18 or newer, then install rustygrad"):
        HtmlExporter()
