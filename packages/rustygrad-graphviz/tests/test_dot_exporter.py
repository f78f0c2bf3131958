"""The exporter of ``.dot`` files: what a picture says, and that nothing breaks its syntax."""

import io
import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
import rustygrad
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rustygrad import Graph, Neuron, Value
from rustygrad.errors import ArgumentError, RustygradError, UnknownNameError
from rustygrad_graphviz.dot import COLOURS, DIRECTIONS, DotExporter, dot

needs_graphviz = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
BANNER = "backward() has not run"


def drawn(*roots, backward=True, **options):
    if backward:
        roots[0].backward()
    return dot(Graph.capture(*roots), **options)


def line_of(text, name):
    (line,) = [line for line in text.splitlines() if line.startswith(f"  {name} [")]
    return line


def test_a_value_is_a_record_of_label_data_and_grad():
    text = drawn(Value(2.0, label="a") * 3.0)
    assert 'label="{ a | data 2.0000 | grad 3.0000 }"' in line_of(text, "n0")


def test_a_value_without_a_label_shows_data_and_grad():
    assert 'label="{ data 6.0000 | grad 1.0000 }"' in line_of(drawn(Value(2.0) * 3.0), "n2")


def test_the_operation_is_a_node_of_its_own_between_operands_and_result():
    text = drawn(Value(2.0) * 3.0)
    assert 'label="*"' in line_of(text, "n2op")
    edges = [line.strip() for line in text.splitlines() if "->" in line]
    assert edges == ["n2op -> n2;", "n0 -> n2op;", "n1 -> n2op;"]


def test_an_operand_used_twice_has_two_edges():
    a = Value(3.0)
    assert drawn(a * a).count("n0 -> n1op;") == 2


def test_operands_are_numbered_where_their_order_matters():
    a, b = Value(3.0), Value(2.0)
    text = drawn(a - b)
    assert "n0 -> n2op [headlabel=1," in text
    assert "n1 -> n2op [headlabel=2," in text
    assert "headlabel" not in drawn(a + b)


def test_colours_tell_inputs_parameters_constants_and_outputs_apart():
    neuron = Neuron(1)
    result = neuron([Value(2.0)]) * 3.0
    graph = Graph.capture(result)
    text = drawn(result)
    expected = {node.index: COLOURS[node.role] for node in graph}
    expected[graph.outputs[0]] = COLOURS["output"]
    for index, colour in expected.items():
        assert f'fillcolor="{colour}"' in line_of(text, f"n{index}")
    assert set(expected.values()) == set(COLOURS.values())


def test_a_leaf_that_was_captured_keeps_its_own_colour():
    assert COLOURS["input"] in line_of(drawn(Value(1.0)), "n0")


def test_a_hand_built_node_is_joined_to_its_operands_by_a_dashed_operation():
    a, b = Value(1.0), Value(2.0)
    text = drawn(Value(3.0, (a, b)))
    assert "style=dashed" in line_of(text, "n2op")
    assert 'label="?"' in line_of(text, "n2op")
    assert "n0 -> n2op" in text
    assert "n1 -> n2op" in text


def test_a_custom_operation_shows_its_name():
    twice = rustygrad.custom(lambda x: 2 * x, lambda g, out, x: 2 * g, "twice")
    assert 'label="twice"' in line_of(drawn(twice(Value(1.0))), "n1op")


def test_a_banner_says_that_backward_has_not_run():
    a = Value(2.0)
    assert BANNER in drawn(a * a, backward=False)
    assert BANNER not in drawn(a * a)


def test_results_lie_to_the_right_by_default():
    assert "rankdir=LR;" in drawn(Value(1.0) + 1)


@pytest.mark.parametrize("rankdir", DIRECTIONS)
def test_a_direction_can_be_chosen(rankdir):
    assert f"rankdir={rankdir};" in drawn(Value(1.0) + 1, rankdir=rankdir)


