"""The plugin's door: it offers the exporter `dot` and imports nothing for it until asked."""

from __future__ import annotations

from rustygrad.hookspecs import RegisterExporter, hookimpl
from rustygrad.interfaces import API_VERSION, Exporter, PluginInfo

__all__ = ["rustygrad_plugin_info", "rustygrad_register_exporters"]


def _dot() -> Exporter:
    from .dot import DotExporter

    return DotExporter()


@hookimpl
def rustygrad_register_exporters(register: RegisterExporter) -> None:
    """Offer the exporter of ``.dot`` files."""
    register("dot", _dot)


@hookimpl
def rustygrad_plugin_info() -> PluginInfo:
    """Say what this plugin is."""
    return PluginInfo(api=API_VERSION, summary="pictures of graphs, as Graphviz text")
