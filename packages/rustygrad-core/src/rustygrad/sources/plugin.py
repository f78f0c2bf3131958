"""Core's plugin that offers the exporters of ``.py`` and ``.c`` files."""

from __future__ import annotations

from ..hookspecs import RegisterExporter, hookimpl
from ..interfaces import API_VERSION, Exporter, PluginInfo

__all__ = ["rustygrad_plugin_info", "rustygrad_register_exporters"]


def _python() -> Exporter:
    from .python import PythonExporter

    return PythonExporter()


def _c() -> Exporter:
    from .c import CExporter

    return CExporter()


@hookimpl
def rustygrad_register_exporters(register: RegisterExporter) -> None:
    """Offer the exporters of source text."""
    register("py", _python)
    register("c", _c)


@hookimpl
def rustygrad_plugin_info() -> PluginInfo:
    """Say what this plugin is."""
    return PluginInfo(api=API_VERSION, summary="graphs as source text, in Python and C")
