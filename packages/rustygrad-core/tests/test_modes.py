"""no_grad, anomaly, scopes; threads and tasks each have their own."""

import asyncio
import inspect
import math
import sys
import threading
from types import SimpleNamespace

import pytest
import rustygrad
from rustygrad import modes
from rustygrad.errors import AnomalyError
from rustygrad.ops import LEAF
from rustygrad.reference import Value


def line(further=0):
    """The place of the caller, or so many lines further, as messages name it."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno + further}"


# --- no_grad ---


def test_no_grad_gives_leaves_without_a_history():
    w = Value(3.0)
    with rustygrad.no_grad():
        y = (w * w + 1) ** 2
    assert (y.data, y._prev, y._op, y._rule, y._role) == (100.0, (), "", LEAF, "input")


def test_no_grad_ends_with_its_block_even_after_an_exception():
    w = Value(3.0)
    with pytest.raises(ZeroDivisionError), rustygrad.no_grad():
        raise ZeroDivisionError
    assert (w * w)._prev == (w, w)


def test_no_grad_covers_custom_operations_and_modules():
    model = rustygrad.MLP(1, [2, 1], backend="python")
    double = rustygrad.custom(lambda x: 2 * x, lambda g, out, x: 2 * g)
    with rustygrad.no_grad():
        assert double(model([1.0]))._prev == ()


def test_no_grad_works_as_a_decorator_in_the_mode_of_the_call():
    @rustygrad.no_grad()
    def log(x):
        return x.log()

    assert log(Value(1.0))._prev == ()
    with rustygrad.anomaly(), pytest.raises(AnomalyError):
        log(Value(0.0))


def test_a_context_made_early_has_the_mode_of_where_it_is_entered():
    quiet = rustygrad.no_grad()
    with rustygrad.anomaly(), quiet, pytest.raises(AnomalyError):
        Value(0.0).log()


# --- anomaly ---


def test_anomaly_names_the_operation_its_operands_and_the_line():
    zero = Value(0.0)
    with rustygrad.anomaly(), pytest.raises(AnomalyError) as caught:
        zero.log()
    where = line(-1)
    assert str(caught.value) == (
        f"log(0.0) gave -inf at {where}. "
        "Its operands are finite: keep them inside the domain of 'log'. To see what led there, "
        "run it inside anomaly(raises=False), and print rustygrad.explain(value)."
    )


def test_anomaly_names_the_users_line_through_the_library():
    with rustygrad.anomaly(), pytest.raises(AnomalyError) as caught:
        rustygrad.softmax([Value(1e308), Value(-1e308)])
    where = line(-1)
    assert f"-(-1e+308, 1e+308) gave -inf at {where}." in str(caught.value)


def test_anomaly_names_the_line_inside_a_users_module():
    class Bad(rustygrad.Module):
        def forward(self, x):
            self.where = line(+1)
            return 1 / x

    bad = Bad()
    with rustygrad.anomaly(), pytest.raises(AnomalyError) as caught:
        bad(Value(0.0))
    assert str(caught.value).startswith(f"/(1.0, 0.0) gave inf at {bad.where}. ")


def test_anomaly_lets_pass_what_was_not_finite_before():
    with rustygrad.anomaly():
        assert math.isnan((Value(math.nan) + 1).data)
        assert (Value(math.inf) * 2).data == math.inf


def test_anomaly_names_the_operation_whose_gradient_is_not_finite_and_where_it_was_made():
    zero = Value(0.0)
    with rustygrad.anomaly():
        where = line(+1)
        root = zero.sqrt()
        with pytest.raises(AnomalyError) as caught:
            (root * 1.0).backward()
    assert str(caught.value) == (
        f"backward through sqrt(0.0), made at {where}, "
        "gave operand 0 the gradient inf, of an incoming gradient of 1.0. "
        "Its operands are finite: keep them where 'sqrt' has a derivative. To see what led there, "
        "run it inside anomaly(raises=False), and print rustygrad.explain(operand, of=root)."
    )


def test_anomaly_in_backward_of_a_graph_made_outside():
    root = Value(0.0).sqrt()
    with rustygrad.anomaly(), pytest.raises(AnomalyError) as caught:
        root.backward()
    assert "made at a line outside anomaly(), " in str(caught.value)


def test_anomaly_names_the_operand_that_got_the_gradient():
    x, y = Value(1.0), Value(1e-200)
    root = x / y
    with rustygrad.anomaly(), pytest.raises(AnomalyError) as caught:
        root.backward()
    assert "backward through /(1.0, 1e-200)" in str(caught.value)
    assert "gave operand 1 the gradient -inf, of an incoming gradient of 1.0." in str(caught.value)


def test_anomaly_accepts_a_gradient_that_was_not_finite_before():
    a = Value(2.0)
    with rustygrad.anomaly():
        (a * 3).backward(math.inf)
    assert a.grad == math.inf


def test_anomaly_leaves_gradients_as_they_are_without_it():
    a, b = Value(2.0), Value(2.0)
    (a * a / 3).backward()
    with rustygrad.anomaly():
        (b * b / 3).backward()
    assert a.grad == b.grad


def test_anomaly_inside_no_grad_still_raises():
    with rustygrad.no_grad(), rustygrad.anomaly(), pytest.raises(AnomalyError):
        Value(0.0).log()
    with rustygrad.anomaly(), rustygrad.no_grad(), pytest.raises(AnomalyError):
        Value(0.0).log()


def test_anomaly_names_a_custom_operation():
    bad = rustygrad.custom(lambda x: math.inf, lambda g, out, x: g, "bad")
    with rustygrad.anomaly(), pytest.raises(AnomalyError, match=r"^bad\(1\.0\) gave inf at "):
        bad(Value(1.0))


def test_anomaly_that_does_not_raise_records_lines_alone():
    with rustygrad.anomaly(raises=False):
        where = line(+1)
        y = Value(0.0).log()
        y.backward()
    assert (y.data, y._source) == (-math.inf, where)


def test_an_anomaly_inside_another_one_decides_for_itself():
    with rustygrad.anomaly(), rustygrad.anomaly(raises=False):
        Value(0.0).log()
    with rustygrad.anomaly(raises=False), rustygrad.anomaly(), pytest.raises(AnomalyError):
        Value(0.0).log()


def test_lines_are_recorded_inside_no_grad_and_modules_too():
    model = rustygrad.Layer(1, 1, backend="python")
    with rustygrad.anomaly(raises=False), rustygrad.no_grad():
        where = line(+1)
        y = model([1.0])
    assert y._source == where


def test_a_node_built_by_hand_remembers_its_line_and_a_leaf_does_not():
    with rustygrad.anomaly():
        where = line(+1)
        node = Value(0.0, (Value(1.0),), "mine")
    assert node._source == where
    assert node._prev[0]._source == ""


def test_no_line_is_recorded_outside_anomaly():
    assert vars(Value(1.0) * 2.0) == {}


def test_the_line_skips_the_packages_it_is_told_to():
    source = "from rustygrad.modes import user_line\ndef ask(): return user_line('engine')\n"
    engine = {"__name__": "engine.parts"}
    exec(compile(source, "engine.py", "exec"), engine)
    assert engine["ask"]() == line()


def test_a_package_whose_name_begins_alike_is_a_users():
    source = "from rustygrad.modes import user_line\ndef ask(): return user_line()\n"
    mine = {"__name__": "rustygradient"}
    exec(compile(source, "mine.py", "exec"), mine)
    assert mine["ask"]() == "mine.py:2"


def test_where_all_frames_are_the_librarys_the_outermost_is_named():
    found = []
    source = "from rustygrad.modes import user_line\nfound.append(user_line('threading'))\n"
    inside = {"__name__": "rustygrad.x", "found": found}
    thread = threading.Thread(target=exec, args=(compile(source, "<x>", "exec"), inside))
    thread.start()
    thread.join()
    assert "threading.py:" in found[0]


class Notebook:
    """What IPython is to a cell: the compiler of its shell knows the cells' files."""

    def __init__(self, **files):
        self.compile = self
        self.files = files

    def get_ipython(self):
        return self

    def format_code_name(self, name):
        return ("Cell", self.files[name]) if name in self.files else None


