"""The plugin's door: it offers the backend `c`, and loads the extension when it is chosen."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from rustygrad.hookspecs import RegisterBackend, hookimpl
from rustygrad.interfaces import API_VERSION, Backend, PluginInfo

__all__ = ["rustygrad_plugin_info", "rustygrad_register_backends"]


def _c() -> Backend:
    if find_spec(f"{__package__}._engine") is None:
        raise ImportError(
            f"rustygrad-c holds no module that was compiled for {sys.implementation.cache_tag}. "
            "Install it anew: pip install --force-reinstall --no-deps rustygrad-c"
        )
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
