"""Which backend is used: every source, every error, in this process."""

import contextlib
import threading

import pytest
import rustygrad
from rustygrad import plugins, selection
from rustygrad.errors import (
    ArgumentError,
    BrokenPluginError,
    ConversionError,
    DuplicateNameError,
    MixedBackendsError,
    PluginError,
    PluginWarning,
    UnknownNameError,
)
from rustygrad.interfaces import PluginInfo, exact
from rustygrad.plugins import Offer, Plugin
from rustygrad.reference import Value


class Engine:
    """Something to select."""

    numerics = exact
    apply = custom = capture = compile = export = None

    def __init__(self, name):
        self.name = name

        class OtherValue:
            _backend = self

            def __init__(self, data, label=""):
                self.data, self.label = data, label

        self.Value = OtherValue

    def __repr__(self):
        return self.name


@pytest.fixture
def offered(nothing_selected):
    """Adds an offer to a new registry."""

    def add(name, priority=None, *, kind="backend", by="some-dist", factory=None):
        plugin = Plugin("p", by, "1.2")
        plugin.info = PluginInfo(1, "a summary")
        made = factory or (lambda: Engine(name))
        nothing_selected.offers.append(Offer(kind, name, plugin, made, priority))

    return add


def broken():
    raise ImportError("libfast.so: not found")


# --- the order of sources ---


@pytest.mark.usefixtures("nothing_selected")
def test_auto_is_the_reference_where_nothing_else_is_installed():
    assert rustygrad.get_backend().name == "python"
    assert rustygrad.Value is Value


def test_auto_takes_the_highest_priority(offered):
    offered("slow", 1)
    offered("fast", 100)
    offered("mid", 50)
    assert rustygrad.get_backend().name == "fast"


def test_of_two_equal_priorities_the_name_decides(offered):
    offered("b", 5)
    offered("a", 5)
    assert rustygrad.get_backend().name == "a"


def test_auto_never_takes_one_without_a_priority(offered):
    offered("quiet", None)
    assert rustygrad.get_backend().name == "python"
    assert rustygrad.get_backend("quiet").name == "quiet"


def test_a_negative_priority_is_below_the_reference(offered):
    offered("last", -1)
    assert rustygrad.get_backend().name == "python"


def test_auto_is_decided_once(offered):
    first = rustygrad.get_backend()
    offered("late", 100)
    assert rustygrad.get_backend() is first


def test_the_first_source_that_says_something_wins(offered, monkeypatch):
    for name in ("argument", "context", "process", "environment"):
        offered(name)
    assert rustygrad.get_backend().name == "python"
    monkeypatch.setattr(selection, "_environment", {})
    monkeypatch.setenv("RUSTYGRAD_BACKEND", "environment")
    assert rustygrad.get_backend().name == "environment"
    rustygrad.set_backend("process")
    assert rustygrad.get_backend().name == "process"
    with rustygrad.use_backend("context") as backend:
        assert backend.name == "context"
        assert rustygrad.get_backend() is backend
        assert rustygrad.get_backend("argument").name == "argument"
    assert rustygrad.get_backend().name == "process"
    rustygrad.set_backend(None)
    assert rustygrad.get_backend().name == "environment"


def test_the_environment_is_read_once_at_first_use(offered, monkeypatch):
    offered("one")
    offered("two")
    monkeypatch.setenv("RUSTYGRAD_BACKEND", "one")
    assert rustygrad.get_backend().name == "one"
    monkeypatch.setenv("RUSTYGRAD_BACKEND", "two")
    assert rustygrad.get_backend().name == "one"


@pytest.mark.parametrize("name", ["one", "ONE", "  One\n"])
def test_a_name_is_stripped_and_case_folded(offered, monkeypatch, name):
    offered("one")
    assert rustygrad.get_backend(name).name == "one"
    rustygrad.set_backend(name)
    assert rustygrad.get_backend().name == "one"
    rustygrad.set_backend(None)
    with rustygrad.use_backend(name):
        assert rustygrad.get_backend().name == "one"
    monkeypatch.setenv("RUSTYGRAD_BACKEND", name)
    assert rustygrad.get_backend().name == "one"


@pytest.mark.parametrize("blank", ["", "  ", "\n", None])
def test_blank_counts_as_unset(offered, monkeypatch, blank):
    offered("one")
    monkeypatch.setenv("RUSTYGRAD_BACKEND", blank or "")
    assert rustygrad.get_backend(blank).name == "python"
    rustygrad.set_backend("one")
    assert rustygrad.get_backend(blank).name == "one"
    with rustygrad.use_backend(blank):
        assert rustygrad.get_backend().name == "one"
    rustygrad.set_backend(blank)
    assert rustygrad.get_backend().name == "python"


