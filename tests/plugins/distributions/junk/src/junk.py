"""A plugin whose factories make something else."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo, exact


class Unowned:
    """A backend whose class of Values does not know it."""

    name = "unowned"
    numerics = exact
    apply = custom = capture = None

    class Value:
        pass


@hookimpl
def rustygrad_register_backends(register):
    register("forty-two", lambda: 42, auto_priority=3_000_000)
    register("unowned", Unowned, auto_priority=2_500_000)


@hookimpl
def rustygrad_register_compilers(register):
    register("forty-two", lambda: 42)


@hookimpl
def rustygrad_register_exporters(register):
    register("forty-two", lambda: 42)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="makes something else")
