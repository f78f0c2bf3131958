"""Graphs as C99: the text compiles alone without a warning, with the bits of the graph."""

import ctypes
import math
import random
import re
import shlex
import shutil
import subprocess

import pytest
import rustygrad
from rustygrad import Graph, export
from rustygrad.errors import ArgumentError, GraphError
from rustygrad.ops import GREATER, OPS, POW
from rustygrad.reference import Value
from rustygrad.sources import c, c_source
from test_graph_differentiate import program

COMPILER = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
NEEDS_COMPILER = pytest.mark.skipif(COMPILER is None, reason="no C compiler here")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-ffp-contract=off"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, 745.2, 1e-16]


def doubles(numbers):
    numbers = list(numbers)
    return (ctypes.c_double * max(1, len(numbers)))(*numbers)


def bits(numbers):
    return [repr(float(x)) for x in numbers]


class Compiled:
    """A graph as functions of a shared library."""

    def __init__(self, library, prefix, graph):
        self.forward_function = getattr(library, f"{prefix}forward")
        self.gradient_function = getattr(library, f"{prefix}gradient", None)
        self.inputs = [node.data for node in graph.leaves("input")]
        self.count = len(graph.leaves("parameter"))
        self.library, self.prefix = library, prefix
        self.outputs = len(graph.outputs)

    def parameters(self):
        return (ctypes.c_double * self.count).in_dll(self.library, f"{self.prefix}parameters")

    def given(self, inputs):
        inputs = self.inputs if inputs is None else inputs
        return [doubles(inputs)] * bool(inputs) + ([self.parameters()] if self.count else [])

    def forward(self, inputs=None):
        outputs = doubles([0.0] * self.outputs)
        self.forward_function(*self.given(inputs), outputs)
        return list(outputs)

    def gradient(self, inputs=None, wrt=None):
        count = len(self.inputs) + self.count if wrt is None else wrt
        gradients = doubles([-1.0] * count)
        self.gradient_function.restype = ctypes.c_double
        self.value = self.gradient_function(*self.given(inputs), gradients)
        return list(gradients)


