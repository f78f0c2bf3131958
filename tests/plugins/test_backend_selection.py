"""Which backend a program gets: CONTRACT's rules, with installed distributions."""

import pytest

NAME = "import rustygrad; print(rustygrad.get_backend().name)"


# --- each row of the table ---


def test_unknown_names_its_source_what_is_installed_and_the_near_match(run):
    ran = run(NAME, "good", env={"RUSTYGRAD_BACKEND": "goood"})
    assert ran.error == (
        "rustygrad.errors.UnknownNameError: RUSTYGRAD_BACKEND='goood': no such backend. "
        "Installed: 'good', 'python'. Did you mean 'good'?"
    )


@pytest.mark.parametrize(
    ("call", "source"),
    [
        ("get_backend('zzz')", "get_backend('zzz')"),
        ("set_backend('zzz')", "set_backend('zzz')"),
        ("use_backend('zzz').__enter__()", "use_backend('zzz')"),
        ("MLP(2, [1], backend='zzz')", "backend='zzz'"),
        ("convert(1.0, 'zzz')", "convert(..., 'zzz')"),
    ],
)
def test_unknown_says_who_asked(run, call, source):
    ran = run(f"import rustygrad; rustygrad.{call}")
    assert ran.error == (
        f"rustygrad.errors.UnknownNameError: {source}: no such backend. Installed: 'python'."
    )


def test_unknown_in_the_environment_is_no_error_before_first_use(run):
    program = """
        import rustygrad
        print("imported")
        try:
            from rustygrad import Value
        except ValueError as error:
            print(error)
    """
    assert run(program, env={"RUSTYGRAD_BACKEND": "zzz"}).out == [
        "imported",
        "RUSTYGRAD_BACKEND='zzz': no such backend. Installed: 'python'.",
    ]


def test_known_and_not_installed_comes_with_the_command_that_installs_it(run):
    ran = run(NAME, env={"RUSTYGRAD_BACKEND": "C"})
    assert ran.error == (
        "rustygrad.errors.UnknownNameError: RUSTYGRAD_BACKEND='C': no such backend. "
        "Installed: 'python'. Install it with: pip install rustygrad-c"
    )


def test_named_and_broken_raises_from_the_original_without_a_fallback(run):
    program = """
        import rustygrad
        try:
            rustygrad.get_backend()
        except RuntimeError as error:
            print(type(error).__name__, error, sep=": ")
            print(type(error.__cause__).__name__, error.__cause__, sep=": ")
        try:
            rustygrad.Value
        except RuntimeError:
            print("and again")
    """
    ran = run(program, "raises_in_factory", "good", env={"RUSTYGRAD_BACKEND": "fragile"})
    assert ran.out == [
        "BrokenPluginError: RUSTYGRAD_BACKEND='fragile': the backend 'fragile' of "
        "raises-in-factory 1.3 is installed and fails to load: "
        "OSError: libfast.so: cannot open shared object file",
        "OSError: libfast.so: cannot open shared object file",
        "and again",
    ]
    assert ran.warnings == []


def test_auto_with_a_broken_best_one_warns_once_and_takes_the_next(run):
    program = """
        import rustygrad
        print(rustygrad.get_backend().name, rustygrad.get_backend("auto").name)
        rustygrad.backends()
        print(rustygrad.get_backend().name)
    """
    ran = run(program, "tempting", "good")
    assert ran.out == ["good good", "good"]
    assert ran.warnings == [
        "PluginWarning: the backend 'tempting' of tempting-backend 3.2 would be the first choice "
        "and fails to load, so the next one is taken: "
        "ImportError: libtempting.so: undefined symbol: fma"
    ]


def test_the_warning_is_a_runtime_warning(run):
    ran = run(NAME, "tempting", options=["-W", "ignore::RuntimeWarning"])
    assert (ran.out, ran.err) == (["python"], "")


def test_what_is_broken_does_not_matter_to_who_names_another(run):
    ran = run(NAME, "tempting", "good", env={"RUSTYGRAD_BACKEND": "python"})
    assert (ran.out, ran.err) == (["python"], "")


def test_a_change_in_mid_program_holds_for_new_values_only(run):
    program = """
        import rustygrad
        from rustygrad import Value
        a, model = Value(2.0), rustygrad.MLP(2, [2, 1])
        rustygrad.set_backend("loopback")
        b = rustygrad.Value(3.0)
        name = lambda v: type(v)._backend.name
        print(name(a * 2), name(b * 2), name(Value(1.0)), name(model([1, 2])))
        print(name(rustygrad.exp(a)), name(rustygrad.sum([b, 1.0])), name(rustygrad.tanh(0.5)))
        y = a * a
        y.backward()
        print(a.grad)
        try:
            a + b
        except TypeError as error:
            print(type(error).__name__, error, sep=": ")
    """
    ran = run(program, "loopback")
    assert ran.out == [
        "python loopback python python",
        "python loopback loopback",
        "4.0",
        "MixedBackendsError: one expression mixes Values of the backends 'python' and 'loopback': "
        "bring them together with rustygrad.convert(value, 'python')",
    ]


