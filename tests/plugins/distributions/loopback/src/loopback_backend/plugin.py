"""The plugin's door."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


def _loopback():
    from .engine import backend

    return backend


@hookimpl
def rustygrad_register_backends(register):
    """Offer the backend by name only."""
    register("loopback", _loopback)


@hookimpl
def rustygrad_plugin_info():
    """Say what this plugin is."""
    return PluginInfo(api=API_VERSION, summary="a copy of the reference engine")
