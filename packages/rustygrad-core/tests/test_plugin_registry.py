"""The registry in this process, with plugins made up on the spot.

The same with installed distributions is in the repository's ``tests/plugins``.
"""

import sys
import threading
import types
import warnings

import pytest
from rustygrad import hookimpl, plugins
from rustygrad.errors import PluginError, PluginWarning
from rustygrad.interfaces import API_VERSION, Numerics, PluginInfo, exact, ulp
from rustygrad.plugins import Offer, Plugin, Registry, normalise


def module(name="made_up", **hooks):
    """A plugin module with these hooks, and the required one."""
    made = types.ModuleType(name)
    hooks.setdefault("rustygrad_plugin_info", lambda: PluginInfo(API_VERSION, "a summary"))
    for hook, function in hooks.items():
        setattr(made, hook, hookimpl(function) if callable(function) else function)
    return made


def added(made, name="x", registry=None):
    """The record of a plugin after it has been added, and the warnings."""
    registry = registry or Registry()
    plugin = Plugin(name, "some-dist", "1.2")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        registry.add(plugin, (lambda: made) if isinstance(made, types.ModuleType) else made)
    return plugin, registry, [str(w.message) for w in caught]


def refusal(made):
    plugin, registry, texts = added(made)
    assert registry.offers == []
    assert texts == [f"the plugin 'x' of some-dist 1.2 is left out: {plugin.reason}"]
    return plugin.reason


def backends(body):
    def rustygrad_register_backends(register):
        body(register)

    return module(rustygrad_register_backends=rustygrad_register_backends)


def test_a_good_plugin_is_asked_for_everything_it_offers():
    def rustygrad_register_backends(register):
        register(" Fast ", dict, auto_priority=7)

    def rustygrad_register_compilers(register):
        register("native", list, auto_priority=3)

    def rustygrad_register_exporters(register):
        register("svg", set)

    made = module(
        rustygrad_register_backends=rustygrad_register_backends,
        rustygrad_register_compilers=rustygrad_register_compilers,
        rustygrad_register_exporters=rustygrad_register_exporters,
    )
    plugin, registry, texts = added(made)
    assert [(o.kind, o.name, o.auto_priority, o.factory) for o in registry.offers] == [
        ("backend", "fast", 7, dict),
        ("compiler", "native", 3, list),
        ("exporter", "svg", None, set),
    ]
    assert (plugin.reason, plugin.info.summary, texts) == ("", "a summary", [])
    assert registry.names("compiler") == ["native"]
    assert registry.named("backend", "fast") == registry.offers[:1]


def test_a_plugin_that_offers_nothing_is_no_error():
    assert added(module())[2] == []


def test_an_import_that_raises_is_the_reason():
    def load():
        raise ImportError("no such\n  library")

    assert refusal(load) == "importing it raised ImportError: no such library"


def test_an_import_that_ends_the_program_is_the_reason():
    assert refusal(lambda: sys.exit("no licence")) == "importing it raised SystemExit: no licence"


def test_a_hook_that_ends_the_program_is_the_reason():
    reason = refusal(backends(lambda register: sys.exit(3)))
    assert reason == "its hook rustygrad_register_backends raised SystemExit: 3"


def test_a_hook_that_raises_is_the_reason():
    def body(register):
        raise KeyError("k")

    assert refusal(backends(body)) == "its hook rustygrad_register_backends raised KeyError: 'k'"


def test_an_info_hook_that_raises_is_the_reason():
    def info():
        raise OSError("gone")

    assert refusal(module(rustygrad_plugin_info=info)) == (
        "its hook rustygrad_plugin_info raised OSError: gone"
    )


@pytest.mark.parametrize("info", [lambda: None, lambda: {"api": 1}])
def test_an_info_hook_must_return_a_plugin_info(info):
    assert refusal(module(rustygrad_plugin_info=info)) == (
        "its hook rustygrad_plugin_info does not return a PluginInfo"
    )


def test_the_info_hook_is_required():
    made = module()
    del made.rustygrad_plugin_info
    assert refusal(made) == "its hook rustygrad_plugin_info does not return a PluginInfo"


def test_another_version_of_the_interface_is_refused():
    made = module(rustygrad_plugin_info=lambda: PluginInfo(99))
    assert refusal(made) == (
        "it was written for version 99 of the plugin interface, and this is version 1"
    )


