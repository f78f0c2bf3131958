"""A plugin that fails is left out, with the reason, and stops nobody else."""

import pytest
import rustygrad.hookspecs

LEFT_OUT = {
    "raises_on_import": (
        "the plugin 'raises-on-import' of raises-on-import 1.1 is left out: importing it raised "
        "ModuleNotFoundError: No module named 'libfast_that_nobody_has'"
    ),
    "raises_in_hook": (
        "the plugin 'raises-in-hook' of raises-in-hook 1.2 is left out: "
        "its hook rustygrad_register_backends raised RuntimeError: no device found"
    ),
    "wrong_signature": (
        "the plugin 'wrong-signature' of wrong-signature 1.4 is left out: "
        "Plugin 'wrong_signature' for hook 'rustygrad_register_backends' hookimpl definition: "
        "rustygrad_register_backends(registry) Argument(s) {'registry'} are declared in "
        "the hookimpl but can not be found in the hookspec"
    ),
    "misspelt_hook": (
        "the plugin 'misspelt-hook' of misspelt-hook 1.5 is left out: "
        "unknown hook 'rustygrad_register_backend' in plugin <module 'misspelt_hook' from "
    ),
    "wrong_api": (
        "the plugin 'wrong-api' of wrong-api 1.6 is left out: it was written for version 99 "
        "of the plugin interface, and this is version 1"
    ),
    "without_info": (
        "the plugin 'without-info' of without-info 1.7 is left out: "
        "its hook rustygrad_plugin_info does not return a PluginInfo"
    ),
    "exits_on_import": (
        "the plugin 'exits-on-import' of exits-on-import 1.8 is left out: "
        "importing it raised SystemExit: no licence found"
    ),
    "exits_in_hook": (
        "the plugin 'exits-in-hook' of exits-in-hook 1.9 is left out: "
        "its hook rustygrad_register_backends raised SystemExit: 3"
    ),
    "eager": (
        "the plugin 'eager' of eager-plugin 3.3 is left out: importing it raised PluginError: "
        "the plugins are still being found: a plugin's module cannot use a backend while it is "
        "imported or its hooks run. Do that in the factory."
    ),
}

USE = """
    import rustygrad
    for _ in range(2):
        print(rustygrad.get_backend().name, rustygrad.Value(2.0) * 3 if {engine} else "")
    rustygrad.backends()
"""


@pytest.mark.parametrize(("name", "text"), LEFT_OUT.items())
def test_a_failing_plugin_is_left_out_with_one_warning_that_names_its_distribution(run, name, text):
    ran = run(USE.format(engine=True), name)
    assert ran.code == 0, ran.err
    assert ran.out == ["python Value(data=6.0, grad=0.0)"] * 2
    (warning,) = ran.warnings
    if text.endswith(" "):  # a path follows
        assert warning.startswith(f"PluginWarning: {text}")
    else:
        assert warning == f"PluginWarning: {text}"


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_failing_plugin_stops_no_other(run, name):
    ran = run(USE.format(engine=False), name, "good")
    assert ran.code == 0, ran.err
    assert [line.strip() for line in ran.out] == ["good", "good"]
    assert len(ran.warnings) == 1


@pytest.mark.parametrize("name", LEFT_OUT)
def test_the_order_on_the_path_does_not_matter(run, name):
    ran = run(USE.format(engine=False), "good", name)
    assert [line.strip() for line in ran.out] == ["good", "good"]


def test_all_that_can_fail_fails_at_once_and_the_good_one_works(run):
    ran = run(USE.format(engine=False), *LEFT_OUT, "good", "quiet", "loopback")
    assert [line.strip() for line in ran.out] == ["good", "good"]
    assert len(ran.warnings) == len(LEFT_OUT)
    assert {w.partition(" is left out")[0] for w in ran.warnings} == {
        f"PluginWarning: {text.partition(' is left out')[0]}" for text in LEFT_OUT.values()
    }


def test_a_good_plugin_causes_no_warning(run):
    ran = run(USE.format(engine=False), "good", "quiet", "loopback", options=["-W", "error"])
    assert (ran.code, ran.err) == (0, "")


def test_a_plugin_is_left_out_silently_until_plugins_are_needed(run):
    ran = run("import rustygrad", *LEFT_OUT)
    assert (ran.code, ran.err) == (0, "")


def test_what_a_plugin_offered_before_it_raised_is_not_offered(run):
    ran = run("import rustygrad; rustygrad.get_backend('half')", "raises_in_hook")
    assert ran.error == (
        "rustygrad.errors.UnknownNameError: get_backend('half'): no such backend. "
        "Installed: 'python'."
    )


def test_a_warning_is_an_exception_for_who_wants_that(run):
    ran = run("import rustygrad; rustygrad.Value", "wrong_api", options=["-W", "error"])
    assert ran.error == f"rustygrad.errors.PluginWarning: {LEFT_OUT['wrong_api']}"


