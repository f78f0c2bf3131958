"""A plugin whose hook has a name that does not exist."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


@hookimpl
def rustygrad_register_backend(register):
    register("never", dict)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="misspelt hook")
