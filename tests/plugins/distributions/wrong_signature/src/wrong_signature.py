"""A plugin whose hook takes another argument."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


@hookimpl
def rustygrad_register_backends(registry):
    registry("never", dict)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="wrong signature")