def test_auto_can_be_asked_for(offered, monkeypatch):
    offered("fast", 100)
    rustygrad.set_backend("python")
    assert rustygrad.get_backend("AUTO").name == "fast"
    with rustygrad.use_backend("auto"):
        assert rustygrad.get_backend().name == "fast"
    monkeypatch.setenv("RUSTYGRAD_BACKEND", "auto")
    rustygrad.set_backend(None)
    assert rustygrad.get_backend().name == "fast"


def test_use_backend_ends_after_an_exception_and_nests(offered):
    offered("one")
    offered("two")
    with contextlib.suppress(KeyError), rustygrad.use_backend("one"):
        with rustygrad.use_backend("two"):
            assert rustygrad.get_backend().name == "two"
        assert rustygrad.get_backend().name == "one"
        raise KeyError
    assert rustygrad.get_backend().name == "python"


def test_use_backend_holds_for_its_thread_and_set_backend_for_all(offered):
    offered("one")
    offered("two")
    rustygrad.set_backend("two")
    found = []
    with rustygrad.use_backend("one"):
        thread = threading.Thread(target=lambda: found.append(rustygrad.get_backend().name))
        thread.start()
        thread.join()
    assert found == ["two"]


# --- errors ---


@pytest.mark.usefixtures("nothing_selected")
@pytest.mark.parametrize(
    ("ask", "source"),
    [
        (lambda: rustygrad.get_backend("nope"), "get_backend('nope')"),
        (lambda: rustygrad.set_backend("nope"), "set_backend('nope')"),
        (lambda: rustygrad.use_backend("nope").__enter__(), "use_backend('nope')"),
    ],
)
def test_an_unknown_name_names_its_source_and_what_is_installed(ask, source):
    with pytest.raises(UnknownNameError) as caught:
        ask()
    assert str(caught.value) == f"{source}: no such backend. Installed: 'python'."


def test_an_unknown_name_in_the_environment(offered, monkeypatch):
    offered("c", 100)
    monkeypatch.setenv("RUSTYGRAD_BACKEND", "cc")
    with pytest.raises(UnknownNameError) as caught:
        rustygrad.Value  # noqa: B018
    assert str(caught.value) == (
        "RUSTYGRAD_BACKEND='cc': no such backend. Installed: 'c', 'python'. Did you mean 'c'?"
    )


@pytest.mark.usefixtures("nothing_selected")
def test_a_known_name_that_is_not_installed_comes_with_the_command_that_installs_it():
    with pytest.raises(UnknownNameError) as caught:
        rustygrad.set_backend(" C ")
    assert str(caught.value) == (
        "set_backend(' C '): no such backend. Installed: 'python'. "
        "Install it with: pip install rustygrad-c"
    )
    with pytest.raises(UnknownNameError) as caught:
        rustygrad.get_exporter("dot")
    assert str(caught.value) == (
        "get_exporter('dot'): no such exporter. Installed: 'c', 'py'. "
        "Install it with: pip install rustygrad-graphviz"
    )


@pytest.mark.usefixtures("nothing_selected")
@pytest.mark.parametrize("name", [3, b"python", object])
def test_a_name_that_is_no_text_is_refused(name):
    with pytest.raises(UnknownNameError) as caught:
        rustygrad.set_backend(name)
    assert str(caught.value) == f"set_backend({name!r}): it is chosen by its name, a str"


def test_a_failed_set_backend_changes_nothing(offered):
    offered("one")
    offered("bad", factory=broken)
    rustygrad.set_backend("one")
    for name in ("nope", "bad"):
        with pytest.raises(PluginError):
            rustygrad.set_backend(name)
    assert rustygrad.get_backend().name == "one"


def test_a_named_backend_that_is_broken_raises_from_the_original(offered):
    offered("bad", 100, factory=broken)
    with pytest.raises(BrokenPluginError) as caught:
        rustygrad.get_backend("bad")
    assert str(caught.value) == (
        "get_backend('bad'): the backend 'bad' of some-dist 1.2 is installed and fails to load: "
        "ImportError: libfast.so: not found"
    )
    assert isinstance(caught.value.__cause__, ImportError)


def test_a_name_that_two_distributions_offer_raises_when_it_is_asked_for(offered):
    offered("twin", by="one-dist")
    offered("twin", by="two-dist")
    assert rustygrad.get_backend().name == "python"
    with pytest.raises(DuplicateNameError) as caught:
        rustygrad.get_backend("twin")
    assert str(caught.value) == (
        "get_backend('twin'): the backend 'twin' is offered by one-dist 1.2 and two-dist 1.2. "
        "Uninstall all but one."
    )