@pytest.fixture
def compiled(tmp_path):
    """Compile many graphs into one library, each file of its own."""

    def compiled(*graphs, flags=("-O1",), **options):
        paths = []
        for k, graph in enumerate(graphs):
            paths.append(tmp_path / f"f{k}.c")
            paths[-1].write_text(c_source(graph, prefix=f"f{k}_", **options), encoding="utf-8")
        library = tmp_path / f"library{len(list(tmp_path.iterdir()))}.so"
        command = [COMPILER, *STRICT, *flags, "-fPIC", "-shared", *paths, "-o", library, "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        loaded = ctypes.CDLL(str(library))
        return [Compiled(loaded, f"f{k}_", graph) for k, graph in enumerate(graphs)]

    return compiled


def random_graph(seed):
    """A random program with ordinary or extreme leaves, and the gradients of its inputs."""
    rng = random.Random(seed)
    leaves = [Value(rng.choice([rng.uniform(-2, 2), rng.choice(SPECIAL)])) for _ in range(3)]
    root = program(rng, leaves, rng.randrange(1, 40))
    root.backward()
    return Graph.capture(root)


@NEEDS_COMPILER
@pytest.mark.parametrize("flags", [["-O3"], ["-O3", "-std=gnu11", "-march=native"]], ids=" ".join)
def test_outputs_and_gradients_have_the_bits_of_eager(compiled, flags):
    graphs = [random_graph(seed) for seed in range(40)]
    for graph, function in zip(graphs, compiled(*graphs, flags=flags), strict=True):
        assert bits(function.forward()) == bits(graph.data[i] for i in graph.outputs)
        if function.inputs:
            grads = [node.grad for node in graph.leaves("input")]
            assert bits(function.gradient()) == bits(grads), str(graph)
            assert bits([function.value]) == bits(function.forward())


@NEEDS_COMPILER
def test_every_operation_has_the_bits_of_the_table_at_any_numbers(compiled):
    rng = random.Random(5)
    backend = rustygrad.get_backend("python")
    graphs, wanted = [], []
    for op in OPS.values():
        leaves = [Value(0.5) for _ in range(op.arity or 4)]
        for exponent in [2.0, -1.0, 0.0, 1.0, 3.0, 0.5] if op is POW else [None]:
            graphs.append(Graph.capture(backend.apply(op, leaves, exponent), *leaves))
            wanted.append((op, exponent))
    functions = compiled(*graphs, flags=["-O3"], wrt=[])
    for (op, exponent), function in zip(wanted, functions, strict=True):
        for _ in range(200):
            numbers = [rng.choice([*SPECIAL, rng.uniform(-9, 9)]) for _ in function.inputs]
            extra = [] if exponent is None else [exponent]
            expected = op.forward(*numbers, *extra)
            assert bits(function.forward(numbers)[:1]) == bits([expected]), (op, numbers, extra)


@NEEDS_COMPILER
def test_a_call_of_libm_with_constants_is_not_folded(compiled):
    a = Value(0.0)
    graph = Graph.capture(
        (a + 0.1) ** Value(2.0) + (a * 0.0 + 1.7) ** 0.3, (a * 0.0 + 0.3).exp() + (a + 0.7).log()
    )
    (function,) = compiled(graph, flags=["-O3"])
    assert bits(function.forward()) == bits(graph.data[i] for i in graph.outputs)


def test_an_operation_without_a_spelling_is_noticed():
    inline = {"add", "sub", "mul", "div", "neg", "where", "greater", "equal"}
    made_of_others = {"pow", "sum", "mean", "dot"}
    assert set(OPS) == inline | made_of_others | set(c._C.functions)


def test_the_text_is_what_a_person_would_write():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    loss = (a * b + 10).relu() * a / 0.1
    loss.label = "loss"
    text = c_source(loss)
    assert (
        text.partition("gradients[2]);\n\n")[2].partition("#ifdef RUSTYGRAD_MAIN")[0]
        == """\
static double relu(double x)
{
    return x <= 0.0 ? 0.0 : x;
}

void forward(const double inputs[2], double outputs[1])
{
    const double a = inputs[0];
    const double b = inputs[1];
    const double loss = relu(a * b + 10.0) * a / 0x1.999999999999ap-4;
    outputs[0] = loss;
}

double gradient(const double inputs[2], double gradients[2])
{
    const double a = inputs[0];
    const double b = inputs[1];
    const double v4 = a * b + 10.0;
    const double v5 = relu(v4);
    const double loss = v5 * a / 0x1.999999999999ap-4;
    /* backward */
    const double d_v4 = v4 > 0.0 ? a * 10.0 : 0.0;
    gradients[0] = 0.0 + (v5 * 10.0 + b * d_v4); /* a */
    gradients[1] = 0.0 + a * d_v4; /* b */
    return loss;
}

"""
    )


def test_choices_and_reductions_are_c_too():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    text = c_source(rustygrad.where(a, 1.0 * b, 0.0) + rustygrad.maximum(a, b).tanh(), wrt=[])
    assert (
        "    outputs[0] = (a != 0.0 ? b : 0.0) "
        "+ libm_tanh(maximum(2, (const double[]){a, b}));\n" in text
    )
    assert "static double (*const volatile libm_tanh)(double) = tanh;\n" in text
    assert "a > 0.0 ? 1.0 : 0.0" in c_source(rustygrad.get_backend("python").apply(GREATER, [a, 0]))


@NEEDS_COMPILER
def test_as_a_program_it_prints_the_captured_numbers(tmp_path):
    a, b = Value(2.0, label="a"), Value(0.1, label="b")
    loss = a * b - b
    loss.label = "loss"
    path = export(loss, tmp_path / "f.c")
    program = tmp_path / "f"
    subprocess.run([COMPILER, *STRICT, "-DRUSTYGRAD_MAIN", path, "-o", program, "-lm"], check=True)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert (
        printed
        == "loss = 0.10000000000000001\nd loss / d a = 0.10000000000000001\nd loss / d b = 1\n"
    )


@NEEDS_COMPILER
def test_a_program_of_many_inputs_needs_no_large_stack(tmp_path):
    path, program = tmp_path / "f.c", tmp_path / "f"
    path.write_text(c_source(Graph.capture(*map(Value, [1.0] * 20_000)), wrt=[]), encoding="utf-8")
    subprocess.run([COMPILER, *STRICT, "-DRUSTYGRAD_MAIN", path, "-o", program, "-lm"], check=True)
    limited = ["sh", "-c", f"ulimit -s 256 && {shlex.quote(str(program))}"]
    done = subprocess.run(limited, capture_output=True, text=True, check=True)
    assert done.stdout.count(" = 1\n") == 20_000


def test_captured_parameters_stand_in_a_table():
    random.seed(1)
    model = rustygrad.MLP(1, [1])
    text = c_source(model([0.5]))
    assert "const double parameters[2] = {\n    /* layers.0.neurons.0 */\n    0.0, -0x1.7" in text
    assert "\n    forward(inputs, parameters, outputs);\n" in text
    w, _ = model.parameters()
    text = c_source(w * 2)
    assert "const double parameters[1] = {\n    -0x1.7" in text
    assert "\n    forward(parameters, outputs);\n" in text


def test_the_head_says_how_to_compile_and_what_the_arrays_are():
    random.seed(1)
    text = c_source(rustygrad.MLP(2, [1])([Value(1.0, label="x"), Value(2.0)]), prefix="net_")
    head = text.partition(" */")[0]
    assert " *     cc -std=c99 -O2 -ffp-contract=off -c this_file.c\n" in head
    assert " * inputs[2]: x, x1\n" in head
    assert " * p[3]: parameters, such as those captured in net_parameters\n" in head
    assert " * outputs[1]: v5\n" in head
    assert " * gradients[5]: x, x1, p[0], p[1], p[2]\n" in head


@NEEDS_COMPILER
def test_fast_math_is_refused(tmp_path):
    path = export(Value(2.0) * 3, tmp_path / "f.c")
    command = [COMPILER, "-ffast-math", "-fsyntax-only", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "-ffast-math gives other last bits" in done.stderr


# --- numbers and labels -------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (3.0, "3.0"),
        (-0.5, "-0.5"),
        (-0.0, "-0.0"),
        (0.1, "0x1.999999999999ap-4"),
        (2.0**60, "0x1p+60"),
        (1e16, "1e+16"),
        (5e-324, "0x0.0000000000001p-1022"),
        (math.inf, "INFINITY"),
        (-math.inf, "-INFINITY"),
        (math.nan, "NAN"),
    ],
)
def test_a_number_is_written_exactly(number, text):
    assert c._C().number(number) == text


