"""A graph as C99 that needs a compiler and libm alone.

The C of each operation stands here, once. Most are infix, or functions of libm,
and what is made of others, such as ``dot`` and ``**2``, comes from the op table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Final

from .._version import __version__
from ..errors import ArgumentError
from ..ops import DIV, Op
from .expressions import PRODUCT, Body, Language, Statement
from .functions import Functions
from .layout import filled, used, wrapped
from .names import comment_text

__all__ = ["c_source"]

#: Functions of more words are split: what compilers do with one takes longer than its length
#: grows.
_WORDS: Final = 1000
#: Calls of more operands take them from an array, which may be set in several of these parts.
_OPERANDS: Final = 50
#: More numbers than this are not kept on the stack.
_ON_STACK: Final = 2**16

_INCLUDES: Final = """\
#include <math.h>
#include <stddef.h>

#ifdef __FAST_MATH__
#error "-ffast-math gives other last bits, and does away with nan and inf"
#endif
#if !defined(__GNUC__) || defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif"""

_WHY_POINTERS: Final = """\
/* Called through pointers that no compiler sees through: it would work out calls with
 * constants by itself, and make a product of pow(x, 2.0), with other last bits. */"""

_WHY_PARTS: Final = "/* Through pointers, so that no compiler makes one function of all again. */"

_LIBM: Final = ("cos", "exp", "log", "pow", "sin", "tanh")
_POINTERS: Final = {
    f"libm_{name}": f"static double (*const volatile libm_{name})({arguments}) = {name};"
    for name in _LIBM
    for arguments in ["double, double" if name == "pow" else "double"]
}
_DEFINITIONS: Final = {
    **_POINTERS,
    "relu": """\
static double relu(double x)
{
    return x <= 0.0 ? 0.0 : x;
}
""",
    "sigmoid": """\
/* Either form is exact where the other overflows or cancels. */
static double sigmoid(double x)
{
    if (x >= 0.0) {
        return 1.0 / (1.0 + libm_exp(-x));
    }
    const double e = libm_exp(x);
    return e / (1.0 + e);
}
""",
    "argmax": """\
/* The first largest, or the first nan. */
static size_t argmax(size_t count, const double *xs)
{
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        if (xs[i] != xs[i]) {
            return i;
        }
        if (xs[i] > xs[best]) {
            best = i;
        }
    }
    return best;
}
""",
    "argmin": """\
/* The first smallest, or the first nan. */
static size_t argmin(size_t count, const double *xs)
{
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        if (xs[i] != xs[i]) {
            return i;
        }
        if (xs[i] < xs[best]) {
            best = i;
        }
    }
    return best;
}
""",
    "maximum": """\
static double maximum(size_t count, const double *xs)
{
    return xs[argmax(count, xs)];
}
""",
    "minimum": """\
static double minimum(size_t count, const double *xs)
{
    return xs[argmin(count, xs)];
}
""",
    "logsumexp": """\
static double logsumexp(size_t count, const double *xs)
{
    const double peak = maximum(count, xs);
    if (!isfinite(peak)) {
        return peak;
    }
    double total = libm_exp(xs[0] - peak);
    for (size_t i = 1; i < count; i++) {
        total = total + libm_exp(xs[i] - peak);
    }
    return peak + libm_log(total);
}
""",
}

#: What variables may not be called: words of C and its dialects, and what this text and
#: <math.h> mean by them.
_RESERVED: Final = {
    *_DEFINITIONS, *_LIBM, "fabs", "isfinite", "size_t", "sqrt",
    "forward", "gradient", "gradients", "inputs", "kept", "outputs", "p", "parameters",
    "parts", "wide",
    "alignas", "alignof", "asm", "auto", "bool", "break", "case", "char", "const", "constexpr",
    "continue", "default", "do", "double", "else", "enum", "extern", "false", "float", "for",
    "goto", "if", "inline", "int", "long", "nullptr", "register", "restrict", "return", "short",
    "signed", "sizeof", "static", "struct", "switch", "thread_local", "true", "typedef",
    "typeof", "union", "unsigned", "void", "volatile", "while", "i386", "linux", "unix",
    "math_errhandling", "DOMAIN", "HUGE", "HUGE_VAL", "HUGE_VALF", "HUGE_VALL", "INFINITY",
    "MATH_ERREXCEPT", "MATH_ERRNO", "MAXFLOAT", "NAN", "NULL", "OVERFLOW", "PLOSS", "SING",
    "SNAN", "SNANF", "SNANL", "TLOSS", "UNDERFLOW", "X_TLOSS",
}  # fmt: skip