def test_a_wrong_signature_is_refused():
    def rustygrad_register_backends(registry):
        pass

    reason = refusal(module(rustygrad_register_backends=rustygrad_register_backends))
    assert reason == (
        "Plugin 'made_up' for hook 'rustygrad_register_backends' hookimpl definition: "
        "rustygrad_register_backends(registry) Argument(s) {'registry'} are declared in "
        "the hookimpl but can not be found in the hookspec"
    )


def test_a_misspelt_hook_is_refused():
    reason = refusal(module(rustygrad_register_backend=lambda register: None))
    assert reason == "unknown hook 'rustygrad_register_backend' in plugin <module 'made_up'>"


def test_a_module_that_cannot_be_looked_into_is_refused():
    made = module()

    def dir_():
        raise RuntimeError("cannot load what is listed here")

    made.__dir__ = dir_
    assert refusal(made) == (
        "looking for its hooks raised RuntimeError: cannot load what is listed here"
    )


@pytest.mark.parametrize(
    ("arguments", "options", "reason"),
    [
        ((3, dict), {}, "TypeError: register() takes a name of its own, not 3"),
        ((" ", dict), {}, "TypeError: register() takes a name of its own, not ' '"),
        (("Auto", dict), {}, "TypeError: register() takes a name of its own, not 'Auto'"),
        (("a", None), {}, "TypeError: register('a', ...) takes a factory, not None"),
        (
            ("a", dict),
            {"auto_priority": "high"},
            "TypeError: auto_priority is an int or None, not 'high'",
        ),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused(arguments, options, reason):
    made = backends(lambda register: register(*arguments, **options))
    assert refusal(made) == f"its hook rustygrad_register_backends raised {reason}"


def test_a_plugin_that_fails_half_way_offers_nothing():
    def body(register):
        register("a", dict)
        raise ValueError("b")

    assert refusal(backends(body))


def test_a_plugin_that_is_left_out_does_not_stop_the_others():
    registry = Registry()
    for made in (
        module("one", rustygrad_register_backend=lambda register: None),
        lambda: 1 / 0,
        module("two", rustygrad_plugin_info=lambda: None),
        backends(lambda register: register("good", dict)),
    ):
        added(made, registry=registry)
    assert registry.names("backend") == ["good"]
    assert [bool(p.reason) for p in registry.plugins] == [True, True, True, False]


def test_a_module_that_two_entry_points_name_counts_once():
    registry = Registry()
    made = backends(lambda register: register("a", dict))
    added(made, registry=registry)
    second, _, _ = added(made, name="y", registry=registry)
    assert second.reason == "another entry point names the same module"
    assert len(registry.offers) == 1


def test_discovery_adds_cores_own_plugins_first(nothing_selected):
    assert [(p.name, p.distribution, p.info.summary) for p in nothing_selected.plugins] == [
        ("python", "rustygrad-core", "the reference engine, in pure Python"),
        ("sources", "rustygrad-core", "graphs as source text, in Python and C"),
    ]
    assert nothing_selected.names("backend") == ["python"]
    assert nothing_selected.names("exporter") == ["c", "py"]


def test_discovery_adds_every_entry_point(nothing_selected, monkeypatch):
    made = backends(lambda register: register("a", dict))
    entry = types.SimpleNamespace(name="e", distribution="d", version="2", load=lambda: made)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry])
    registry = Registry()
    registry.discover()
    assert [(p.name, p.distribution, p.version) for p in registry.plugins[2:]] == [("e", "d", "2")]


def test_the_registry_is_made_once(nothing_selected):
    assert plugins.registry() is nothing_selected


def test_threads_that_ask_at_once_get_one_registry(nothing_selected, monkeypatch):
    monkeypatch.setattr(plugins, "_registry", None)
    made, barrier = [], threading.Barrier(8)

    def ask():
        barrier.wait()
        made.append(plugins.registry())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, made))) == 1


def test_a_thread_that_waited_for_the_registry_gets_the_same(nothing_selected, monkeypatch):
    class Waiting:
        """A lock that is free once another thread has made the registry."""

        def __enter__(self):
            plugins._registry = nothing_selected

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(plugins, "_registry", None)
    monkeypatch.setattr(plugins, "_lock", Waiting())
    assert plugins.registry() is nothing_selected


def test_a_plugin_that_uses_a_backend_while_it_is_found_is_left_out(nothing_selected, monkeypatch):
    from rustygrad import get_backend

    def load():
        get_backend()

    entry = types.SimpleNamespace(name="e", distribution="d", version="2", load=load)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry])
    monkeypatch.setattr(plugins, "_registry", None)
    with pytest.warns(PluginWarning) as caught:
        registry = plugins.registry()
    assert registry.plugins[-1].reason == (
        "importing it raised PluginError: the plugins are still being found: a plugin's module "
        "cannot use a backend while it is imported or its hooks run. Do that in the factory."
    )
    assert len(caught) == 1
    assert plugins.registry() is registry