@NEEDS_COMPILER
def test_the_compiler_reads_the_numbers_that_were_written(compiled):
    rng = random.Random(2)
    numbers = [rng.uniform(-1, 1) * 10.0 ** rng.randrange(-320, 308) for _ in range(300)]
    numbers += [1 / 3, 1e22, 9007199254740993.0, *SPECIAL]
    a = Value(0.0)
    graph = Graph.capture(*(a * 0 + rustygrad.where(a, a, x) for x in numbers))
    (function,) = compiled(graph, wrt=[])
    assert bits(function.forward()) == bits(graph.data[i] for i in graph.outputs)
    assert len(set(bits(function.forward()))) > 300


NASTY = [
    "*/", "/*", "//", "/*/", "\\", "a\\", "\n", "??/", "???/", "??)", '"', "'", "%s", "\0", "größe",
    "\u202e", "\ud800", "1st", "", " ", "#define", "__LINE__", "_x", "x_", "double", "main", "p",
]  # fmt: skip


@NEEDS_COMPILER
def test_a_label_cannot_break_the_text(compiled):
    rng = random.Random(3)
    letters = "*/\\?\n\"'#ab _\t\r%{};()é\u2028"
    labels = NASTY + ["".join(rng.choices(letters, k=rng.randrange(9))) for _ in range(300)]
    labels += sorted(c._RESERVED)
    leaves = [Value(float(i), label=label) for i, label in enumerate(labels)]
    inner = [leaf * 2 for leaf in leaves]
    for value, label in zip(inner, labels, strict=True):
        value.label = label
    graph = Graph.capture(*inner)
    for flags in (["-std=c99"], ["-std=gnu11"], ["-DRUSTYGRAD_MAIN"]):
        (function,) = compiled(graph, flags=flags)
        assert function.forward() == [2.0 * i for i in range(len(labels))]
        assert function.gradient()[:2] == [2.0, 0.0]


@NEEDS_COMPILER
def test_no_macro_of_the_compiler_is_taken_for_a_name(compiled):
    command = [
        COMPILER,
        "-dM",
        "-E",
        "-std=gnu11",
        "-include",
        "math.h",
        "-include",
        "stddef.h",
        "-",
    ]
    macros = subprocess.run(command, capture_output=True, text=True, input="", check=True).stdout
    words = sorted(set(re.findall(r"^#define (\w+)[^(\w]", macros, re.MULTILINE)))
    root = rustygrad.sum([Value(1.0, label=word) * 2 for word in words])
    (function,) = compiled(Graph.capture(root), flags=["-std=gnu11"])
    assert function.forward() == [2.0 * len(words)]


