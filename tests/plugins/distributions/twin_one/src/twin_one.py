"""One of two plugins that offer the same name."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo, exact


class Engine:
    """As much of a backend as selection looks at."""

    name = "twin"
    by = "one"
    numerics = exact
    apply = custom = capture = None

    class Value:
        pass


Engine.Value._backend = engine = Engine()


@hookimpl
def rustygrad_register_backends(register):
    register("twin", lambda: engine)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="twin one")
