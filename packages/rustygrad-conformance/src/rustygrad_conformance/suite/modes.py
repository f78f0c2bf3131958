"""Stage 9: no_grad, anomaly, mixing of backends and custom operations."""

from __future__ import annotations

import copy
import pickle
import re
import threading
from typing import Any

import pytest
import rustygrad
from rustygrad.errors import AnomalyError, ConversionError, LengthError, MixedBackendsError
from rustygrad.ops import OPS

# --- no_grad ----------------------------------------------------------------


def test_no_grad_makes_leaves(value: Any, judge: Any) -> None:
    a = value(3.0)
    with rustygrad.no_grad():
        nodes = [a * a, 2 - a, a**2, a.tanh(), rustygrad.sum([a, a]), rustygrad.dot([a], [a])]
    for node in nodes:
        assert (node._prev, node._op, node._role) == ((), "", "input")
    judge(nodes[0].data, 9.0)


def test_no_grad_ends_with_its_block(value: Any) -> None:
    a = value(3.0)
    with rustygrad.no_grad():
        pass
    assert (a * a)._prev == (a, a)


def test_no_grad_ends_with_an_error(value: Any) -> None:
    a = value(3.0)
    with pytest.raises(KeyError), rustygrad.no_grad():
        raise KeyError
    assert (a * a)._prev == (a, a)


def test_no_gradient_flows_through_no_grad(value: Any, judge: Any) -> None:
    a = value(3.0)
    with rustygrad.no_grad():
        b = a * a
    (b * a).backward()
    judge(a.grad, 9.0)


def test_backward_works_inside_no_grad(value: Any, judge: Any) -> None:
    a = value(3.0)
    b = a * a
    with rustygrad.no_grad():
        b.backward()
    judge(a.grad, 6.0)


def test_modes_of_one_thread_are_not_seen_by_another(value: Any) -> None:
    a = value(3.0)
    found: list[Any] = []
    with rustygrad.no_grad():
        assert (a * 3)._prev == ()
        thread = threading.Thread(target=lambda: found.append(a * 2))
        thread.start()
        thread.join()
    assert found[0]._prev


def test_a_detached_value_has_no_history(backend: Any, judge: Any) -> None:
    a = backend.Value(3.0)
    b = a * 2
    b.label = "b"
    c = rustygrad.detach(b)
    assert (c._prev, c.label, type(c)) == ((), "b", backend.Value)
    (c * a).backward()
    judge(a.grad, 6.0)


# --- anomaly ----------------------------------------------------------------

ANOMALIES = {
    "log(0.0) gave -inf": "a.log()",
    "/(1.0, 0.0) gave inf": "1 / a",
    "sqrt(-1.0) gave nan": "(a - 1).sqrt()",
    "**-1(0.0) gave inf": "a ** -1",
    "**(-1.0, 0.5) gave nan": "(a - 1) ** (a + 0.5)",
    "exp(1000.0) gave inf": "(a + 1000).exp()",
    "*(1e+200, 1e+200) gave inf": "(a + 1e200) * 1e200",
    "sum(1e+308, 1e+308) gave inf": "rustygrad.sum([a + 1e308, 1e308])",
}


@pytest.mark.parametrize("text", ANOMALIES)
def test_anomaly_names_the_operation_and_its_operands(value: Any, text: str) -> None:
    with pytest.raises(AnomalyError, match=re.escape(text)), rustygrad.anomaly():
        eval(ANOMALIES[text], {"a": value(0.0), "rustygrad": rustygrad})


def test_anomaly_names_the_users_line(value: Any) -> None:
    a = value(0.0)
    source = "with rustygrad.anomaly():\n\n    a.log()\n"
    code = compile(source, "users_program.py", "exec")
    with pytest.raises(AnomalyError, match=r"users_program\.py:3"):
        exec(code, {"a": a, "rustygrad": rustygrad, "__name__": "__main__"})


def test_anomaly_looks_at_backward_too(value: Any) -> None:
    a = value(0.0)
    source = "with rustygrad.anomaly():\n    c = a.sqrt()\n    d = c * 2\n    d.backward()\n"
    code = compile(source, "users_program.py", "exec")
    with pytest.raises(AnomalyError) as error:
        exec(code, {"a": a, "rustygrad": rustygrad, "__name__": "__main__"})
    assert "backward through sqrt(0.0)" in str(error.value)
    assert "users_program.py:2" in str(error.value)
    assert "gradient inf" in str(error.value)


def test_anomaly_lets_nan_from_nan_pass(value: Any) -> None:
    with rustygrad.anomaly():
        node = value(float("nan")) * 2 + float("inf")
        node.backward()
    assert node.data != node.data


def test_anomaly_changes_no_numbers(value: Any, judge: Any) -> None:
    a, b = value(0.5), value(0.5)
    with rustygrad.anomaly():
        x = (a * 3).tanh() + rustygrad.dot([a, a], [a, 2.0])
        x.backward()
    y = (b * 3).tanh() + rustygrad.dot([b, b], [b, 2.0])
    y.backward()
    judge.all([x.data, a.grad], [y.data, b.grad])


def test_anomaly_ends_with_its_block(value: Any) -> None:
    with rustygrad.anomaly():
        pass
    value(0.0).log()


