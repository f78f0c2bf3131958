"""Core's plugin that offers the exporters of ``.py`` and ``.c`` files."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

from ..errors import OptionError
from ..graph import Graph
from ..hookspecs import RegisterExporter, hookimpl
from ..interfaces import API_VERSION, Exporter, PluginInfo

__all__ = ["SourceExporter", "rustygrad_plugin_info", "rustygrad_register_exporters"]


class SourceExporter:
    """Implements `rustygrad.interfaces.Exporter` for the files of one language.

    Args:
        name: their suffix.
        source: gives the text of a graph, `c_source` or `python_source`.
    """

    def __init__(self, name: str, source: Callable[..., str]) -> None:
        self.name = name
        self._source = source

    def export(self, graph: Graph, stream: IO[bytes], **options: Any) -> None:
        """Write the graph in UTF-8; the options and the errors are those of the function.

        Raises:
            OptionError: an option that it does not have.
        """
        OptionError.check(self.name, options, self._source)
        stream.write(self._source(graph, **options).encode("utf-8"))


def _python() -> Exporter:
    from .python import python_source

    return SourceExporter("py", python_source)


def _c() -> Exporter:
    from .c import c_source

    return SourceExporter("c", c_source)


@hookimpl
def rustygrad_register_exporters(register: RegisterExporter) -> None:
    """Offer the exporters of source text."""
    register("py", _python)
    register("c", _c)


@hookimpl
def rustygrad_plugin_info() -> PluginInfo:
    """Say what this plugin is."""
    return PluginInfo(api=API_VERSION, summary="graphs as source text, in Python and C")
