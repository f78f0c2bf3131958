"""Graphs as Python: the text runs alone, with the bits of the graph."""

import ast
import math
import subprocess
import sys
import tokenize
from io import BytesIO

import pytest
import rustygrad
from hypothesis import given
from hypothesis import strategies as st
from rustygrad import Graph, export
from rustygrad.errors import GraphError, OptionError
from rustygrad.ops import OPS, POW
from rustygrad.reference import Value
from rustygrad.sources import python, python_source
from rustygrad_conformance.strategies import EXTREME, MODERATE, programs


def run(text):
    """The names that a module has once it was imported."""
    names = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec", dont_inherit=True), names)
    return names


def bits(numbers):
    return [repr(float(x)) for x in numbers]


@given(st.sampled_from([EXTREME, MODERATE]).flatmap(programs))
def test_outputs_and_gradients_have_the_bits_of_eager(program):
    variables = program.run(rustygrad.get_backend("python"))
    root = variables[program.names[-1]]
    graph = Graph.capture(root)
    inputs = graph.leaves("input")
    names = run(python_source(graph))
    numbers = [node.data for node in inputs]
    assert bits([names["forward"](*numbers)]) == bits([root.data])
    if inputs:
        assert bits(names["gradient"](*numbers)) == bits(node.grad for node in inputs)


def test_other_numbers_give_what_eager_gives_for_them():
    def compute(a, b):
        return rustygrad.maximum(a, b).tanh() / a + (a - b).relu() ** 3

    names = run(python_source(compute(Value(1.0), Value(2.0))))
    for x, y in [(2.0, -1.0), (0.0, 0.5), (3, 1), (1e200, -1e200), (math.nan, 1.0)]:
        a, b = Value(x), Value(y)
        root = compute(a, b)
        root.backward()
        assert bits([names["forward"](x, y)]) == bits([root.data])
        assert bits(names["gradient"](x, y)) == bits([a.grad, b.grad])


@pytest.mark.parametrize(
    ("number", "text"), [(math.inf, "math.inf"), (-math.inf, "-math.inf"), (math.nan, "math.nan")]
)
def test_a_constant_that_is_not_finite_is_written_by_its_name_in_math(number, text):
    source = python_source(Value(2.0, label="a") * number)
    assert f"a * {text}" in source
    assert bits([run(source)["forward"](2.0)]) == bits([number])


@pytest.mark.parametrize("op", OPS.values(), ids=repr)
def test_every_operation_is_written_with_the_forward_of_the_table(op):
    count = op.arity or 3
    leaves = [Value(x) for x in (0.75, 0.5, 0.25)[:count]]
    root = rustygrad.get_backend("python").apply(op, leaves, 3.0 if op is POW else None)
    names = run(python_source(root, wrt=[]))
    assert bits([names["forward"](*(v.data for v in leaves))]) == bits([root.data])


def test_an_operation_without_a_spelling_is_noticed():
    inline = {"add", "sub", "mul", "neg", "pow", "sum", "mean", "dot", "where", "greater", "equal"}
    assert set(OPS) == inline | set(python._Python.functions)


def test_the_text_is_what_a_person_would_write():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    loss = (a * b + 10).relu() * a
    loss.label = "loss"
    assert (
        python_source(loss).partition("\n\n\n")[2]
        == """\
def _relu(x: float) -> float:
    return 0.0 if x <= 0.0 else x


def forward(a, b):
    a = float(a)
    b = float(b)
    loss = _relu(a * b + 10.0) * a
    return loss


def gradient(a, b):
    a = float(a)
    b = float(b)
    v4 = a * b + 10.0
    v5 = _relu(v4)
    loss = v5 * a
    # backward
    d_v4 = a if v4 > 0.0 else 0.0
    return [
        0.0 + (v5 + b * d_v4),  # a
        0.0 + a * d_v4,  # b
    ]


if __name__ == "__main__":
    captured = [2.0, -3.0]
    print("forward", forward(*captured))
    print("gradient", gradient(*captured))
"""
    )


def test_the_module_says_what_it_is():
    a, b = Value(2.0, label="a"), Value(-3.0)
    text = run(python_source(a * b))["__doc__"]
    assert text.startswith("A graph of 3 nodes, written as Python by rustygrad ")
    assert "forward: v2 from a, x1.\n" in text
    assert "gradient: of v2 with respect to a, x1.\n" in text


def test_run_as_a_program_it_prints_the_captured_numbers(tmp_path):
    a = Value(2.0, label="a")
    path = export(a * a / 3, tmp_path / "f.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", path], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"forward {4.0 / 3.0!r}\ngradient [{4.0 / 3.0!r}]\n"


def test_it_imports_the_standard_library_alone():
    xs = [Value(0.5), Value(0.7)]
    root = rustygrad.logsumexp(xs) + rustygrad.minimum(xs) / xs[0] + xs[1].sigmoid().sqrt().log()
    modules = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(python_source(root)))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert modules == {"math", "operator", "typing", "collections.abc"}