def test_backends_lists_everything_with_status_and_reason(run):
    program = """
        import rustygrad, warnings
        warnings.simplefilter("ignore")
        for name in ("fragile", "quiet"):
            try:
                rustygrad.get_backend(name)
            except rustygrad.errors.BrokenPluginError:
                pass
        for s in rustygrad.backends():
            print(s.kind, s.name, s.distribution, s.version, s.status, s.reason, s.summary, sep="|")
    """
    everything = (
        "good", "loopback", "quiet", "raises_in_factory", "twin_one", "twin_two",
        "raises_on_import", "wrong_api",
    )  # fmt: skip
    ran = run(program, *everything)
    version = ran.out[0].split("|")[3]
    assert ran.out == [
        f"backend|python|rustygrad-core|{version}|installed||the reference engine, in pure Python",
        "backend|good|good-backend|1.0|selected|auto|one of each kind",
        "backend|loopback|loopback-backend|0.1.0|installed||a copy of the reference engine",
        "backend|quiet|quiet-backend|3.1|loaded||only by name",
        "backend|fragile|raises-in-factory|1.3|broken|"
        "OSError: libfast.so: cannot open shared object file|raises in its factory",
        "backend|twin|twin-one|2.1|duplicate|also offered by twin-two 2.2|twin one",
        "backend|twin|twin-two|2.2|duplicate|also offered by twin-one 2.1|twin two",
        "plugin|raises-on-import|raises-on-import|1.1|broken|importing it raised "
        "ModuleNotFoundError: No module named 'libfast_that_nobody_has'|",
        "plugin|wrong-api|wrong-api|1.6|broken|it was written for version 99 of the plugin "
        "interface, and this is version 1|",
    ]


# --- factories that end the program, or make something else ---


def test_a_factory_that_ends_the_program_is_a_broken_one(run):
    program = """
        import rustygrad
        try:
            rustygrad.get_backend("exiting")
        except rustygrad.errors.BrokenPluginError as error:
            print(error)
        print(rustygrad.get_backend().name)
    """
    ran = run(program, "exits_in_factory", "good")
    text = "PluginError: its factory raised SystemExit: no licence found"
    whose = "the backend 'exiting' of exits-in-factory 2.3"
    assert ran.out == [
        f"get_backend('exiting'): {whose} is installed and fails to load: {text}",
        "good",
    ]
    assert ran.warnings == [
        f"PluginWarning: {whose} would be the first choice and fails to load, "
        f"so the next one is taken: {text}"
    ]


JUNK = {
    "backend": "name, numerics, Value, apply, custom, capture",
    "compiler": "compile",
    "exporter": "export",
}


@pytest.mark.parametrize(("kind", "missing"), JUNK.items())
def test_a_factory_that_makes_something_else_is_told_what_is_missing(run, kind, missing):
    ran = run(f"import rustygrad; rustygrad.get_{kind}('forty-two')", "junk")
    assert ran.error == (
        f"rustygrad.errors.BrokenPluginError: get_{kind}('forty-two'): the {kind} 'forty-two' of "
        "junk 2.4 is installed and fails to load: TypeError: its factory returned 'int', which is "
        f"no {kind}: it has no {missing} (see rustygrad.interfaces.{kind.capitalize()})"
    )


def test_a_backend_whose_values_do_not_know_it_is_told_what_to_set(run):
    ran = run("from rustygrad import Value", "junk", env={"RUSTYGRAD_BACKEND": "unowned"})
    assert ran.error == (
        "rustygrad.errors.BrokenPluginError: RUSTYGRAD_BACKEND='unowned': the backend 'unowned' "
        "of junk 2.4 is installed and fails to load: TypeError: its class of Values does not know "
        "which backend it belongs to: set Value._backend = backend"
    )


def test_auto_passes_over_what_is_no_backend(run):
    ran = run("from rustygrad import Value; print(Value(1.0))", "junk")
    assert ran.out == ["Value(data=1.0, grad=0.0)"]
    assert len(ran.warnings) == 2


# --- every hook ---


def test_every_hook_is_called(run):
    program = """
        import io, rustygrad
        print(rustygrad.get_backend("good").name)         # rustygrad_register_backends
        print(rustygrad.get_compiler().name)              # rustygrad_register_compilers
        stream = io.BytesIO()
        rustygrad.get_exporter("good").export("g", stream)  # rustygrad_register_exporters
        print(stream.getvalue())
        print(rustygrad.backends()[1].summary)            # rustygrad_plugin_info
    """
    assert run(program, "good").out == ["good", "good", "b'g'", "one of each kind"]


def test_every_hook_has_a_test():
    hooks = {name for name in vars(rustygrad.hookspecs) if name.startswith("rustygrad_")}
    with open(__file__, encoding="utf-8") as stream:
        source = stream.read()
    assert {hook for hook in hooks if f"# {hook}\n" in source} == hooks


def test_no_hook_runs_before_a_plugin_is_needed_and_no_factory_before_it_is_chosen(run):
    program = """
        import sys, rustygrad
        print("good_backend" in sys.modules)
        rustygrad.get_backend("python")
        print(sys.modules["good_backend"].factory_calls)
        rustygrad.get_backend("good"), rustygrad.get_backend("good")
        print(sys.modules["good_backend"].factory_calls)
    """
    assert run(program, "good").out == ["False", "[]", "['backend']"]