# --- what may be asked for ----------------------------------------------------


@NEEDS_COMPILER
def test_several_outputs_and_a_leaf_among_them(compiled):
    a = Value(2.0)
    graph = Graph.capture(a * 3, a, a * a)
    (function,) = compiled(graph, of=graph.outputs[2])
    assert function.forward([5.0]) == [15.0, 5.0, 25.0]
    assert function.gradient([5.0]) == [10.0]
    assert function.value == 25.0


@NEEDS_COMPILER
def test_an_inner_node_is_asked_for_by_label(compiled):
    a = Value(2.0)
    b = a * 3
    b.label = "b"
    (function,) = compiled(Graph.capture(b * b), wrt=["b"])
    assert function.gradient([2.0], 1) == [12.0]


@NEEDS_COMPILER
def test_a_graph_without_inputs(compiled):
    record = Graph.capture(Value(2.0) * 3).to_json() | {"role": ["constant", "constant", ""]}
    (function,) = compiled(Graph.from_json(record))
    assert function.forward() == [6.0]
    assert function.gradient_function is None


@NEEDS_COMPILER
def test_an_input_that_nothing_depends_on(compiled):
    a, b = Value(2.0), Value(3.0)
    graph = Graph.capture(rustygrad.where(1.0, 2.0, a) * 0 + 1, b)
    (function,) = compiled(graph)
    assert function.gradient([7.0, 8.0]) == [0.0, 0.0]


@pytest.mark.parametrize("prefix", ["1", "a-b", "*/", "é", " ", None, "_"])
def test_a_prefix_that_begins_no_name_is_refused(prefix):
    with pytest.raises(ArgumentError) as caught:
        c_source(Value(1.0), prefix=prefix)
    assert str(caught.value) == (
        f"the prefix begins names in C, such as 'model_', and is not {prefix!r}"
    )


def test_an_opaque_node_is_refused_and_leaves_no_file(tmp_path):
    value = Value(1.0, (Value(1.0),), "mine") * 2
    with pytest.raises(GraphError, match=r"^cannot write out the opaque node %1 'mine'"):
        export(value, tmp_path / "f.c")
    assert list(tmp_path.iterdir()) == []


# --- models and size ----------------------------------------------------------


def moons_loss(samples):
    random.seed(4)
    model = rustygrad.MLP(2, [8, 8, 1])
    rows = rustygrad.datasets.moons()
    return model, rustygrad.mean(
        (1 - t * model([Value(x) for x in point])).relu()
        for point, t in list(zip(*rows, strict=True))[:samples]
    )


def test_a_long_function_is_split_and_hands_variables_on(monkeypatch):
    monkeypatch.setattr(c, "_WORDS", 7)
    a = Value(2.0, label="a")
    square = a * a
    square.label = "square"
    text = c_source(Graph.capture(square + a, square * a), wrt=[])
    assert (
        text.partition("outputs[2]);\n\n")[2].partition("#ifdef RUSTYGRAD_MAIN")[0]
        == """\
static void forward_1(const double inputs[1], double kept[1], double outputs[2])
{
    const double a = inputs[0];
    const double square = a * a;
    outputs[0] = square + a;
    kept[0] = square;
}

static void forward_2(const double inputs[1], double kept[1], double outputs[2])
{
    const double square = kept[0];
    const double a = inputs[0];
    outputs[1] = square * a;
}

void forward(const double inputs[1], double outputs[2])
{
    /* Through pointers, so that no compiler makes one function of all again. */
    static void (*const volatile parts[])(const double *, double *, double *) = {
        forward_1, forward_2,
    };
    double kept[1];
    for (size_t i = 0; i < 2; i++) {
        parts[i](inputs, kept, outputs);
    }
}

"""
    )


def test_what_is_too_large_for_the_stack_is_static(monkeypatch):
    monkeypatch.setattr(c, "_WORDS", 7)
    monkeypatch.setattr(c, "_ON_STACK", 0)
    a = Value(2.0)
    square = a * a
    text = c_source(Graph.capture(square + a, square * a, a + 1), wrt=[])
    assert "    static double kept[1]; /* for one thread at a time */\n" in text