# --- precedence ---


def test_the_first_source_that_says_something_wins(run):
    program = """
        import rustygrad
        name = lambda: rustygrad.get_backend().name
        print(name())
        rustygrad.set_backend("quiet")
        print(name())
        with rustygrad.use_backend("loopback"):
            print(name(), rustygrad.get_backend("python").name)
            print(rustygrad.MLP(1, [1], backend="python").parameters()[0]._backend.name)
        print(name())
        rustygrad.set_backend(None)
        print(name())
    """
    ran = run(program, "good", "quiet", "loopback", env={"RUSTYGRAD_BACKEND": "good"})
    assert ran.out == ["good", "quiet", "loopback python", "python", "quiet", "good"]


def test_the_environment_is_above_auto(run):
    assert run(NAME, "good").out == ["good"]
    assert run(NAME, "good", env={"RUSTYGRAD_BACKEND": "python"}).out == ["python"]


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_environment_variable_counts_as_unset(run, blank):
    assert run(NAME, env={"RUSTYGRAD_BACKEND": blank}).out == ["python"]


@pytest.mark.parametrize("name", ["GOOD", "  good ", "gOOd\n"])
def test_a_name_in_the_environment_is_stripped_and_case_folded(run, name):
    assert run(NAME, "good", env={"RUSTYGRAD_BACKEND": name}).out == ["good"]


@pytest.mark.parametrize("name", ["0", "false", "none"])
def test_a_name_that_looks_like_off_is_a_name_like_any_other(run, name):
    ran = run(NAME, env={"RUSTYGRAD_BACKEND": name})
    assert ran.error == (
        f"rustygrad.errors.UnknownNameError: RUSTYGRAD_BACKEND={name!r}: no such backend. "
        "Installed: 'python'."
    )


def test_auto_in_the_environment_is_auto(run):
    assert run(NAME, "good", env={"RUSTYGRAD_BACKEND": "Auto"}).out == ["good"]


def test_the_environment_is_read_once_at_first_use(run):
    program = """
        import os, rustygrad
        os.environ["RUSTYGRAD_BACKEND"] = "quiet"
        print(rustygrad.get_backend().name)
        os.environ["RUSTYGRAD_BACKEND"] = "python"
        print(rustygrad.get_backend().name)
    """
    ran = run(program, "quiet", "good", env={"RUSTYGRAD_BACKEND": "good"})
    assert ran.out == ["quiet", "quiet"]


def test_the_environment_chooses_the_compiler_too(run):
    program = "import rustygrad; print(rustygrad.get_compiler().name)"
    assert run(program, "good", env={"RUSTYGRAD_COMPILER": " GOOD"}).out == ["good"]
    ran = run(program, "good", env={"RUSTYGRAD_COMPILER": "wood"})
    assert ran.error == (
        "rustygrad.errors.UnknownNameError: RUSTYGRAD_COMPILER='wood': no such compiler. "
        "Installed: 'good'. Did you mean 'good'?"
    )


def test_a_backend_without_a_priority_is_never_taken_by_itself(run):
    assert run(NAME, "quiet", "loopback").out == ["python"]
    assert run(NAME, "quiet", env={"RUSTYGRAD_BACKEND": "quiet"}).out == ["quiet"]


# --- duplicates ---


def test_two_distributions_with_one_name_are_no_error_until_it_is_asked_for(run):
    ran = run(NAME, "twin_one", "twin_two", options=["-W", "error"])
    assert (ran.out, ran.err) == (["python"], "")


def test_a_name_that_two_distributions_offer_is_an_error_that_names_both(run):
    ran = run(NAME, "twin_one", "twin_two", env={"RUSTYGRAD_BACKEND": "twin"})
    assert ran.error == (
        "rustygrad.errors.DuplicateNameError: RUSTYGRAD_BACKEND='twin': the backend 'twin' is "
        "offered by twin-one 2.1 and twin-two 2.2. Uninstall all but one."
    )


def test_one_of_them_alone_works(run):
    program = "import rustygrad; print(rustygrad.get_backend('twin').by)"
    assert run(program, "twin_one").out == ["one"]
    assert run(program, "twin_two").out == ["two"]


