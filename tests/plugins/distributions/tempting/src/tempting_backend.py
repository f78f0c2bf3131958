"""A backend that outranks all others and does not load."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


def backend():
    raise ImportError("libtempting.so: undefined symbol: fma")


@hookimpl
def rustygrad_register_backends(register):
    register("tempting", backend, auto_priority=1_000_000)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="the best of all")