def c_source(value: Any, *, wrt: Any = None, of: Any = None, prefix: str = "") -> str:
    """A graph as the text of a C99 file, with the same bits as the graph.

    Its function ``forward`` computes the outputs from the inputs and parameters,
    all of them arrays; ``gradient`` computes the derivatives, what one `backward`
    leaves in gradients of 0, and returns the value that they are of. The array
    ``parameters`` has the captured numbers. Compiled with ``-DRUSTYGRAD_MAIN`` it
    is a program that prints everything at the captured inputs. Compile it without
    fused multiply-adds, by ``-std=c99`` or ``-ffp-contract=off``: the text says how.

    Args:
        value: a Value, or a `Graph`.
        wrt: the nodes to differentiate with respect to: a list of nodes, indices
            or labels. By default the inputs, then the parameters; without any
            there is no ``gradient``.
        of: the node to differentiate; by default the first output.
        prefix: what the names of the functions and of ``parameters`` begin with,
            so that several graphs go into one program.

    Raises:
        ArgumentError: `prefix` cannot begin an identifier.
        GraphError: the graph has an opaque node or no outputs, or there is no such node.
    """
    if not isinstance(prefix, str) or not re.fullmatch(r"([A-Za-z]\w*)?", prefix, re.ASCII):
        raise ArgumentError(
            f"the prefix begins names in C, such as 'model_', and is not {prefix!r:.60}"
        )
    return _File(Functions(value, _C(), _RESERVED, wrt, of), prefix).text()


class _C(Language):
    infix: ClassVar = Language.infix | {DIV: ("/", PRODUCT)}
    functions: ClassVar = {
        "abs": "fabs",
        "relu": "relu",
        "tanh": "libm_tanh",
        "sigmoid": "sigmoid",
        "exp": "libm_exp",
        "log": "libm_log",
        "sqrt": "sqrt",
        "sin": "libm_sin",
        "cos": "libm_cos",
        "power": "libm_pow",
        "maximum": "maximum",
        "minimum": "minimum",
        "logsumexp": "logsumexp",
        "argmax": "(double)argmax",
        "argmin": "(double)argmin",
    }

    def number(self, x: float) -> str:
        """In decimal where that is short and exact, else in hexadecimal, which always is."""
        if math.isnan(x):
            return "NAN"
        if math.isinf(x):
            return "INFINITY" if x > 0.0 else "-INFINITY"
        text = repr(x)
        if len(text) <= 8 and Fraction(text) == x:
            return text
        return re.sub(r"\.?0*p", "p", x.hex())

    def choice(self, test: str, x: str, y: str) -> str:
        return f"{test} ? {x} : {y}"

    def is_true(self, code: str) -> str:
        return f"{code} != 0.0"

    def call(self, body: Body, function: str, op: Op, operands: Sequence[str]) -> str:
        if op.arity is not None:
            return f"{function}({', '.join(operands)})"
        if len(operands) > _OPERANDS:
            return f"{function}({len(operands)}, &wide[{body.gather(operands)}])"
        start = f"{function}({len(operands)}, (const double[]){{"
        return wrapped(start, operands, "})", 8)