def test_a_distribution_that_lies_on_the_path_twice_is_no_duplicate(run, installed, tmp_path):
    copy = tmp_path / "copy"
    for file in installed["twin_one"].rglob("*"):
        if file.is_file():
            place = copy / file.relative_to(installed["twin_one"])
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    program = f"""
        import sys
        sys.path.append({str(copy)!r})
        import rustygrad
        print(rustygrad.get_backend("twin").by)
    """
    assert run(program, "twin_one").out == ["one"]


# --- what Value means ---


def test_value_is_the_selected_backends_class_whenever_it_is_looked_up(run):
    program = """
        import rustygrad
        from rustygrad import Value
        rustygrad.set_backend("loopback")
        from rustygrad import Value as Later
        print(Value._backend.name, Later._backend.name, rustygrad.Value is Later)
        with rustygrad.use_backend("python"):
            print(rustygrad.Value is Value)
        print("Value" in vars(rustygrad))
    """
    assert run(program, "loopback").out == ["python loopback True", "True", "False"]


def test_use_backend_holds_for_its_thread_or_task(run):
    program = """
        import asyncio, threading, rustygrad
        name = lambda: rustygrad.get_backend().name
        found = []
        with rustygrad.use_backend("loopback"):
            thread = threading.Thread(target=lambda: found.append(name()))
            thread.start(); thread.join()
        print(found[0], name())

        async def inside():
            with rustygrad.use_backend("loopback"):
                await asyncio.sleep(0)
                return name()

        async def outside():
            await asyncio.sleep(0)
            return name()

        async def both():
            return await asyncio.gather(inside(), outside())

        print(asyncio.run(both()))
    """
    assert run(program, "loopback").out == ["python python", "['loopback', 'python']"]


# --- the loopback backend proves the dispatch ---


def test_a_whole_training_step_runs_on_the_loopback_backend_with_the_references_bits(run):
    program = """
        import random, rustygrad
        from rustygrad import optim
        xs, ys = rustygrad.datasets.moons()

        def train():
            random.seed(1337)
            model = rustygrad.MLP(2, [4, 1])
            adam = optim.Adam(model.parameters(), lr=0.05)
            for _ in range(3):
                adam.zero_grad()
                scores = [model(x) for x in xs[:10]]
                penalty = 1e-4 * rustygrad.sum(p * p for p in model.parameters())
                loss = rustygrad.hinge(scores, ys[:10]) + penalty
                loss.backward()
                optim.clip_grad_norm(model.parameters(), 1.0)
                adam.step()
            return loss, model

        loss, model = train()
        with rustygrad.use_backend("loopback") as loopback:
            other, twin = train()
        print(type(loss)._backend.name, type(other)._backend.name)
        print(repr(loss.data) == repr(other.data), model.state_dict() == twin.state_dict())
        print(rustygrad.Graph.capture(loss) == rustygrad.Graph.capture(other))
        kinds = {type(v) for v in twin.parameters()}
        print(kinds == {loopback.Value})
        print(loopback.applied["dot"] == 3 * 10 * 5, loopback.applied["mean"])
        twin.load_state_dict(model.state_dict())
        print({type(v) for v in twin.parameters()} == {loopback.Value})
    """
    ran = run(program, "loopback")
    assert ran.code == 0, ran.err
    assert ran.out == ["python loopback", "True True", "True", "True", "True 3", "True"]


def test_every_function_and_method_follows_its_operands(run):
    program = """
        import rustygrad
        from rustygrad import ops
        a, b = (rustygrad.get_backend("loopback").Value(x) for x in (0.5, 0.25))
        made = [
            a + b, 1 + a, a - 1, 1 - a, a * b, a / b, 1 / a, a**2, a**b, 2**a, -a, abs(a), +a,
            rustygrad.sum([a, b]), rustygrad.mean([a, 1]), rustygrad.dot([a], [b], 1.0),
            rustygrad.maximum(a, b), rustygrad.minimum([a, b]), rustygrad.logsumexp([1.0, a]),
            rustygrad.where(True, a, 1.0), rustygrad.where(a, 1.0, 2.0),
            *rustygrad.softmax([a, b]), *rustygrad.log_softmax([a, 0.0]),
            rustygrad.cross_entropy([a, b], 1), rustygrad.hinge([a], [1]), rustygrad.mse([a], [b]),
            rustygrad.clip(a, 0, 1), rustygrad.detach(a),
            rustygrad.custom(lambda x: x, lambda g, out, x: g)(a),
        ]
        for name in ("relu", "tanh", "sigmoid", "exp", "log", "sqrt", "sin", "cos"):
            made += [getattr(rustygrad, name)(a), getattr(a, name)()]
        print({type(v)._backend.name for v in made}, len(made))
        print(sorted(set(ops.OPS) - {v.op.name for m in made for v in rustygrad.Graph.capture(m)}))
    """
    ran = run(program, "loopback")
    assert ran.out == ["{'loopback'} 47", "['argmax', 'argmin', 'equal', 'greater']"]


