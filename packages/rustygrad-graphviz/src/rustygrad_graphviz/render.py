"""Graphs as pictures: DOT text, laid out by Graphviz in a process with a time limit."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import IO, Any, Final

from rustygrad.errors import ExportError, OptionError
from rustygrad.graph import Graph

from .dot import lines
from .fitting import Excerpt, fitted
from .layout import FAILED, MISSING
from .options import Options

__all__ = ["LARGEST", "PictureExporter"]

#: The most nodes and edges that are given to Graphviz; for more it needs hours and gigabytes.
LARGEST: Final = 50_000

#: Attributes of the whole picture. A bitmap has no more than 9600 pixels a side and a PDF page
#: no more than 200 inches, which is what viewers open.
_ATTRIBUTES: Final = {
    "svg": ('pad="0.1"',),
    "png": ('pad="0.1"', "dpi=144", 'size="66,66"'),
    "pdf": ('pad="0.1"', 'size="200,200"'),
}
_DRAW_LESS: Final = (
    "draw less, with fold=None or fold=1 or a part that Graph.slice gives, "
    "or write a .dot or .html file, which needs no layout"
)
_INSTALL: Final = {
    "linux": "apt install graphviz (Debian, Ubuntu), dnf install graphviz (Fedora)",
    "darwin": "brew install graphviz",
    "win32": "winget install Graphviz.Graphviz",
}


class PictureExporter:
    """Implements `rustygrad.interfaces.Exporter` for what Graphviz draws.

    Args:
        name: 'svg', 'png' or 'pdf'.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def export(self, graph: Graph, stream: IO[bytes], **options: Any) -> None:
        """Write the picture; the options are those of `Options`.

        Raises:
            ArgumentError: an option has a value that makes no sense.
            ExportError: Graphviz is not installed or fails, the layout takes longer
                than `timeout`, or there is more to draw than `LARGEST`.
            OptionError: an option that `Options` does not have.
        """
        OptionError.check(self.name, options, Options)
        chosen = Options(**options)
        excerpt = fitted(graph, chosen)
        _refuse_masses(excerpt)
        text = lines(excerpt, chosen, *_ATTRIBUTES[self.name])
        picture = _drawn("".join(text).encode("utf-8"), self.name, float(chosen.timeout))
        stream.write(_for_pages(picture) if self.name == "svg" else picture)


def _for_pages(svg: bytes) -> bytes:
    """The SVG element alone, shown whole in a page: it shrinks to what is still legible.

    Graphviz's own sizes are fixed, and the document type before the element is
    no part of a page that holds it.
    """
    element = svg[svg.index(b"<svg") :]
    width, height = (float(x) for x in re.findall(rb'(?:width|height)="([\d.]+)pt"', element)[:2])
    style = f"max-width: 100%; min-width: {0.7 * width:.0f}px; height: auto"
    size = f'<svg width="{width:g}" height="{height:g}" style="{style}"'
    return re.sub(rb'<svg width="\S+" height="\S+"', size.encode(), element, count=1)


def _refuse_masses(excerpt: Excerpt) -> None:
    edges = sum(len(excerpt.graph.operands_of(i)) for i in excerpt.shown)
    if len(excerpt.shown) + edges > LARGEST:
        raise ExportError(
            f"{len(excerpt.shown):,} nodes and {edges:,} edges are too many for Graphviz, which "
            f"is given no more than {LARGEST:,} of both: {_DRAW_LESS}"
        )


def _drawn(text: bytes, kind: str, timeout: float) -> bytes:
    """What Graphviz makes of DOT text.

    Raises:
        ExportError: it is not installed, fails, or takes too long.
    """
    command = [sys.executable, "-P", "-m", "rustygrad_graphviz.layout", kind]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    ) as child:
        try:
            picture, said = child.communicate(text, timeout)
        except subprocess.TimeoutExpired:
            _end(child)
            raise ExportError(
                f"the layout took longer than {timeout:g} s: raise the limit, timeout=..., or "
                f"{_DRAW_LESS}"
            ) from None
        except BaseException:
            _end(child)
            raise
    if child.returncode == MISSING:
        raise ExportError(
            f"a .{kind} file is drawn by Graphviz, and there is no program `dot` on the PATH: "
            f"{_INSTALL.get(sys.platform, 'https://graphviz.org/download')}. "
            "Files that end in .dot or .html need no Graphviz."
        )
    if child.returncode:
        what = "Graphviz" if child.returncode == FAILED else "the process that draws"
        lines = said.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
        raise ExportError(f"{what} could not draw the .{kind} file: {lines[-1]:.300}")
    return picture


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the process and what it started."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(child.pid)], capture_output=True)
    else:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