# --- offers ---


def offer(factory, kind="backend"):
    return Offer(kind, "b", Plugin("p", "d", "1"), factory, None)


class Engine:
    """What a factory may return."""

    name, numerics = "b", exact
    apply = custom = capture = None

    class Value:
        pass


ENGINE = Engine.Value._backend = Engine()


def test_a_factory_runs_once():
    calls = []
    made = offer(lambda: calls.append(1) or ENGINE)
    assert [made.load(), made.load()] == [ENGINE, ENGINE]
    assert calls == [1]


@pytest.mark.parametrize("left_out", ["name", "numerics", "Value", "apply", "custom", "capture"])
def test_a_backend_that_lacks_something_is_told_what(left_out):
    attributes = {n: x for n, x in vars(Engine).items() if n[0] != "_" and n != left_out}
    with pytest.raises(TypeError, match=f"'Half', which is no backend: it has no {left_out} "):
        offer(type("Half", (), attributes)).load()


@pytest.mark.parametrize("owner", [None, Engine()])
def test_a_class_of_values_must_know_its_backend(owner):
    class Engine2(Engine):
        class Value:
            _backend = owner

    with pytest.raises(TypeError, match=r": set Value\._backend = backend$"):
        offer(Engine2).load()


@pytest.mark.parametrize(("kind", "missing"), [("compiler", "compile"), ("exporter", "export")])
def test_junk_is_neither_a_compiler_nor_an_exporter(kind, missing):
    with pytest.raises(TypeError, match=f"'int', which is no {kind}: it has no {missing} "):
        offer(lambda: 42, kind).load()


def test_a_factory_that_ends_the_program_is_broken():
    made = offer(lambda: sys.exit(3))
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            made.load()
        assert str(caught.value) == "its factory raised SystemExit: 3"
        assert isinstance(caught.value.__cause__, SystemExit)


def test_ctrl_c_in_a_factory_is_no_failure_of_its_own():
    def interrupted():
        raise KeyboardInterrupt

    made = offer(interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.load()
    assert made.error is None


def test_what_a_factory_raised_is_raised_again():
    calls = []

    def fail():
        calls.append(1)
        raise OSError("no")

    made = offer(fail)
    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            made.load()
    assert calls == [1]


def test_a_factory_that_returns_none_is_broken():
    with pytest.raises(TypeError) as caught:
        offer(lambda: None).load()
    assert str(caught.value) == "its factory returned None"


def test_a_factory_that_asks_for_its_own_backend_does_not_hang():
    made = offer(lambda: made.load())
    with pytest.raises(PluginError) as caught:
        made.load()
    assert str(caught.value) == "the backend 'b' is still being loaded"


def test_threads_that_ask_at_once_get_one_engine():
    started = threading.Event()
    calls, found = [], []

    def slow():
        calls.append(1)
        started.set()
        threading.Event().wait(0.02)
        return ENGINE

    made = offer(slow)
    threads = [threading.Thread(target=lambda: found.append(made.load())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(set(map(id, found))), calls) == (1, [1])


# --- what plugins say of themselves ---


def test_names_are_stripped_and_case_folded():
    assert normalise("  Straße ") == "strasse"


def test_numerics_say_what_they_promise():
    assert (repr(exact), repr(ulp(2))) == ("exact", "ulp(2)")
    assert (exact == Numerics(0), ulp(2) == ulp(2), ulp(2) == ulp(3), exact == 0) == (
        True, True, False, False,
    )  # fmt: skip
    assert hash(ulp(2)) == hash(ulp(2))


@pytest.mark.parametrize("n", [0, -1])
def test_a_promise_of_no_ulps_is_called_exact(n):
    with pytest.raises(ValueError) as caught:
        ulp(n)
    assert str(caught.value) == f"ulp({n}): give 1 or more, or promise `exact`"


def test_plugin_info_keeps_its_expected_failures_as_its_own():
    failures = {"test_x": "why"}
    info = PluginInfo(1, "s", failures)
    failures.clear()
    assert info.expected_failures == {"test_x": "why"}
    assert PluginInfo(1).expected_failures == {}
    assert repr(info) == "PluginInfo(api=1, summary='s')"