@pytest.mark.parametrize(
    "mix",
    [
        "a + b", "b - a", "a * b", "b / a", "a ** b", "a < b", "rustygrad.sum([a, b])",
        "rustygrad.dot([a], [b])", "rustygrad.where(a, b, 1.0)", "rustygrad.Graph.capture(a, b)",
        "rustygrad.Value(1.0, (a, b), 'f')", "rustygrad.custom(max, max)(a, b)",
        "rustygrad.Neuron(1)([b])",
    ],
)  # fmt: skip
def test_values_of_two_backends_in_one_expression_are_refused(run, mix):
    program = f"""
        import rustygrad
        a, b = rustygrad.Value(1.0), rustygrad.get_backend("loopback").Value(2.0)
        try:
            {mix}
        except rustygrad.errors.MixedBackendsError as error:
            print(sorted(str(error).split("'")[1:4:2]), "rustygrad.convert(value, " in str(error))
    """
    assert run(program, "loopback").out == ["['loopback', 'python'] True"]


def test_convert_brings_a_value_over_and_no_gradient_flows_back(run):
    program = """
        import rustygrad
        a = rustygrad.Value(2.0, label="a")
        b = rustygrad.convert(a, "loopback")
        print(type(b)._backend.name, b.data, b.label)
        (b * 3).backward()
        print(a.grad, b.grad)
    """
    assert run(program, "loopback").out == ["loopback 2.0 a", "0.0 3.0"]


def test_a_line_that_anomaly_names_is_the_users_on_any_backend(run):
    program = """
        import rustygrad
        a = rustygrad.get_backend("loopback").Value(0.0)
        with rustygrad.anomaly():
            try:
                a.log()
            except ArithmeticError as error:
                print(error)
            root = a.sqrt()
            try:
                root.backward()
            except ArithmeticError as error:
                print(error)
    """
    out = run(program, "loopback").out
    assert out[0].startswith("log(0.0) gave -inf at <string>:6. ")
    assert out[1].startswith("backward through sqrt(0.0), made at <string>:9, ")


def test_a_pickled_value_of_the_loopback_backend_comes_back_in_a_new_process(run, tmp_path):
    path = str(tmp_path / "pickled")
    write = f"""
        import pickle, rustygrad
        a = rustygrad.get_backend("loopback").Value(3.0)
        pickle.dump((a * a, a), open({path!r}, "wb"))
    """
    read = f"""
        import pickle
        y, a = pickle.load(open({path!r}, "rb"))
        y.backward()
        print(type(y)._backend.name, a.grad)
    """
    assert run(write, "loopback").code == 0
    assert run(read, "loopback").out == ["loopback 6.0"]


@pytest.mark.parametrize("make", ["a * a", "a", "MLP(2, [2, 1])", "Mine(1.0)", "get_backend('c')"])
def test_a_pickle_says_what_to_install_where_its_backend_is_not(run, tmp_path, make):
    path = str(tmp_path / "pickled")
    write = f"""
        import pickle
        from rustygrad import MLP, Value, get_backend
        from rustygrad.reference import ReferenceBackend

        class Mine(Value):
            pass

        a = Value(3.0)
        ReferenceBackend.name = "c"
        get_backend = lambda name: ReferenceBackend()
        pickle.dump({make}, open({path!r}, "wb"))
    """
    read = f"""
        import pickle
        pickle.load(open({path!r}, "rb"))
    """
    wrote = run(write)
    assert wrote.code == 0, wrote.err
    assert run(read).error == (
        "rustygrad.errors.UnknownNameError: this pickle needs the backend 'c': no such backend. "
        "Installed: 'python'. Install it with: pip install rustygrad-c"
    )


# --- the reference alone ---


def test_core_needs_pluggy_alone(run):
    program = """
        import sys, rustygrad
        from rustygrad import Value, nn, optim, datasets, export
        Value(1.0)
        model = rustygrad.MLP(2, [2, 1])
        optim.SGD(model.parameters()).step()
        model([1.0, 2.0]).backward()
        import os
        standard = sys.stdlib_module_names
        print(sorted({name.partition(".")[0] for name in sys.modules} - standard - {"__main__"}))
    """
    out = run(program).out[0]
    assert [n for n in eval(out) if not n.startswith("_")] == ["pluggy", "rustygrad"]


def test_the_way_to_the_first_value_imports_nothing_that_costs_much(run):
    program = """
        import sys
        before = set(sys.modules)
        from rustygrad import Value
        Value(1.0)
        heavy = {"importlib.metadata", "json", "random", "csv", "difflib", "asyncio", "email"}
        print(sorted(heavy & (set(sys.modules) - before)))
    """
    assert run(program).out == ["[]"]