def test_a_graph_of_arithmetic_needs_no_import_and_no_helper():
    a = Value(2.0)
    tree = ast.parse(python_source(rustygrad.dot([a, a], [a, 3.0]) - 2))
    kinds = [type(node).__name__ for node in tree.body]
    assert kinds == ["Expr", "FunctionDef", "FunctionDef", "If"]


# --- labels -------------------------------------------------------------------

NASTY = [
    '"""',
    "'''",
    "a\nb",
    "\\",
    "a\\",
    "# x",
    "*/",
    "",
    " ",
    "1st",
    "\u202e",
    "\ud800",
    "größe",
]


@pytest.mark.parametrize("label", [*NASTY, "class", "None", "math", "p", "parameters", "forward"])
def test_a_label_cannot_break_the_text(label):
    a = Value(2.0, label=label)
    b = a * 3
    b.label = label
    names = run(python_source(b + a))
    assert names["forward"](5.0) == 20.0
    assert names["gradient"](5.0) == [4.0]


@given(st.text(), st.text())
def test_any_two_labels_are_two_names(one, other):
    a, b = Value(2.0, label=one), Value(3.0, label=other)
    product = a - b
    product.label = one
    names = run(python_source(product + a))
    assert names["forward"](5.0, 1.0) == 9.0
    assert names["gradient"](5.0, 1.0) == [2.0, -1.0]


def test_a_label_is_on_the_line_of_its_node():
    a = Value(2.0)
    b = a * 3
    b.label = "three times\nas much"
    line = "    three_times_as_much = x0 * 3.0  # 'three times\\nas much'\n"
    assert line in python_source(b + a)


def test_a_long_label_is_cut():
    a = Value(2.0, label="n" * 10_000)
    assert len(python_source(a + 1)) < 1500


def test_labels_in_thousands_stay_apart():
    root = rustygrad.sum([Value(1.0, label="x") for _ in range(3000)])
    assert run(python_source(root))["forward"](*[1.0] * 3000) == 3000.0


# --- what may be asked for ----------------------------------------------------


def test_several_outputs_are_a_tuple():
    a = Value(2.0)
    names = run(python_source(Graph.capture(a * 3, a, a + 1)))
    assert names["forward"](2.0) == (6.0, 2.0, 3.0)
    assert names["gradient"](2.0) == [3.0]


def test_many_outputs_are_a_tuple_too():
    a = Value(2.0)
    names = run(python_source(Graph.capture(*(a + n for n in range(100)))))
    assert names["forward"](1.0) == tuple(1.0 + n for n in range(100))


def test_another_output_may_be_differentiated():
    a = Value(2.0)
    graph = Graph.capture(a * 3, a * a)
    assert run(python_source(graph, of=graph.outputs[1]))["gradient"](5.0) == [10.0]


def test_nodes_are_asked_for_by_label_index_or_as_such():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    c = a * b
    c.label = "c"
    graph = Graph.capture(c * c)
    names = run(python_source(graph, wrt=["c", 0, graph.find("b")]))
    assert names["gradient"](2.0, 3.0) == [12.0, 36.0, 24.0]


def test_without_anything_to_differentiate_by_there_is_no_gradient():
    assert "gradient" not in run(python_source(Value(2.0) * 3, wrt=[]))


def test_a_leaf_is_its_own_output():
    names = run(python_source(Value(2.0)))
    assert names["forward"](7.0) == 7.0
    assert names["gradient"](7.0) == [1.0]


def test_an_input_that_nothing_depends_on_has_the_gradient_0():
    a, b = Value(2.0), Value(3.0)
    assert run(python_source(Graph.capture(a * 2, b)))["gradient"](1.0, 1.0) == [2.0, 0.0]


def test_a_graph_without_inputs_is_a_number():
    graph = Graph.capture(Value(2.0) * 3)
    constants = Graph.from_json(graph.to_json() | {"role": ["constant", "constant", ""]})
    names = run(python_source(constants))
    assert names["forward"]() == 6.0
    assert "gradient" not in names


def test_an_opaque_node_is_refused():
    a = Value(1.0)
    with pytest.raises(GraphError) as caught:
        python_source(Value(1.0, (a,), "mine") * 2)
    assert str(caught.value) == (
        "cannot write out the opaque node %1 'mine': it was built by hand, by custom(), "
        "fold() or collapse(), and no operation of the table says what it computes"
    )


def test_a_graph_without_outputs_is_refused():
    graph = Graph.capture(Value(1.0)).differentiate([])
    with pytest.raises(GraphError) as caught:
        python_source(graph)
    assert str(caught.value) == "the graph has no outputs, so there is nothing to write out"


@pytest.mark.parametrize("wrt", ["a", 0])
def test_a_lone_node_is_no_list_of_nodes(wrt):
    with pytest.raises(GraphError, match=r"^wrt is a list of nodes, indices or labels, not "):
        python_source(Value(1.0, label="a") * 2, wrt=wrt)


def test_a_label_that_no_node_has_is_refused():
    with pytest.raises(GraphError) as caught:
        python_source(Value(1.0, label="a") * 2, wrt=["b"])
    assert str(caught.value) == "0 nodes are labelled 'b'; the labels are: 'a'"


