"""A backend that is only taken by name."""

from types import SimpleNamespace

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


@hookimpl
def rustygrad_register_backends(register):
    register("quiet", lambda: SimpleNamespace(name="quiet"))


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="only by name")
