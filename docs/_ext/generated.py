"""Pages that are generated from the code: operations, hooks, errors, the command line.

They are written to ``docs/_generated`` before each build, and a page of the
reference includes each.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import math
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rustygrad import errors, hookspecs, interfaces, ops
from rustygrad.formulas import local_formulas

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_SECTIONS = ("Args:", "Raises:", "Returns:")
_ARGUMENT = re.compile(r" {4}(\w+): (.*)")
TARGET = Path(__file__).parents[1] / "_generated"


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx reads the sources."""
    app.connect("builder-inited", lambda app: write_all(TARGET))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_all(target: Path) -> None:
    """Write every page, and leave a file alone whose content is the same."""
    target.mkdir(exist_ok=True)
    pages = {"ops": op_table, "hookspecs": hooks, "errors": error_tree, "cli": command_line}
    pages["more"] = more_pages
    for name, page in pages.items():
        path, text = target / f"{name}.md", "\n".join(page()) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# --- operations ---------------------------------------------------------------


def op_table() -> Iterator[str]:
    """A table of all operations, then the source of each."""
    rows = list(ops.OPS.values())
    yield from _op_rows([op for op in rows if not op.mask])
    yield "\n## Masks\n"
    yield "A mask chooses, and its derivative is 0. Masks appear in derivatives, not in programs.\n"
    yield from _op_rows([op for op in rows if op.mask])
    yield "\n## How each is computed\n"
    yield "`forward` computes the result. `vjp(g, out, ...)` gives each operand's gradient from `g`,"
    yield "the gradient of the result, `out`, the result itself, and the operands.\n"
    sources = _op_sources()
    for op in rows:
        yield f"(op-{op.name})="
        yield f"### {op.name}\n"
        yield from _op_notes(op)
        yield "```{code-block} python\n" + "\n\n\n".join(sources[op.name]) + "\n```\n"


def _op_rows(rows: list[ops.Op]) -> Iterator[str]:
    yield "| name | symbol | operands | formula | domain | no derivative at |"
    yield "|---|---|---|---|---|---|"
    for op in rows:
        yield (
            f"| [{op.name}](#op-{op.name}) | {_code(op.symbol)} | {_arity(op)} "
            f"| {_code(op.formula)} | {_domain(op)} | {op.kinks.partition(',')[0] or '-'} |"
        )


def _arity(op: ops.Op) -> str:
    count = "any" if op.arity is None else str(op.arity)
    return f"{count} and `n`" if op.attribute else count


def _op_notes(op: ops.Op) -> Iterator[str]:
    notes = []
    if op.attribute:
        notes.append(f"The node holds one constant, `{op.attribute}`.")
    if not op.mask:
        notes.append(f"Its local derivatives are {_derivatives(op)}.")
    if op.kinks:
        notes.append(f"It has no derivative at {op.kinks}.")
    if op.last_first:
        notes.append("Its operands receive their gradients last to first.")
    if op.expands:
        notes.append("`Graph.expand()` writes it out in `+`, `*` and `/`.")
    if notes:
        yield " ".join(notes) + "\n"


def _derivatives(op: ops.Op) -> str:
    """By each operand; of operations that take any number, by each of three."""
    count = 3 if op.arity is None else op.arity
    names = [f"xs[{i}]" for i in range(3)] if op.arity is None else ["x", "y", "z"]
    texts = local_formulas(op, count)
    return ", ".join(f"`{t}` by `{x}`" for t, x in zip(texts, names, strict=False))


def _domain(op: ops.Op) -> str:
    """The intervals in words, the operands by the names that the formula has for them."""
    names = ["every x"] if op.arity is None else ["x", "y", "z"][: op.arity]
    intervals = [*op.domain, *[op.domain[-1]] * (len(names) - len(op.domain))]
    limits = [
        f"{name} > {low:g}" if high == math.inf else f"{low:g} < {name} < {high:g}"
        for name, (low, high) in zip(names, intervals, strict=True)
        if (low, high) != (-math.inf, math.inf)
    ]
    return ", ".join(limits) or "all"