@pytest.mark.parametrize(
    ("suffix", "option", "message"),
    [
        ("py", "colour", "a .py file has no option 'colour'. It has: wrt, of, names"),
        ("c", "prefx", "a .c file has no option 'prefx'. Did you mean 'prefix'? It has: wrt, of, prefix, names"),
        ("c", "name", "a .c file has no option 'name'. Did you mean 'names'? It has: wrt, of, prefix, names"),
    ],
)  # fmt: skip
def test_an_unknown_option_names_the_known_ones_and_leaves_no_file(
    tmp_path, suffix, option, message
):
    with pytest.raises(OptionError) as caught:
        export(Value(1.0), tmp_path / f"f.{suffix}", **{option: "red"})
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_the_derivative_of_a_derivative_is_exported_too():
    x = Value(2.0)
    graph = Graph.capture(x**3)
    names = run(python_source(graph.differentiate([0])))
    assert names["forward"](2.0) == 12.0
    assert names["gradient"](2.0) == [12.0]


# --- parameters and size ------------------------------------------------------


@pytest.fixture
def model():
    import random

    random.seed(4)
    return rustygrad.MLP(2, [8, 8, 1], activation="tanh")


def test_a_model_is_exported_with_its_parameters(model):
    x, y = Value(0.5, label="x"), Value(-1.5, label="y")
    root = model([x, y])
    graph = Graph.capture(root)
    names = run(python_source(graph))
    assert bits([names["forward"](0.5, -1.5)]) == bits([root.data])
    assert names["forward"](x=0.0, y=0.0) == model([0.0, 0.0]).data
    root.backward()
    by_value = {(p.data, p.grad) for p in model.parameters()}
    grads = names["gradient"](0.5, -1.5)
    assert bits(grads[:2]) == bits([x.grad, y.grad])
    assert set(zip(names["PARAMETERS"], grads[2:], strict=True)) == by_value


def test_other_parameters_may_be_given(model):
    root = model([Value(0.5), Value(-1.5)])
    names = run(python_source(root))
    zeros = [0.0] * len(names["PARAMETERS"])
    assert names["forward"](0.5, -1.5, parameters=zeros) == 0.0


def test_parameters_and_statements_stand_under_the_module_that_made_them(model):
    text = python_source(model([Value(0.5), Value(-1.5)]), wrt=[])
    assert text.count("    # layers.0.neurons.3\n") == 2
    assert text.index("# layers.0.neurons.7\n") < text.index("# layers.1.neurons.0\n")


def test_a_parameter_has_its_label_in_the_comment_of_its_gradient():
    model = rustygrad.MLP(1, [1])
    model.parameters()[0].label = "slope */"
    assert "  # p[1] 'slope * /'\n" in python_source(model([Value(1.0)]))


def test_a_parameter_that_no_module_uses_is_the_last():
    model = rustygrad.MLP(1, [1])
    w, b = model.parameters()
    names = run(python_source(Graph.capture(w * 2, b)))
    assert names["forward"]() == (w.data * 2, b.data)


def test_a_reduction_of_many_operands_is_taken_apart():
    xs = [Value(0.1 * i) for i in range(3000)]
    for function in (rustygrad.sum, rustygrad.mean, rustygrad.maximum, rustygrad.logsumexp):
        root = function(xs)
        root.backward()
        names = run(python_source(root))
        numbers = [x.data for x in xs]
        assert bits([names["forward"](*numbers)]) == bits([root.data])
        assert bits(names["gradient"](*numbers)) == bits(x.grad for x in xs)
        for x in xs:
            x.grad = 0.0


def test_a_deep_graph_is_no_deep_expression():
    x = y = Value(1.0)
    for _ in range(20_000):
        y = (y * 0.5).sin() + 0.5
    y.backward()
    names = run(python_source(y))
    assert bits([names["forward"](1.0)]) == bits([y.data])
    assert bits(names["gradient"](1.0)) == bits([x.grad])


def test_lines_stay_short():
    xs = [Value(float(i), label="a_rather_long_label_" * 3) for i in range(20)]
    text = python_source(rustygrad.logsumexp([x * y for x in xs for y in xs]))
    assert max(map(len, text.splitlines())) < 200


def test_the_text_is_utf_8_and_tokenizes(tmp_path):
    path = export(Value(2.0, label="größe → 大") * 3, tmp_path / "f.py")
    assert "größe → 大" in path.read_text(encoding="utf-8")
    assert list(tokenize.tokenize(BytesIO(path.read_bytes()).readline))


def test_an_exporter_is_called_by_its_suffix():
    assert [rustygrad.get_exporter(name).name for name in ("py", "c")] == ["py", "c"]


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError) as caught:
        _ = rustygrad.sources.rust_source
    assert str(caught.value) == "module 'rustygrad.sources' has no attribute 'rust_source'"


@pytest.mark.parametrize("wrt", [{"a", "b"}, frozenset("a"), {}, {"a": 1}])
def test_what_has_no_order_of_its_own_is_no_list_to_differentiate_by(wrt):
    with pytest.raises(GraphError, match="wrt is a list of nodes, indices or labels, not "):
        python_source(Value(1.0, label="a") * Value(2.0, label="b"), wrt=wrt)
