"""The plugin's door: it offers the exporters and imports nothing for them until asked."""

from __future__ import annotations

from functools import partial

from rustygrad.hookspecs import RegisterExporter, hookimpl
from rustygrad.interfaces import API_VERSION, Exporter, PluginInfo

__all__ = ["rustygrad_plugin_info", "rustygrad_register_exporters"]


def _dot() -> Exporter:
    from .dot import DotExporter

    return DotExporter()


def _picture(name: str) -> Exporter:
    from .render import PictureExporter

    return PictureExporter(name)


@hookimpl
def rustygrad_register_exporters(register: RegisterExporter) -> None:
    """Offer the exporters of ``.dot`` text and of pictures."""
    register("dot", _dot)
    for name in ("svg", "png", "pdf"):
        register(name, partial(_picture, name))


@hookimpl
def rustygrad_plugin_info() -> PluginInfo:
    """Say what this plugin is."""
    return PluginInfo(api=API_VERSION, summary="pictures of graphs, drawn by Graphviz")
