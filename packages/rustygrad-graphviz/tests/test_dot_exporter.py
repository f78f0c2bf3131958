"""The DOT text of a graph: what a picture says."""

import io
import math
import re

import pytest
import rustygrad
from rustygrad import Graph, Neuron, Value
from rustygrad.errors import ArgumentError, OptionError
from rustygrad_graphviz.dot import BANNER, DotExporter, dot
from rustygrad_graphviz.options import DIRECTIONS
from rustygrad_graphviz.palette import COLOURS, TROUBLE, fill


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


def test_an_operation_is_written_out_on_request():
    total = rustygrad.sum([Value(1.0), Value(2.0), Value(3.0)])
    assert drawn(total).count("shape=ellipse") == 1
    assert drawn(total, expand=True).count("shape=ellipse") == 2


def test_an_operand_used_twice_has_two_edges():
    a = Value(3.0)
    assert drawn(a * a).count("n0 -> n1op;") == 2


def test_an_operand_used_very_often_has_one_edge_that_says_how_often():
    a = Value(3.0)
    text = drawn(rustygrad.sum([a] * 1234))
    assert text.count("n0 -> n1op") == 1
    assert 'n0 -> n1op [label="1,234 times"];' in text


def test_operands_are_numbered_where_their_order_matters():
    a, b = Value(3.0), Value(2.0)
    text = drawn(a - b)
    assert "n0 -> n2op [headlabel=1," in text
    assert "n1 -> n2op [headlabel=2," in text
    assert "headlabel" not in drawn(a + b)


@pytest.fixture
def each_kind():
    neuron = Neuron(1)
    return neuron([Value(2.0)]) * 3.0


def kinds(graph):
    return {n.index: n.role or ("output" if n.index in graph.outputs else "") for n in graph}


def test_colours_tell_inputs_parameters_constants_and_outputs_apart(each_kind):
    graph = Graph.capture(each_kind)
    text = drawn(each_kind, backward=False)
    for index, kind in kinds(graph).items():
        assert f'fillcolor="{COLOURS[kind][0]}"' in line_of(text, f"n{index}")
    assert set(kinds(graph).values()) == set(COLOURS)


def test_borders_tell_them_apart_where_colours_do_not(each_kind):
    text = drawn(each_kind)
    borders = {
        kind: line_of(text, f"n{index}").partition(", fillcolor")[0].partition("[")[2]
        for index, kind in kinds(Graph.capture(each_kind)).items()
        if kind
    }
    assert len(set(borders.values())) == len(borders) == 4


def test_a_leaf_that_was_captured_keeps_its_own_colour():
    assert COLOURS["input"][0] in line_of(drawn(Value(1.0), backward=False), "n0")


def test_a_larger_gradient_is_darker():
    a, b = Value(1.0), Value(1.0)
    text = drawn(a * 2.0 + b * 200.0)
    assert COLOURS["input"][1] in line_of(text, "n3")  # b, with the largest gradient
    shades = [
        sum(bytes.fromhex(fill("input", g, 200.0)[1:])) for g in (0.0, 0.001, 2.0, 20.0, 200.0)
    ]
    assert shades == sorted(set(shades), reverse=True)
    assert fill("input", 2.0, 200.0) in line_of(text, "n0")


def luminance(colour):
    """Relative luminance as the Web Content Accessibility Guidelines define it."""
    channels = [c / 255 for c in bytes.fromhex(colour[1:])]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", [c for pair in COLOURS.values() for c in pair])
def test_black_text_is_legible_on_every_colour(colour):
    assert (luminance(colour) + 0.05) / 0.05 >= 7.0  # the guidelines' level AAA


@pytest.mark.parametrize("gradient", [math.inf, -math.inf, math.nan, 5e-324, 1e308])
def test_a_gradient_of_any_size_has_a_colour(gradient):
    for largest in (0.0, 5e-324, 1.0, 1e308):
        assert re.fullmatch("#[0-9a-f]{6}", fill("output", gradient, largest))


def test_what_is_not_finite_stands_out():
    text = drawn(Value(0.0, label="x").log() + 1)
    assert f'color="{TROUBLE}"' in line_of(text, "n0")  # its gradient is infinite
    assert "grad inf" in line_of(text, "n0")
    assert "data -inf" in line_of(text, "n1")
    assert TROUBLE not in line_of(text, "n2")