@pytest.mark.parametrize(
    ("number", "digits", "shown"),
    [
        (1.0, 0, "1"),
        (1 / 3, 2, "0.33"),
        (-0.0, 1, "-0.0"),
        (1e-12, 4, "1.0000e-12"),
        (1e300, 2, "1.00e+300"),
        (float("inf"), 4, "inf"),
        (float("nan"), 4, "nan"),
    ],
)
def test_numbers_are_short_and_never_all_zeros(number, digits, shown):
    assert f"data {shown} |" in drawn(Value(number), digits=digits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rankdir": "lr"}, "rankdir is one of LR, TB, RL, BT, not 'lr'"),
        ({"rankdir": None}, "rankdir is one of LR, TB, RL, BT, not None"),
        ({"digits": -1}, "digits is a whole number from 0 to 17, not -1"),
        ({"digits": 18}, "digits is a whole number from 0 to 17, not 18"),
        ({"digits": 2.5}, "digits is a whole number from 0 to 17, not 2.5"),
    ],
)
def test_an_option_that_makes_no_sense_is_an_error(options, message):
    with pytest.raises(ArgumentError, match=f"^{re.escape(message)}$"):
        drawn(Value(1.0), **options)


def test_an_option_that_does_not_exist_is_a_type_error():
    with pytest.raises(TypeError, match="colour"):
        DotExporter().export(Graph.capture(Value(1.0)), io.BytesIO(), colour="red")


# --- export() ---


def test_export_picks_the_exporter_by_suffix(tmp_path):
    path = rustygrad.export(Value(2.0, label="ä") * 3.0, tmp_path / "g.DOT", rankdir="TB")
    assert path == tmp_path / "g.DOT"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("digraph rustygrad {\n  rankdir=TB;")
    assert "{ ä | data" in text


def test_export_takes_a_graph_too(tmp_path):
    graph = Graph.capture(Value(2.0) * 3.0)
    path = rustygrad.export(graph, str(tmp_path / "g.dot"))
    assert path.read_text(encoding="utf-8") == dot(graph)


def test_export_to_an_unknown_suffix_says_which_are_known(tmp_path):
    with pytest.raises(
        UnknownNameError, match=r"no such exporter\. Installed: 'dot', .*Did you mean 'dot'\?$"
    ):
        rustygrad.export(Value(1.0), tmp_path / "g.dop")
    assert not list(tmp_path.iterdir())


def test_export_without_a_suffix_is_an_error(tmp_path):
    with pytest.raises(ArgumentError, match="has no suffix"):
        rustygrad.export(Value(1.0), tmp_path / "g")


def test_a_failed_export_leaves_the_old_file(tmp_path):
    path = tmp_path / "g.dot"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RustygradError):
        rustygrad.export(Value(1.0), path, rankdir="up")
    assert [p.read_text(encoding="utf-8") for p in tmp_path.iterdir()] == ["old"]


def test_the_plugin_is_known_by_its_distribution():
    (status,) = [s for s in rustygrad.backends("exporter") if s.name == "dot"]
    assert status.distribution == "rustygrad-graphviz"
    assert status.status in ("installed", "loaded")


# --- Graphviz reads back what was written ---

nasty = st.text(st.sampled_from('{}|<>"\\&; \n\t\x00\u200b#[]nlrNa&lt;ä漢🦀') | st.characters())


def shown(text):
    """What a reader sees: control characters by their escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def seen_in_svg(text):
    svg = subprocess.run(
        ["dot", "-Tsvg"], input=text.encode("utf-8"), capture_output=True, check=True, timeout=60
    )
    assert svg.stderr.decode() == ""
    root = ElementTree.fromstring(svg.stdout)
    return [t.text.replace("\xa0", " ") for t in root.iter("{http://www.w3.org/2000/svg}text")]


@needs_graphviz
@settings(max_examples=40, deadline=None)
@given(st.lists(nasty.filter(lambda text: shown(text).strip() and "\xa0" not in text), min_size=1))
@example(
    ["a&lt;b", r"\N", r"a\nb", "{a|<b>}", 'say "hi"', "line\nbreak", "  two  spaces ", "\\", "¡ 0"]
)
def test_graphviz_shows_every_label_as_it_is(labels):
    texts = seen_in_svg(drawn(rustygrad.sum([Value(1.0, label=text) for text in labels])))
    for label in labels:
        assert any(shown(label).strip() == text.strip() for text in texts)


@needs_graphviz
@settings(max_examples=20, deadline=None)
@given(nasty.filter(lambda text: shown(text).strip() and "\xa0" not in text))
def test_graphviz_shows_every_operation_name_as_it_is(name):
    texts = seen_in_svg(drawn(Value(1.0, (Value(1.0),), name)))
    assert shown(name).strip() in [text.strip() for text in texts]
