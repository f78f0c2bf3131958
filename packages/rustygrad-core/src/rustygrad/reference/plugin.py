"""Core's own plugin, which offers the reference backend like any other plugin does."""

from __future__ import annotations

from ..hookspecs import RegisterBackend, hookimpl
from ..interfaces import API_VERSION, Backend, PluginInfo

__all__ = ["rustygrad_plugin_info", "rustygrad_register_backends"]


def _reference() -> Backend:
    from . import backend

    return backend


@hookimpl
def rustygrad_register_backends(register: RegisterBackend) -> None:
    """Offer the backend that is always there, and that any other outranks."""
    register("python", _reference, auto_priority=0)


@hookimpl
def rustygrad_plugin_info() -> PluginInfo:
    """Say what this plugin is."""
    return PluginInfo(api=API_VERSION, summary="the reference engine, in pure Python")
