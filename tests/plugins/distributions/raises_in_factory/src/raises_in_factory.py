"""A plugin whose backend cannot be made."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


def backend():
    raise OSError("libfast.so: cannot open shared object file")


@hookimpl
def rustygrad_register_backends(register):
    register("fragile", backend)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="raises in its factory")
