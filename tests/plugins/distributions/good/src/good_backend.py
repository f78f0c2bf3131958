"""A plugin that offers one of each kind."""

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo, exact

factory_calls = []


class Engine:
    """As much of a backend as selection looks at."""

    name = "good"
    numerics = exact
    apply = custom = capture = None

    class Value:
        def __init__(self, data, label=""):
            self.data, self.label = data, label


class Compiler:
    name = "good"
    numerics = exact

    def compile(self, graph):
        raise NotImplementedError


class Exporter:
    name = "good"

    def export(self, graph, stream):
        stream.write(str(graph).encode())


def backend():
    factory_calls.append("backend")
    Engine.Value._backend = engine = Engine()
    return engine


@hookimpl
def rustygrad_register_backends(register):
    register(" Good ", backend, auto_priority=50)


@hookimpl
def rustygrad_register_compilers(register):
    register("good", Compiler, auto_priority=50)


@hookimpl
def rustygrad_register_exporters(register):
    register("good", Exporter)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="one of each kind")
