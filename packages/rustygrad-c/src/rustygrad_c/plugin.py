"""The plugin's door: it offers the backend `c`, and loads the extension when it is chosen."""

from __future__ import annotations

from rustygrad.hookspecs import RegisterBackend, hookimpl
from rustygrad.interfaces import API_VERSION, Backend, PluginInfo

__all__ = ["rustygrad_plugin_info", "rustygrad_register_backends"]


def _c() -> Backend:
    from .backend import backend

    return backend


@hookimpl
def rustygrad_register_backends(register: RegisterBackend) -> None:
    """Offer the backend; it is the first choice where the user names none."""
    register("c", _c, auto_priority=100)


@hookimpl
def rustygrad_plugin_info() -> PluginInfo:
    """Say what this plugin is."""
    return PluginInfo(api=API_VERSION, summary="the eager engine, in C")