def test_the_legend_names_the_kinds_that_are_there():
    a = Value(1.0)
    (legend,) = [line for line in drawn(a * a).splitlines() if "darker" in line]
    assert "input" in legend
    assert "output" in legend
    assert "parameter" not in legend
    assert "constant" not in legend


def test_there_is_no_heading_where_nothing_is_to_be_said():
    assert "labelloc" in drawn(Value(1.0))
    assert "labelloc" not in drawn(Value(1.0), legend=False)


def test_a_long_label_is_cut_in_the_middle():
    path = "encoder.layers.0.attention.heads.0.projection.layers.0.neurons.3.w.{}"
    text = drawn(Value(1.0, label=path.format(0)) * Value(2.0, label=path.format(1)))
    for k in (0, 1):
        shown = f"encoder.layers.0.att…ads.0.projection.layers.0.neurons.3.w.{k}"
        assert len(shown) == 60
        assert f"{{ {shown} | data" in text


def test_a_hand_built_node_is_joined_to_its_operands_by_a_dashed_operation():
    a, b = Value(1.0), Value(2.0)
    text = drawn(Value(3.0, (a, b)))
    assert "dashed" in line_of(text, "n2op")
    assert 'label="?"' in line_of(text, "n2op")
    assert "n0 -> n2op" in text
    assert "n1 -> n2op" in text


def test_a_custom_operation_shows_its_name():
    twice = rustygrad.custom(lambda x: 2 * x, lambda g, out, x: 2 * g, "twice")
    assert 'label="twice"' in line_of(drawn(twice(Value(1.0))), "n1op")


def test_a_banner_says_that_every_gradient_is_0_and_what_that_may_mean():
    assert BANNER == "every gradient is 0: backward() has not run, or handed nothing on"
    a = Value(2.0)
    assert BANNER in drawn(a * a, backward=False)
    assert BANNER not in drawn(a * a)


def test_the_banner_is_true_below_a_dead_relu_too():
    x, w, v = Value(1.0), Value(-2.0), Value(3.0)
    pre = x * w
    pre.label = "pre"
    out = pre.relu() + v * 3
    out.backward()
    graph = Graph.capture(out)
    assert BANNER not in dot(graph)
    assert BANNER in dot(graph.slice(graph.find("pre")))
    assert BANNER in dot(Graph.capture(pre))


def test_there_is_no_banner_where_what_is_drawn_once_stands_for_some_that_have_a_gradient():
    samples = [Value(-1.0 if i == 0 else 1.0) * 2 for i in range(100)]
    rustygrad.sum([sample.relu() for sample in samples]).backward()
    text = dot(Graph.capture(*samples))
    assert "× 100" in text
    assert BANNER not in text


def test_no_such_banner_where_all_gradients_are_nan():
    assert BANNER not in drawn(Value(math.nan) * math.nan)


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
        ({"expand": 1}, "expand is True or False, not 1"),
        ({"legend": None}, "legend is True or False, not None"),
        ({"fold": 0}, "fold is None, True, False or a whole number from 1 up, not 0"),
        ({"fold": "a"}, "fold is None, True, False or a whole number from 1 up, not 'a'"),
        ({"page": 0}, "page is a whole number from 1 up, not 0"),
        ({"timeout": 0}, "timeout is a number of seconds above 0 and up to 86,400, a day, not 0"),
        (
            {"timeout": math.inf},
            "timeout is a number of seconds above 0 and up to 86,400, a day, not inf",
        ),
        (
            {"timeout": "1"},
            "timeout is a number of seconds above 0 and up to 86,400, a day, not '1'",
        ),
    ],
)
def test_an_option_that_makes_no_sense_is_an_error(options, message):
    with pytest.raises(ArgumentError, match=f"^{re.escape(message)}$"):
        drawn(Value(1.0), **options)


def test_an_option_that_does_not_exist_is_refused():
    with pytest.raises(
        OptionError, match=r"a \.dot file has no option 'colour'\. It has: rankdir, "
    ):
        DotExporter().export(Graph.capture(Value(1.0)), io.BytesIO(), colour="red")
