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


def _html() -> Exporter:
    from .page import HtmlExporter

    return HtmlExporter()


@hookimpl
def rustygrad_register_exporters(register: RegisterExporter) -> None:
    """Offer the exporters of ``.dot`` text, of pictures and of pages."""
    register("dot", _dot)
    for name in ("svg", "png", "pdf"):
        register(name, partial(_picture, name))
    register("html", _html)


@hookimpl
def rustygrad_plugin_info() -> PluginInfo:
    """Say what this plugin is."""
    return PluginInfo(api=API_VERSION, summary="graphs as pictures, and as pages")