class _File:
    """The parts of a C file, in the order in which they stand there."""

    def __init__(self, functions: Functions, prefix: str) -> None:
        self.functions = functions
        self.prefix = prefix
        names = functions.names
        self.places = {names[i]: f"inputs[{k}]" for k, i in enumerate(names.inputs)}
        self.sizes = {
            "inputs": len(names.inputs),
            "p": len(names.parameters),
            "outputs": len(functions.graph.outputs),
            "gradients": len(functions.wrt),
        }

    def text(self) -> str:
        """The whole file."""
        forward, gradient = self.forward(), self.gradient()
        code = "\n\n".join(forward + gradient)
        needed = used(_DEFINITIONS, " ".join(self.functions.language.mentioned))
        pointers = [text for text in needed if text in _POINTERS.values()]
        parts = [self.head(), _INCLUDES, self.interface()]
        parts += ["\n".join([_WHY_POINTERS, *pointers])] if pointers else []
        parts += [text.rstrip() for text in needed if text not in pointers]
        return "\n\n".join([*parts, *self.parameters(), code, self.main()]) + "\n"

    def head(self) -> str:
        """What the file is, and how to compile it."""
        functions, sizes = self.functions, self.sizes
        flags = "-std=c99 -O2 -ffp-contract=off"
        lines = [
            f"A graph of {len(functions.graph)} nodes, written as C99 by rustygrad {__version__}.",
            "",
            f"    cc {flags} -c this_file.c",
            f"    cc {flags} -DRUSTYGRAD_MAIN this_file.c -lm && ./a.out",
            "",
            "The second line makes a program that prints the numbers at the captured inputs.",
            "Without -ffp-contract=off or -std=c99 a compiler may fuse products with sums,",
            "which changes last bits.",
            "",
        ]
        listed = {
            "inputs": functions.names.inputs,
            "p": functions.names.parameters,
            "outputs": functions.graph.outputs,
            "gradients": functions.wrt,
        }
        for name, nodes in listed.items():
            if nodes:
                own = f"parameters, such as those captured in {self.prefix}parameters"
                what = own if name == "p" else functions.listed(nodes)
                lines += filled([f"{name}[{sizes[name]}]:", *what.split()], 0).split("\n")
        if functions.wrt:
            lines += ["", f"gradient() returns {functions.names[functions.of]}."]
        return "\n".join(["/*", *(f" * {line}".rstrip() for line in lines), " */"])

    def interface(self) -> str:
        """The prototypes, for other files to copy."""
        lines = [f"{self.signature('void', 'forward', 'outputs')};"]
        if self.functions.wrt:
            lines.append(f"{self.signature('double', 'gradient', 'gradients')};")
        if self.sizes["p"]:
            lines.insert(0, f"extern const double {self.prefix}parameters[{self.sizes['p']}];")
        return "\n".join(lines)

    def signature(self, kind: str, name: str, results: str, *more: str) -> str:
        """The head of a function; arrays that would be empty are left out."""
        arrays = [f"const double {a}[{self.sizes[a]}]" for a in ("inputs", "p") if self.sizes[a]]
        arrays += [*more, f"double {results}[{self.sizes[results]}]"]
        return f"{kind} {self.prefix}{name}({', '.join(arrays)})"

    def parameters(self) -> Iterator[str]:
        """The table of captured parameters, if there are any."""
        if self.sizes["p"]:
            lines = [f"const double {self.prefix}parameters[{self.sizes['p']}] = {{"]
            for path, nodes in self.functions.parameter_rows():
                if path:
                    lines.append(f"    /* {comment_text(path)[1:-1]} */")
                lines.append(filled([f"{self.number(i)}," for i in nodes], 4))
            yield "\n".join([*lines, "};"])

    def number(self, i: int) -> str:
        """What a node was when it was captured."""
        return self.functions.language.number(self.functions.graph.data[i])

    def forward(self) -> list[str]:
        """The function of that name, after those that it is split into."""
        body, outputs = self.functions.forward()
        results = [Statement(f"outputs[{k}]", x.code) for k, x in enumerate(outputs)]
        return list(self.function("void", "forward", "outputs", body, results, ""))

    def gradient(self) -> list[str]:
        """The function of that name, after those that it is split into, if it is wanted."""
        if not self.functions.wrt:
            return []
        body, value, grads = self.functions.gradient()
        value = body.keep(value, self.functions.names[self.functions.of])
        results = [
            Statement(f"gradients[{k}]", grad.code, self.functions.comment(i))
            for k, (grad, i) in enumerate(zip(grads, self.functions.wrt, strict=True))
        ]
        return list(self.function("double", "gradient", "gradients", body, results, value.code))

    def function(
        self, kind: str, name: str, arrays: str, body: Body, results: list[Statement], last: str
    ) -> Iterator[str]:
        """A function, in parts of bounded length that hand variables on in an array `kept`."""
        head = self.signature(kind, name, arrays)
        chunks = _chunks(body.statements + results)
        if len(chunks) == 1:
            own = [f"{_array('wide', body.wide)};"] * bool(body.wide)
            yield self.block(head, own, chunks[0], last, {})
            return
        slots = _handed_on(chunks, last)
        shared = {"kept": max(1, len(slots))} | ({"wide": body.wide} if body.wide else {})
        more = [_array(array, size) for array, size in shared.items()]
        parts = [f"{name}_{k}" for k in range(1, len(chunks) + 1)]
        for part, chunk in zip(parts, chunks, strict=True):
            yield self.block(
                self.signature("static void", part, arrays, *more), [], chunk, "", slots
            )
        given = [a for a in ("inputs", "p") if self.sizes[a]]
        kinds = ["const double *"] * len(given) + ["double *"] * (len(shared) + 1)
        calls = [
            _WHY_PARTS,
            f"static void (*const volatile parts[])({', '.join(kinds)}) = {{",
            filled([f"{self.prefix}{part}," for part in parts], 8).removeprefix("    "),
            "};",
            *(_declared(array, size) for array, size in shared.items()),
            f"for (size_t i = 0; i < {len(parts)}; i++) {{",
            f"    parts[i]({', '.join([*given, *shared, arrays])});",
            "}",
        ]
        yield self.block(head, calls, [], last, slots)

    def block(
        self,
        head: str,
        first: list[str],
        statements: list[Statement],
        last: str,
        slots: dict[str, str],
    ) -> str:
        """A function: what it loads from arrays, its statements, what it keeps and returns."""
        own = {s.target for s in statements}
        loads = [
            f"const double {word} = {place};"
            for word in _words([s.code for s in statements] + [last])
            if word not in own and (place := slots.get(word) or self.places.get(word))
        ]
        stores = [f"{slots[s.target]} = {s.target};" for s in statements if s.target in slots]
        lines = [*first, *loads, *map(_line, statements), *stores]
        mentioned = set(_words([*first, *loads, *stores, last]))
        mentioned.update(_words(f"{s.target} {s.code}" for s in statements))
        unused = [a for a in re.findall(r"(\w+)\[", head) if a not in mentioned]
        lines = [*(f"(void){a};" for a in unused), *lines, *([f"return {last};"] if last else [])]
        return "\n".join([head, "{", *(f"    {line}".rstrip() for line in lines), "}"])

    def main(self) -> str:
        """A program that prints the outputs and gradients at the captured inputs."""
        names, sizes, prefix = self.functions.names, self.sizes, self.prefix
        given = ["inputs"] * bool(sizes["inputs"]) + [f"{prefix}parameters"] * bool(sizes["p"])
        lines = []
        if names.inputs:
            numbers = [self.number(i) for i in names.inputs]
            lines.append(wrapped("static const double inputs[] = {", numbers, "};", 8))
        lines.append(f"static double outputs[{sizes['outputs']}];")
        lines.append(f"{prefix}forward({', '.join([*given, 'outputs'])});")
        lines += _printed("outputs", [names[i] for i in self.functions.graph.outputs], "")
        if sizes["gradients"]:
            lines.append(f"static double gradients[{sizes['gradients']}];")
            lines.append(f"{prefix}gradient({', '.join([*given, 'gradients'])});")
            of = f"d {names[self.functions.of]} / d "
            lines += _printed("gradients", [names[i] for i in self.functions.wrt], of)
        lines.append("return 0;")
        body = "\n".join(["int main(void)", "{", *(f"    {line}" for line in lines), "}"])
        return f"#ifdef RUSTYGRAD_MAIN\n#include <stdio.h>\n\n{body}\n#endif"