# --- auto, and the best one does not load ---


def test_auto_falls_back_with_one_warning(offered):
    offered("bad", 1000, factory=broken)
    offered("fast", 100)
    with pytest.warns(PluginWarning) as caught:
        found = [rustygrad.get_backend().name for _ in range(2)]
    assert found == ["fast", "fast"]
    assert [str(w.message) for w in caught] == [
        "the backend 'bad' of some-dist 1.2 would be the first choice and fails to load, "
        "so the next one is taken: ImportError: libfast.so: not found"
    ]


def test_auto_passes_over_duplicates_with_one_warning(offered):
    offered("twin", 7, by="one-dist")
    offered("twin", 6, by="two-dist")
    with pytest.warns(PluginWarning) as caught:
        assert rustygrad.get_backend().name == "python"
    assert [str(w.message) for w in caught] == [
        "the backend 'twin' of one-dist 1.2 would be the first choice and fails to load, "
        "so the next one is taken: DuplicateNameError: auto: the backend 'twin' is offered by "
        "one-dist 1.2 and two-dist 1.2. Uninstall all but one."
    ]


def test_a_factory_that_asks_for_the_selected_backend_falls_back_and_does_not_hang(offered):
    offered("self", 1000, factory=lambda: Engine(rustygrad.get_backend().name))
    with pytest.warns(PluginWarning, match="PluginError: the backend 'self' is still being loaded"):
        rustygrad.get_backend()


def test_where_nothing_loads_auto_says_so(offered, nothing_selected):
    nothing_selected.offers.clear()
    offered("bad", 1, factory=broken)
    with pytest.warns(PluginWarning), pytest.raises(UnknownNameError) as caught:
        rustygrad.get_backend()
    assert str(caught.value) == "auto: no backend is installed that loads. Installed: 'bad'."


# --- compilers and exporters ---


@pytest.mark.usefixtures("nothing_selected")
def test_without_a_compiler_auto_says_so():
    with pytest.raises(UnknownNameError) as caught:
        rustygrad.get_compiler()
    assert str(caught.value) == "auto: no compiler is installed that loads. Installed: none."


def test_a_compiler_is_chosen_by_argument_environment_and_priority(offered, monkeypatch):
    for name, priority in (("llvm", 10), ("c", 100), ("xla", None)):
        offered(name, priority, kind="compiler")
    assert rustygrad.get_compiler().name == "c"
    monkeypatch.setattr(selection, "_environment", {})
    monkeypatch.setenv("RUSTYGRAD_COMPILER", " LLVM ")
    assert rustygrad.get_compiler().name == "llvm"
    assert rustygrad.get_compiler("").name == "llvm"
    assert rustygrad.get_compiler("xla").name == "xla"


def test_an_unknown_compiler_names_its_source(offered, monkeypatch):
    offered("llvm", 10, kind="compiler")
    monkeypatch.setenv("RUSTYGRAD_COMPILER", "lvm")
    with pytest.raises(UnknownNameError) as caught:
        rustygrad.get_compiler()
    assert str(caught.value) == (
        "RUSTYGRAD_COMPILER='lvm': no such compiler. Installed: 'llvm'. Did you mean 'llvm'?"
    )
    with pytest.raises(UnknownNameError) as caught:
        rustygrad.get_compiler("zzz")
    assert str(caught.value) == "get_compiler('zzz'): no such compiler. Installed: 'llvm'."


def test_a_backend_and_a_compiler_of_one_name_are_two_things(offered):
    offered("c", 1)
    offered("c", 1, kind="compiler")
    assert rustygrad.get_backend("c") is not rustygrad.get_compiler("c")


def test_an_exporter_is_chosen_by_name(offered):
    offered("svg", kind="exporter")
    assert rustygrad.get_exporter("SVG").name == "svg"


# --- what follows from the selection ---


def test_what_exists_keeps_its_backend(offered):
    offered("one")
    a, model = rustygrad.Value(1.0), rustygrad.MLP(1, [1])
    rustygrad.set_backend("one")
    assert type(rustygrad.Value(1.0)) is not Value
    assert type(a + 1) is Value
    assert type(rustygrad.exp(a)) is Value
    assert type(model([1.0])) is Value


def test_an_attribute_error_is_not_taken_for_a_missing_class(monkeypatch):
    def broken_selection():
        raise AttributeError("no such attribute")

    monkeypatch.setattr(rustygrad, "get_backend", broken_selection)
    with pytest.raises(BrokenPluginError, match="does not load: no such attribute"):
        from rustygrad import Value  # noqa: F401


