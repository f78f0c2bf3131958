"""A plugin whose hook raises."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


@hookimpl
def rustygrad_register_backends(register):
    register("half", dict)
    raise RuntimeError("no device found")


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="raises in a hook")
