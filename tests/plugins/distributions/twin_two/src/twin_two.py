"""One of two plugins that offer the same name."""

from types import SimpleNamespace

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


@hookimpl
def rustygrad_register_backends(register):
    register("twin", lambda: SimpleNamespace(name="twin", by="two"))


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="twin two")