def test_many_operands_stand_in_an_array_that_is_set_once(monkeypatch):
    monkeypatch.setattr(c, "_OPERANDS", 2)
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    text = c_source(rustygrad.maximum(a, b, 2 * a) + rustygrad.minimum(b, a), wrt=["b"])
    assert (
        text.partition("gradients[1])\n{\n")[2].partition("#ifdef RUSTYGRAD_MAIN")[0]
        == """\
    double wide[3];
    const double a = inputs[0];
    const double b = inputs[1];
    const double v3 = 2.0 * a;
    wide[0] = a;
    wide[1] = b;
    wide[2] = v3;
    /* backward */
    const double t1 = (double)argmin(2, (const double[]){b, a}) == 0.0 ? 1.0 : 0.0;
    const double t1_2 = (double)argmax(3, &wide[0]) == 1.0 ? 1.0 : 0.0;
    const double v6 = maximum(3, &wide[0]) + minimum(2, (const double[]){b, a});
    gradients[0] = 0.0 + (t1 + t1_2); /* b */
    return v6;
}

"""
    )


@pytest.mark.parametrize(
    "reduction",
    [rustygrad.sum, rustygrad.mean, rustygrad.maximum, rustygrad.minimum, rustygrad.logsumexp],
    ids=lambda reduction: reduction.__name__,
)
def test_no_function_is_long_however_many_operands_there_are(reduction):
    text = c_source(reduction([Value(float(i)) for i in range(5000)]))
    functions = text.partition("#ifdef RUSTYGRAD_MAIN")[0].split("\n}\n")
    assert len(functions) > 20
    assert max(len(re.findall(r"\w+", function)) for function in functions) < 8 * c._WORDS


@NEEDS_COMPILER
def test_a_training_loss_has_its_gradients_in_parts(compiled, monkeypatch):
    monkeypatch.setattr(c, "_WORDS", 500)
    model, loss = moons_loss(4)
    loss.backward()
    graph = Graph.capture(loss)
    (function,) = compiled(graph, flags=["-O2"])
    assert bits(function.forward()) == bits([loss.data])
    grads = function.gradient()
    assert bits(grads[:8]) == bits(node.grad for node in graph.leaves("input"))
    by_value = {(p.data, p.grad) for p in model.parameters()}
    assert set(zip(function.parameters(), grads[8:], strict=True)) == by_value
    assert bits([function.value]) == bits([loss.data])


@NEEDS_COMPILER
def test_parts_that_share_nothing_and_an_output_that_is_an_input(compiled, monkeypatch):
    monkeypatch.setattr(c, "_WORDS", 7)
    a = Value(3.0, label="a")
    graph = Graph.capture(a, *(a * float(n) for n in range(5)))
    (function,) = compiled(graph)
    assert function.forward() == [3.0, 0.0, 3.0, 6.0, 9.0, 12.0]
    assert function.gradient() == [1.0]
    assert function.value == 3.0


@NEEDS_COMPILER
def test_random_graphs_in_small_parts_have_the_same_bits(compiled, monkeypatch):
    monkeypatch.setattr(c, "_WORDS", 10)
    monkeypatch.setattr(c, "_OPERANDS", 2)
    monkeypatch.setattr(c, "_ON_STACK", 6)
    graphs = [random_graph(seed) for seed in range(100, 112)]
    for graph, function in zip(graphs, compiled(*graphs), strict=True):
        assert bits(function.forward()) == bits(graph.data[i] for i in graph.outputs)
        if function.inputs:
            assert bits(function.gradient()) == bits(node.grad for node in graph.leaves("input"))


@NEEDS_COMPILER
def test_a_deep_graph_and_a_wide_one(compiled):
    x = y = Value(1.0)
    for _ in range(1000):
        y = (y * 0.5).sin() + 0.5
    xs = [Value(0.01 * i) for i in range(300)]
    graphs = []
    reductions = (rustygrad.maximum, rustygrad.minimum, rustygrad.logsumexp, rustygrad.mean)
    for root in (y, rustygrad.sum(xs), *(reduction(xs) for reduction in reductions)):
        for leaf in (x, *xs):
            leaf.grad = 0.0
        root.backward()
        graphs.append(Graph.capture(root))
    for graph, function in zip(graphs, compiled(*graphs), strict=True):
        assert bits(function.forward()) == bits(graph.data[i] for i in graph.outputs)
        assert bits(function.gradient()) == bits(node.grad for node in graph.leaves("input"))
