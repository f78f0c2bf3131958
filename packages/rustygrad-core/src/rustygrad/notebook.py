"""Values and graphs in notebooks: their text, and a picture where an exporter of SVG is installed."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

__all__ = ["mimebundle"]

SVG = "image/svg+xml"


def mimebundle(value: Any, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """What IPython shows of a Value or a Graph: the method ``_repr_mimebundle_`` of both.

    Where there is no picture, because nothing draws it or drawing fails, the
    text stands alone: showing a value never raises. ``rustygrad.export(value,
    "value.svg")`` tells the reason.

    Args:
        value: a Value of any backend, or a `Graph`.
        include: the MIME types that are wanted, None for all.
        exclude: the MIME types that are not wanted.
    """
    bundle = {"text/plain": repr(value)}
    if _wanted(include, exclude):
        with suppress(Exception):  # of anybody's plugin
            bundle[SVG] = _picture(value)
    return bundle


def _wanted(include: Any, exclude: Any) -> bool:
    """Whether somebody looks at pictures; IPython in a terminal asks for all and shows text."""
    if SVG in (exclude or ()) or SVG not in (include or (SVG,)):
        return False
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    formatter = getattr(shell, "display_formatter", None)
    return SVG in getattr(formatter, "active_types", (SVG,))


def _picture(value: Any) -> str:
    import io

    from .graph import Graph
    from .selection import get_exporter

    stream = io.BytesIO()
    exporter = get_exporter("svg")
    graph = value if isinstance(value, Graph) else Graph.capture(value)
    exporter.export(graph, stream)
    return stream.getvalue().decode("utf-8")