def _line(statement: Statement) -> str:
    comment = f"/* {statement.comment} */" if statement.comment else ""
    if not statement.target:
        return comment
    kind = "const double " if statement.target.isidentifier() else ""
    return f"{kind}{statement.target} = {statement.code}; {comment}".rstrip()


def _words(codes: Iterable[str]) -> list[str]:
    """The words in some code, each once, in order."""
    return list(dict.fromkeys(word for code in codes for word in re.findall(r"\w+", code)))


def _array(name: str, size: int) -> str:
    return f"double {name}[{size}]"


def _declared(name: str, size: int) -> str:
    if size > _ON_STACK:
        return f"static {_array(name, size)}; /* for one thread at a time */"
    return f"{_array(name, size)};"


def _chunks(statements: list[Statement]) -> list[list[Statement]]:
    """The statements in parts of a bounded number of words."""
    chunks: list[list[Statement]] = [[]]
    words = 0
    for statement in statements:
        more = 1 + len(re.findall(r"\w+", statement.code))
        words += more
        if words > _WORDS and chunks[-1]:
            chunks.append([])
            words = more
        chunks[-1].append(statement)
    return chunks


def _handed_on(chunks: list[list[Statement]], last: str) -> dict[str, str]:
    """The variables that a later part uses than the one that sets them, each with its place."""
    made = {s.target: k for k, chunk in enumerate(chunks) for s in chunk}
    slots: dict[str, str] = {}
    for k, codes in enumerate([*([s.code for s in chunk] for chunk in chunks), [last]]):
        for word in _words(codes):
            if made.get(word, k) < k:
                slots.setdefault(word, f"kept[{len(slots)}]")
    return slots


def _printed(array: str, names: Sequence[str], before: str) -> Iterator[str]:
    """Lines that print an array with the names of its elements."""
    yield wrapped(
        f"static const char *const {array}_names[] = {{", [f'"{n}"' for n in names], "};", 8
    )
    yield f"for (int i = 0; i < {len(names)}; i++) {{"
    yield f'    printf("{before}%s = %.17g\\n", {array}_names[i], {array}[i]);'
    yield "}"