def _op_sources() -> dict[str, list[str]]:
    """For each operation, its row as it stands in the table, and the functions it names."""
    module = Path(inspect.getfile(ops)).read_text(encoding="utf-8")
    tree = ast.parse(module)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = {}
    for node in tree.body:
        call = getattr(node, "value", None)
        if not (isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Op"):
            continue
        row = {keyword.arg: keyword.value for keyword in call.keywords}
        lines = [
            f"{key} = {ast.get_source_segment(module, row[key])}" for key in ("forward", "vjp")
        ]
        pieces = ["\n".join(textwrap.dedent(line) for line in lines)]
        wanted, seen = [row["forward"], row["vjp"]], set()
        while wanted:
            for name in ast.walk(wanted.pop(0)):
                if isinstance(name, ast.Name) and name.id in functions and name.id not in seen:
                    seen.add(name.id)
                    wanted.append(functions[name.id])
                    pieces.append(str(ast.get_source_segment(module, functions[name.id])))
        found[ast.literal_eval(call.args[0])] = pieces
    return found


# --- hooks ---------------------------------------------------------------------


def hooks() -> Iterator[str]:
    """Every hook with its arguments and its documentation, then what `register` is."""
    yield f"These are version {interfaces.API_VERSION} of the interfaces, `rustygrad.interfaces.API_VERSION`.\n"
    for name, function in vars(hookspecs).items():
        if name.startswith("rustygrad_"):
            yield f"## {name}\n"
            yield f"```python\ndef {name}{_signature(function)}\n```\n"
            yield _prose(function) + "\n"
    yield "## What a hook is given\n"
    for name, cls in vars(hookspecs).items():
        if inspect.isclass(cls) and cls.__module__ == hookspecs.__name__:
            yield f"### {name}\n"
            yield f"```python\nregister{_signature(cls.__call__)}\n```\n"
            yield _prose(cls) + "\n"


def _signature(function: Any) -> str:
    return str(inspect.signature(function)).replace("'", "").replace("(self, ", "(")


# --- errors ----------------------------------------------------------------------


def error_tree() -> Iterator[str]:
    """Every exception: what it means, and which built-in exceptions catch it too."""
    yield "| exception | is also a | raised when |"
    yield "|---|---|---|"
    own = [
        c for c in vars(errors).values() if inspect.isclass(c) and c.__module__ == errors.__name__
    ]
    for cls in own:
        bases = [b for b in cls.__mro__[1:] if b not in (object, BaseException, Exception)]
        shown = ", ".join(f"`{b.__name__}`" for b in bases) or "`Exception`"
        yield f"| {{py:exc}}`{cls.__name__} <rustygrad.errors.{cls.__name__}>` | {shown} | {_prose(cls)} |"


# --- the command line --------------------------------------------------------------


def command_line() -> Iterator[str]:
    """What ``--help`` prints, for the program and each command."""
    if any(find_spec(name) is None for name in ("typer", "rich", "rustygrad.cli")):
        yield "This copy was built without the extra `[cli]`; `rustygrad --help` shows the commands."
        return
    for command in ("", *_commands()):
        yield f"## rustygrad {command}".rstrip() + "\n"
        yield "```text\n" + _help(command) + "\n```\n"


def _commands() -> list[str]:
    app = importlib.import_module("rustygrad.cli.app").app
    return [c.name or c.callback.__name__ for c in app.registered_commands]


def _help(command: str) -> str:
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    environment["PYTHONIOENCODING"] = "utf-8"
    program = "from rustygrad.cli.app import app; app(prog_name='rustygrad')"
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split(), "--help"],
        capture_output=True, encoding="utf-8", env=environment, check=True, timeout=60,
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


# --- pages that others write ------------------------------------------------------------


def more_pages() -> Iterator[str]:
    """A table of contents of generated pages that may be missing, such as the mutants."""
    if (TARGET.parent / "reference" / "mutants.md").exists():
        yield "```{toctree}\n:maxdepth: 1\n:caption: The conformance suite\n\nmutants\n```"


# --- Markdown ----------------------------------------------------------------------


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`" if text else ""


def _prose(item: Any) -> str:
    """A docstring as Markdown: its double backticks are single ones there."""
    text = (inspect.getdoc(item) or "").replace("``", "`")
    lines = [
        f"- `{m[1]}`: {m[2]}" if (m := _ARGUMENT.match(line)) else line
        for line in text.splitlines()
    ]
    return "\n".join(f"\n**{line.strip(':')}**\n" if line in _SECTIONS else line for line in lines)