def test_anomaly_that_does_not_raise_lets_numbers_pass(value: Any) -> None:
    with rustygrad.anomaly(raises=False):
        node = value(0.0).log()
        node.backward()
    assert node.data == float("-inf")


@pytest.mark.parametrize("raises", [True, False])
def test_lines_are_recorded_inside_anomaly_and_captured(value: Any, raises: bool) -> None:
    source = "with rustygrad.anomaly(raises=raises):\n    b = a * 2\nc = b + 1\n"
    names = {"a": value(3.0), "rustygrad": rustygrad, "raises": raises, "__name__": "__main__"}
    exec(compile(source, "users_program.py", "exec"), names)
    graph = rustygrad.Graph.capture(names["c"])
    lines = {n.op.name: n.source for n in graph if n.op.name != "leaf"}
    assert lines == {"mul": "users_program.py:2", "add": ""}, "in the free attribute '_source'"


# --- two backends -----------------------------------------------------------


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
def test_mixing_backends_raises_and_names_both_and_convert(
    backend: Any, other: Any, symbol: str
) -> None:
    for x, y in ((backend, other), (other, backend)):
        with pytest.raises(MixedBackendsError) as error:
            eval(f"x {symbol} y", {"x": x.Value(1.0), "y": y.Value(2.0)})
        text = str(error.value)
        assert repr(backend.name) in text
        assert repr(other.name) in text
        assert "rustygrad.convert" in text


def test_mixing_backends_in_a_function_raises(backend: Any, other: Any) -> None:
    with pytest.raises(MixedBackendsError):
        rustygrad.sum([backend.Value(1.0), other.Value(2.0)])
    with pytest.raises(MixedBackendsError):
        backend.apply(OPS["add"], [backend.Value(1.0), other.Value(2.0)])


@pytest.mark.parametrize("symbol", ["<", "<=", ">", ">="])
def test_values_of_two_backends_are_not_compared(backend: Any, other: Any, symbol: str) -> None:
    with pytest.raises(TypeError):
        eval(f"x {symbol} y", {"x": backend.Value(1.0), "y": other.Value(2.0)})


@pytest.mark.parametrize(
    "function",
    [
        lambda v: rustygrad.hinge([v, 1.0], [-1, 0.5]),
        lambda v: rustygrad.mse([v, 1.0], [0.0, 2.0]),
        lambda v: rustygrad.clip(0.5, 0.0, v),
        lambda v: rustygrad.cross_entropy([1.0, 2.0, v], 0),
    ],
    ids=["hinge", "mse", "clip", "cross_entropy"],
)
def test_numbers_among_themselves_follow_the_values_beside_them(value: Any, function: Any) -> None:
    with rustygrad.use_backend("python"):
        assert type(function(value(1.0))) is value


def test_convert_makes_a_leaf_of_the_backend(backend: Any, other: Any, judge: Any) -> None:
    a = rustygrad.convert(other.Value(0.1, label="a"), backend.name)
    assert (type(a), a._prev, a.label) == (backend.Value, (), "a")
    judge(a.data, 0.1)


# --- custom operations ------------------------------------------------------


def test_a_custom_operation_runs_forward_and_backward(value: Any, judge: Any) -> None:
    cube = rustygrad.custom(lambda x: x**3, lambda g, out, x: 3 * x * x * g, "cube")
    a = value(2.0)
    node = cube(a)
    (node * 10).backward()
    assert (node._op, node._prev, type(node)) == ("cube", (a,), value)
    judge.all([node.data, a.grad], [8.0, 120.0])


def test_a_custom_operation_takes_numbers_and_several_operands(value: Any, judge: Any) -> None:
    f = rustygrad.custom(lambda x, y: x * y, lambda g, out, x, y: (y * g, x * g), "times")
    a = value(2.0)
    node = f(a, 5)
    node.backward()
    judge.all([node.data, a.grad], [10.0, 5.0])


def test_a_custom_operations_rule_is_given_the_gradient_and_the_result(value: Any) -> None:
    seen = []

    def vjp(g: float, out: float, x: float) -> float:
        seen.append((g, out, x))
        return 0.0

    rustygrad.custom(lambda x: x + 1, vjp)(value(2.0)).backward(0.5)
    assert seen == [(0.5, 3.0, 2.0)]


def test_a_custom_operation_with_too_few_gradients_raises(value: Any) -> None:
    f = rustygrad.custom(lambda x, y: x, lambda g, out, x, y: (g,), "bad")
    with pytest.raises(LengthError, match="'bad'"):
        f(value(1.0), value(2.0)).backward()


def test_a_custom_operation_whose_result_is_no_number_raises(value: Any) -> None:
    with pytest.raises(ConversionError):
        rustygrad.custom(lambda x: "text", lambda g, out, x: g)(value(1.0))


class _Square:
    def __call__(self, x: float) -> float:
        return x * x

    def vjp(self, g: float, out: float, x: float) -> float:
        return 2 * x * g


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_custom_operations_can_be_copied(value: Any, judge: Any, way: str) -> None:
    square = _Square()
    a = value(3.0)
    pair = rustygrad.custom(square, square.vjp, "square")(a), a
    twin, leaf = copy.deepcopy(pair) if way == "deepcopy" else pickle.loads(pickle.dumps(pair))
    twin.backward()
    judge(leaf.grad, 6.0)
    assert twin._op == "square"
