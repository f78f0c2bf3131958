"""Run the code of the documentation: ``pytest docs README.md packages``.

Each page has a folder and a namespace of its own, and its blocks run in order.

- A ``python`` block is run; one that starts with ``>>>`` is a doctest.
- An ``output`` block is compared with what was printed since the last one.
- A block with a file's name for its caption is written to that file.
- A ``console`` block is run line by line, ``$ `` before each command, and what
  follows a command is compared with what it prints. ``pip install ./folder``
  builds that folder's wheel and installs it for the rest of the page.
- Anything else, such as ``text`` and ``sh``, is for people.

In an expectation, ``...`` stands for anything.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import traceback
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sybil import Document, Example, Region, Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.parsers.abstract.doctest import DocTestStringParser
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer
from sybil.parsers.myst.lexers import DirectiveLexer

ROOT = Path(__file__).parents[2]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Page:
    """What a page's blocks share."""

    def __init__(self) -> None:
        self.before = Path.cwd()
        self.folder = Path(tempfile.mkdtemp(prefix="page-"))
        self.installed = self.folder / ".site-packages"
        self.printed = io.StringIO()
        os.chdir(self.folder)

    def close(self) -> None:
        """Leave and remove the folder."""
        os.chdir(self.before)
        shutil.rmtree(self.folder)

    def take_printed(self) -> str:
        """What was printed since this was last asked."""
        text = self.printed.getvalue()
        self.printed = io.StringIO()
        return text


def _open(namespace: dict[str, Any]) -> None:
    namespace["__page__"] = Page()
    namespace["__name__"] = "__main__"


def _close(namespace: dict[str, Any]) -> None:
    namespace["__page__"].close()


def _same(got: str, wanted: str) -> bool:
    """Whether the text is as expected, ``...`` apart, and white space around it."""
    return doctest.OutputChecker().check_output(_trimmed(wanted), _trimmed(got), doctest.ELLIPSIS)


def _trimmed(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")
    return textwrap.dedent(lines) + "\n"


def _fenced(language: str) -> FencedCodeBlockLexer:
    return FencedCodeBlockLexer(language=language, mapping={"source": "source"})


def python_blocks(document: Document) -> Iterator[Region]:
    """Programs, and doctests."""
    doctests = DocTestStringParser(DocTestEvaluator(FLAGS))
    for region in _fenced("python")(document):
        source = region.lexemes["source"]
        if source.startswith(">>>"):
            for part in doctests(source, document.path):
                part.adjust(region, source)
                yield part
        else:
            region.parsed, region.evaluator = source, _run
            yield region


def _run(example: Example) -> str | None:
    source = "\n" * (example.line + example.parsed.line_offset) + example.parsed
    try:
        with contextlib.redirect_stdout(example.namespace["__page__"].printed):
            exec(compile(source, example.path, "exec", dont_inherit=True), example.namespace)
    except Exception:
        return traceback.format_exc()
    return None


def output_blocks(document: Document) -> Iterator[Region]:
    """What programs printed."""
    for region in _fenced("output")(document):
        region.parsed, region.evaluator = region.lexemes["source"], _compare
        yield region


def _compare(example: Example) -> str | None:
    got = example.namespace["__page__"].take_printed()
    return None if _same(got, example.parsed) else f"printed:\n{got}\nand not:\n{example.parsed}"


def file_blocks(document: Document) -> Iterator[Region]:
    """Files of the page's folder."""
    for region in DirectiveLexer(directive="code-block", arguments=".+")(document):
        name = region.lexemes["options"].get("caption", "")
        if name:
            region.parsed = name, str(region.lexemes["source"])
            region.evaluator = _write
            yield region


def _write(example: Example) -> None:
    name, text = example.parsed
    path: Path = example.namespace["__page__"].folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def console_blocks(document: Document) -> Iterator[Region]:
    """Commands, and what they print."""
    for region in _fenced("console")(document):
        region.parsed, region.evaluator = str(region.lexemes["source"]), _execute
        yield region


def _execute(example: Example) -> str | None:
    page: Page = example.namespace["__page__"]
    for block in ("\n" + example.parsed).split("\n$ ")[1:]:
        command, _, wanted = block.partition("\n")
        got = _command(page, command)
        if wanted.strip() and not _same(got, wanted):
            return f"{command!r} printed:\n{got}\nand not:\n{wanted}"
    return None


def _command(page: Page, command: str) -> str:
    """What a command prints, errors included; its environment is the tests' own, without settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RUSTYGRAD_")}
    words = shlex.split(command)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if words[:2] == ["pip", "install"]:
        return _install(page, words[2])
    programs = {"python": [], "rustygrad": ["-m", "rustygrad"], "pytest": ["-m", "pytest"]}
    environment |= {
        "PYTHONPATH": str(page.installed),
        "PYTHONIOENCODING": "utf-8",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "100",
    }
    done = subprocess.run(
        [sys.executable, *programs[words[0]], *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=environment,
        cwd=page.folder,
        timeout=300,
    )
    return done.stdout


def _install(page: Page, folder: str) -> str:
    """Build a wheel and unpack it where the page's commands find it, without a network."""
    built = Path(tempfile.mkdtemp(dir=page.folder))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(command, cwd=page.folder / folder, check=True, capture_output=True)
    for wheel in built.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(page.installed)
    return ""


pytest_collect_file = Sybil(
    parsers=[python_blocks, output_blocks, file_blocks, console_blocks],
    path=str(ROOT),
    patterns=["README.md", "docs/*.md", "docs/*/*.md", "packages/*/README.md"],
    excludes=["docs/_*/*.md"],
    setup=_open,
    teardown=_close,
).pytest()