def where_from(filename):
    names = {"__name__": "__main__"}
    source = "from rustygrad.modes import user_line\nwhere = user_line()\n"
    exec(compile(source, filename, "exec"), names)
    return names["where"]


def test_a_line_of_a_notebook_is_named_by_its_cell(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", Notebook(hash="In[3]"))
    assert where_from("hash") == "Cell In[3], line 2"
    assert where_from("module.py") == "module.py:2"


@pytest.mark.parametrize("shell", [None, object(), SimpleNamespace(compile=None)])
def test_an_ipython_that_names_no_cells_leaves_the_file(monkeypatch, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert where_from("hash") == "hash:2"


def test_an_ipython_that_is_only_being_imported_leaves_the_file(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    assert where_from("hash") == "hash:2"


# --- modes ---


def test_a_mode_is_always_the_same_object():
    assert modes.mode(3, False, True) is modes.mode(3, False, True)
    assert modes.mode(0, True, False) is modes.PLAIN
    assert modes.mode(0, True, True) is modes.mode(0, True, True, True)


def test_only_anomaly_recording_and_no_grad_are_special():
    assert not modes.mode(5, True, False).special
    assert modes.mode(0, False, False).special
    assert modes.mode(0, True, True).special
    assert modes.mode(0, True, False, recording=True).special


def test_a_thread_starts_in_the_plain_mode():
    seen = []
    with rustygrad.no_grad(), rustygrad.anomaly():
        thread = threading.Thread(target=lambda: seen.append(modes.current.get()))
        thread.start()
        thread.join()
    assert seen == [modes.PLAIN]


def test_each_task_has_its_own_mode():
    w = Value(2.0)

    async def quiet():
        with rustygrad.no_grad():
            await asyncio.sleep(0)
            return (w * w)._prev

    async def loud():
        await asyncio.sleep(0)
        return (w * w)._prev

    async def both():
        return await asyncio.gather(quiet(), loud())

    assert asyncio.run(both()) == [(), (w, w)]


# --- scopes ---


def test_a_scope_number_stands_for_a_path():
    number = modes.scope_id("some.path")
    assert modes.scope_id("some.path") == number
    assert modes.scope_path(number) == "some.path"
    assert modes.scope_path(0) == ""


def test_threads_agree_on_scope_numbers():
    numbers = []
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        numbers.append([modes.scope_id(f"raced.{i}") for i in range(200)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(row == numbers[0] for row in numbers)
    assert [modes.scope_path(n) for n in numbers[0]] == [f"raced.{i}" for i in range(200)]