def test_functions_of_values_of_two_backends_raise(offered):
    offered("one")
    a, b = Value(1.0), rustygrad.get_backend("one").Value(2.0)
    with pytest.raises(MixedBackendsError) as caught:
        rustygrad.sum([b, a])
    assert str(caught.value) == (
        "one expression mixes Values of the backends 'one' and 'python': "
        "bring them together with rustygrad.convert(value, 'one')"
    )


def test_a_module_takes_the_backend_it_is_given(offered):
    offered("one")
    rustygrad.set_backend("one")
    assert type(rustygrad.MLP(1, [1], backend="python").parameters()[0]) is Value


def test_convert_brings_data_and_label_over(offered):
    offered("one")
    v = Value(2.0, label="x") * 3
    v.label = "y"
    other = rustygrad.convert(v, "one")
    assert (other.data, other.label, type(other)._backend.name) == (6.0, "y", "one")
    back = rustygrad.convert(other, "python")
    assert (type(back), back.data, back._prev) == (Value, 6.0, ())


def test_convert_takes_a_number_too_and_nothing_else():
    assert rustygrad.convert(2, "python").data == 2.0
    with pytest.raises(ConversionError):
        rustygrad.convert("2", "python")
    with pytest.raises(UnknownNameError, match=r"^convert\(\.\.\., 'nope'\): no such backend\."):
        rustygrad.convert(2, "nope")


# --- backends() ---


def lines(kind="backend"):
    return [(s.kind, s.name, s.distribution, s.status, s.reason) for s in rustygrad.backends(kind)]


def test_backends_lists_every_offer_with_status_and_reason(offered, nothing_selected):
    offered("bad", factory=broken)
    offered("fresh")
    offered("used")
    offered("twin", by="one-dist")
    offered("twin", by="two-dist")
    refused = Plugin("wrong", "wrong-dist", "0.1")
    refused.reason = "importing it raised ImportError: x"
    nothing_selected.plugins.append(refused)
    rustygrad.get_backend("used")
    with contextlib.suppress(BrokenPluginError):
        rustygrad.get_backend("bad")
    assert lines() == [
        ("backend", "python", "rustygrad-core", "selected", "auto"),
        ("backend", "bad", "some-dist", "broken", "ImportError: libfast.so: not found"),
        ("backend", "fresh", "some-dist", "installed", ""),
        ("backend", "used", "some-dist", "loaded", ""),
        ("backend", "twin", "one-dist", "duplicate", "also offered by two-dist 1.2"),
        ("backend", "twin", "two-dist", "duplicate", "also offered by one-dist 1.2"),
        ("plugin", "wrong", "wrong-dist", "broken", "importing it raised ImportError: x"),
    ]


def test_backends_says_what_the_selection_comes_from(offered, monkeypatch):
    offered("one")
    monkeypatch.setenv("RUSTYGRAD_BACKEND", "One")
    status = rustygrad.backends()[1]
    assert repr(status) == ("<backend 'one' of some-dist 1.2, selected: RUSTYGRAD_BACKEND='One'>")
    assert (status.version, status.summary) == ("1.2", "a summary")


def test_backends_works_when_the_selection_does_not(nothing_selected, monkeypatch):
    monkeypatch.setenv("RUSTYGRAD_BACKEND", "nope")
    (status,) = rustygrad.backends()
    assert (status.name, status.status) == ("python", "installed")
    assert repr(status) == f"<backend 'python' of rustygrad-core {status.version}, installed>"


def test_backends_of_another_kind(offered, nothing_selected):
    offered("llvm", 10, kind="compiler")
    assert lines("compiler") == [("compiler", "llvm", "some-dist", "installed", "")]
    rustygrad.get_compiler()
    assert lines("compiler") == [("compiler", "llvm", "some-dist", "loaded", "")]
    assert lines("exporter") == [
        ("exporter", name, "rustygrad-core", "installed", "") for name in ("py", "c")
    ]


def test_a_plugin_that_could_not_be_asked_has_no_summary(nothing_selected):
    nothing_selected.plugins.append(Plugin("w", "d", "1"))
    nothing_selected.plugins[-1].reason = "x"
    assert rustygrad.backends()[-1].summary == ""


def test_backends_of_an_unknown_kind_is_refused():
    with pytest.raises(ArgumentError) as caught:
        rustygrad.backends("engine")
    assert str(caught.value) == (
        "plugins offer no kind 'engine': it is one of backend, compiler, exporter"
    )


def test_the_registry_of_the_tests_is_not_the_real_one(nothing_selected):
    assert plugins.registry() is nothing_selected
