"""Graphs as files: `export(value, "g.dot")` picks the exporter by suffix."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import ArgumentError, GraphError
from .files import check_writable, write_bytes
from .graph import Graph
from .selection import exporter_asked_for

__all__ = ["export"]


def export(
    value: Any, path: str | Path, *, names: Mapping[str, Any] | None = None, **options: Any
) -> Path:
    """Write the graph of a Value to a file, whole or not at all.

    Args:
        value: a Value, or a `Graph`.
        path: where to; its suffix picks the exporter.
        names: names of Values, such as ``locals()``, see `Graph.capture`; of a Graph
            they are given when it is captured.
        options: passed on to the exporter.

    Returns:
        The path.

    Raises:
        ArgumentError: the path is none or has no suffix, or there are `names` for a Graph.
        OptionError: the exporter has no such option.
        UnknownNameError: no installed exporter writes files of that suffix.
        GraphError: `value` is neither a Value nor a Graph, or a Graph without nodes,
            or `names` are no mapping.
        ExportError: the exporter cannot draw it; the message says what to do.
        OSError: the file cannot be written.
    """
    target = _path(path)
    if not target.suffix:
        raise ArgumentError(f"{str(path)!r} has no suffix to pick an exporter by, such as '.dot'")
    exporter = exporter_asked_for(target.suffix[1:], f"export(..., {target.name!r})")
    if not isinstance(value, Graph):
        graph = Graph.capture(value, names=names)
    elif names is None:
        graph = value
    else:
        raise ArgumentError("a Graph has its names: give them to Graph.capture(..., names=...)")
    if not len(graph):
        raise GraphError("the graph has no nodes: there is nothing to export")
    check_writable(target)
    stream = io.BytesIO()
    exporter.export(graph, stream, **options)
    write_bytes(target, stream.getvalue())
    return target


def _path(path: Any) -> Path:
    """The path, if it can be one of a file.

    Raises:
        ArgumentError: it cannot.
    """
    try:
        target = Path(path)
        if b"\0" not in os.fsencode(target):
            return target
    except (TypeError, ValueError):  # no path at all, or a character that no path can have
        pass
    raise ArgumentError(f"export() writes to a path, such as 'graph.svg', not to {path!r:.60}")
