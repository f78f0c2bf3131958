"""A graph as a Python module that needs the standard library alone.

Its helper functions are those of the op table, word for word, so that there is
one definition of each operation.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import math
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Final

from .. import ops
from .._version import __version__
from ..ops import ABS, OPS, TANH, Op
from .expressions import Body, Language, Statement
from .functions import Functions
from .layout import filled, used, wrapped
from .names import comment_text

__all__ = ["python_source"]

#: What variables may not be called: these names mean something in the module.
_RESERVED: Final = {
    *keyword.kwlist, "abs", "float", "forward", "gradient", "inf", "map", "math", "nan",
    "p", "parameters",
}  # fmt: skip


def python_source(value: Any, *, wrt: Any = None, of: Any = None) -> str:
    """A graph as the text of a Python module, with the same bits as the graph.

    Its function ``forward`` takes the inputs by name, then the parameters, which
    have their captured numbers by default. It returns the output, or a tuple of
    them. ``gradient`` takes the same and returns a list: what one `backward`
    leaves in gradients of 0. Run as a program, the module prints both at the
    numbers that were captured.

    Args:
        value: a Value, or a `Graph`.
        wrt: the nodes to differentiate with respect to: a list of nodes, indices
            or labels. By default the inputs, then the parameters; without any
            there is no ``gradient``.
        of: the node to differentiate; by default the first output.

    Raises:
        GraphError: the graph has an opaque node or no outputs, or there is no such node.
        OSError: the source of the op table is not installed beside it.
    """
    functions = Functions(value, _Python(), _RESERVED, wrt, of)
    parts = [_forward(functions)]
    if functions.wrt:
        parts.append(_gradient(functions))
    parts.append(_main(functions))
    if functions.names.parameters:
        parts.insert(0, _parameters(functions))
    code = "\n\n\n".join(parts)
    definitions = used(_definitions(), " ".join(functions.language.mentioned))
    imports = [text for text in definitions if text.startswith(("import ", "from "))]
    helpers = [text for text in definitions if text not in imports]
    head = "\n\n".join(
        [_docstring(functions), "\n".join(imports)] if imports else [_docstring(functions)]
    )
    return "\n\n\n".join([head, *helpers, code]) + "\n"


_NAMES: Final = {item: name for name, item in vars(ops).items() if inspect.isfunction(item)}


class _Python(Language):
    functions: ClassVar = {
        op.name: _NAMES[op.forward] for op in OPS.values() if op.forward in _NAMES
    } | {ABS.name: "abs", TANH.name: "math.tanh"}

    def number(self, x: float) -> str:
        if math.isfinite(x):
            return repr(x)
        self.mentioned.add("math")
        return f"{'-' * (x < 0)}math.{abs(x)}"

    def choice(self, test: str, x: str, y: str) -> str:
        return f"{x} if {test} else {y}"

    def is_true(self, code: str) -> str:
        return f"{code} != 0.0"

    def call(self, body: Body, function: str, op: Op, operands: Sequence[str]) -> str:
        return wrapped(f"{function}(", operands, ")", 8)


@cache
def _definitions() -> dict[str, str]:
    """The source of everything in the module of the op table but the rows, by name."""
    source = inspect.getsource(ops)
    lines = source.split("\n")
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        if isinstance(node, ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Assign):
            names = [n.id for n in ast.walk(node.targets[0]) if isinstance(n, ast.Name)]
        else:
            continue
        found |= dict.fromkeys(names, text)
    return found


def _docstring(functions: Functions) -> str:
    names = functions.names
    inputs = functions.listed(names.inputs) or "nothing"
    text = [
        f'"""A graph of {len(functions.graph)} nodes, written as Python by rustygrad {__version__}.',
        f"forward: {functions.listed(functions.graph.outputs)} from {inputs}.",
    ]
    if functions.wrt:
        wrt = functions.listed(functions.wrt)
        text.append(f"gradient: of {names[functions.of]} with respect to {wrt}.")
    if names.parameters:
        text.append(f"parameters: {len(names.parameters)} floats, p[0] and so on.")
    return "\n\n".join(filled(line.split(), 0) for line in text) + '\n"""'


def _parameters(functions: Functions) -> str:
    lines = ["PARAMETERS = ["]
    for path, nodes in functions.parameter_rows():
        if path:
            lines.append(f"    # {comment_text(path)[1:-1]}")
        numbers = [functions.language.number(functions.graph.data[i]) for i in nodes]
        lines.append(filled([f"{number}," for number in numbers], 4))
    return "\n".join([*lines, "]"])


def _forward(functions: Functions) -> str:
    body, results = functions.forward()
    outputs = results[0].code
    if len(results) > 1:
        outputs = wrapped("(", [text.code for text in results], ")", 8)
    return _function(functions, "forward", body, [f"return {outputs}"])


def _gradient(functions: Functions) -> str:
    body, _, grads = functions.gradient()
    rows = [
        f"    {grad.code},  # {functions.comment(i)}"
        for grad, i in zip(grads, functions.wrt, strict=True)
    ]
    return _function(functions, "gradient", body, ["return [", *rows, "]"])


def _function(functions: Functions, name: str, body: Body, last: Sequence[str]) -> str:
    arguments = [functions.names[i] for i in functions.names.inputs]
    lines = [f"{x} = float({x})" for x in arguments]
    if functions.names.parameters:
        arguments.append("parameters=PARAMETERS")
        lines.append("p = parameters")
    lines += [*map(_line, body.statements), *last]
    head = wrapped(f"def {name}(", arguments, "):", 4)
    return "\n".join([head, *(f"    {line}".rstrip() for line in lines)])


def _line(statement: Statement) -> str:
    comment = f"# {statement.comment}" if statement.comment else ""
    if not statement.target:
        return comment
    return f"{statement.target} = {statement.code}  {comment}".rstrip()


def _main(functions: Functions) -> str:
    inputs = [functions.language.number(functions.graph.data[i]) for i in functions.names.inputs]
    lines = [wrapped("captured = [", inputs, "]", 8), 'print("forward", forward(*captured))']
    if functions.wrt:
        lines.append('print("gradient", gradient(*captured))')
    return "\n".join(['if __name__ == "__main__":', *(f"    {line}" for line in lines)])
