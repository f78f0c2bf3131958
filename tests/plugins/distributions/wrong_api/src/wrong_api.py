"""A plugin for another version of the plugin interface."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import PluginInfo


@hookimpl
def rustygrad_register_backends(register):
    register("never", dict)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=99, summary="from the future")
