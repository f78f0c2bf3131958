"""Stage 5: what programs written for micrograd do with a Value."""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import pytest
import rustygrad

# --- attributes -------------------------------------------------------------


def test_free_attributes_can_be_set(value: Any) -> None:
    p = value(1.0)
    p.m = p.v = 0.0
    node = p * 2
    node.note = "product"
    assert (p.m, p.v, node.note) == (0.0, 0.0, "product")


def test_free_attributes_are_not_shared(value: Any) -> None:
    value(1.0).m = 0.0
    assert not hasattr(value(1.0), "m")


def test_weak_references_work(value: Any) -> None:
    a = value(1.0)
    assert weakref.ref(a)() is a


def test_results_can_be_labelled(value: Any) -> None:
    c = value(1.0) * 2
    c.label = "c"
    assert c.label == "c"


def test_gradients_can_be_reset_by_assigning_0(value: Any, judge: Any) -> None:
    p = value(1.0)
    (p * 3).backward()
    p.grad = 0
    judge(p.grad, 0.0)


def test_data_can_be_updated_in_place(value: Any, judge: Any) -> None:
    p = value(1.0)
    (p * 3).backward()
    p.data += -0.1 * p.grad
    judge(p.data, 1.0 - 0.1 * 3.0)


def test_operands_make_a_set(value: Any) -> None:
    a = value(1.0)
    assert set((a + a)._prev) == {a}


def test_type_can_be_compared(value: Any) -> None:
    assert type(value(1.0) + 1) == value  # noqa: E721  (programs do)


def test_max_with_a_key_and_by_comparison(value: Any) -> None:
    xs = [value(x) for x in (1.0, 3.0, 2.0)]
    assert max(xs, key=lambda v: v.data) is xs[1]
    assert max(xs) is xs[1]
    assert sorted(xs) == [xs[0], xs[2], xs[1]]


def test_old_style_formatting_takes_the_data(value: Any) -> None:
    assert "%.4f" % value(2.0 / 3.0).data == "0.6667"  # noqa: UP031  (the old style is the point)


def test_drawing_code_can_walk_the_graph(value: Any) -> None:
    a, b = value(1.0), value(2.0)
    root = (a * b + a).tanh()
    nodes: set[Any] = set()
    edges: set[Any] = set()

    def build(v: Any) -> None:
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)

    build(root)
    assert sorted(v._op for v in nodes) == ["", "", "*", "+", "tanh"]
    assert len(edges) == 5


# --- _backward --------------------------------------------------------------


def test_backward_of_every_node_is_callable(value: Any) -> None:
    a = value(1.0)
    for node in (a, a + 1, a.tanh(), value(1.0, (a,), "f"), rustygrad.sum([a, a])):
        assert callable(node._backward)
        node._backward()


def test_a_node_hands_on_a_hand_seeded_gradient(value: Any, judge: Any) -> None:
    a, b = value(3.0), value(2.0)
    o = a * b
    o.grad = 1.0
    o._backward()
    judge(a.grad, 2.0)
    judge(b.grad, 3.0)


def test_a_program_can_run_backward_by_hand(value: Any, judge: Any) -> None:
    a, b = value(0.5), value(2.0)
    root = (a * b + a).tanh() * rustygrad.dot([a, b], [b, 3.0])
    order: list[Any] = []

    def visit(v: Any) -> None:
        if v not in order:
            for child in v._prev:
                visit(child)
            order.append(v)

    visit(root)
    root.grad = 1.0
    for node in reversed(order):
        node._backward()
    by_hand = a.grad, b.grad
    a.grad = b.grad = 0.0
    root.backward()
    judge.all([a.grad, b.grad], by_hand)


def test_an_assigned_closure_is_called_by_backward(value: Any, judge: Any) -> None:
    a = value(3.0)
    b = a * 2

    def closure() -> None:
        a.grad += 10.0 * b.grad

    b._backward = closure
    assert b._backward is closure
    (b * 5).backward()
    judge(a.grad, 50.0)


def test_a_closure_is_called_once_and_after_its_gradient_is_complete(value: Any) -> None:
    a = value(3.0)
    b = value(9.0, (a,), "square")
    seen = []
    b._backward = lambda: seen.append(b.grad)
    (b * 2 + b).backward()
    assert seen == [3.0]


WRAPPED: dict[str, Any] = {
    "mul": lambda make, a, b: a * b,
    "square": lambda make, a, b: a**2,
    "tanh": lambda make, a, b: a.tanh(),
    "dot": lambda make, a, b: rustygrad.dot([a, b, a], [b, 0.1, 0.3], a),
    "custom": lambda make, a, b: rustygrad.custom(pow, lambda g, out, x, y: (3 * g, y * g))(a, b),
    "by hand": lambda make, a, b: make(1.0, (a, b), "f"),
    "leaf": lambda make, a, b: a,
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_closure_may_wrap_the_backward_that_was_there(value: Any, judge: Any, name: str) -> None:
    def wrapped(node: Any, old: Any) -> Any:
        def closure() -> None:
            seen.append(node.grad)
            old()

        return closure

    def gradients(wraps: int) -> list[float]:
        a, b = value(0.7), value(-1.3)
        node = WRAPPED[name](value, a, b)
        for _ in range(wraps):
            node._backward = wrapped(node, node._backward)
        (node * 3.0 + node * a).backward()
        return [a.grad, b.grad]

    seen: list[float] = []
    right = gradients(0)
    judge.all(gradients(1), right)
    judge.all(gradients(2), right)
    assert len(seen) == 3


def test_a_backward_read_before_it_is_replaced_is_the_closure_that_was_there(value: Any) -> None:
    a = value(2.0)
    node = value(3.0, (a,), "f")
    seen: list[str] = []
    node._backward = lambda: seen.append("first")
    first = node._backward

    def second() -> None:
        seen.append("second")
        first()

    node._backward = second
    node.backward()
    assert seen == ["second", "first"]


def test_a_closure_that_counts_as_false_is_called_all_the_same(value: Any) -> None:
    class Calls(list[float]):
        """Empty, and so false, until it is called."""

        def __call__(self) -> None:
            self.append(1.0)

    node = value(3.0) * 2
    node._backward = closure = Calls()
    assert node._backward is closure
    node.backward()
    assert closure == [1.0]
    assert closure is node._backward


def test_a_leaf_with_a_closure_goes_on_accumulating(value: Any, judge: Any) -> None:
    a = value(3.0)
    seen: list[float] = []
    a._backward = lambda: seen.append(a.grad)
    c = 2 * a * a
    c.backward()
    c.backward()
    judge(a.grad, 24.0)
    assert seen == [12.0, 24.0]


def test_a_leaf_with_the_name_of_an_operation_stays_a_leaf(value: Any, judge: Any) -> None:
    a = type(value(3.0))(3.0, (), "w")
    c = 2 * a * a
    c.backward()
    c.backward()
    judge(a.grad, 24.0)
    assert (a._op, a._role) == ("w", "input")


def test_an_assigned_closure_must_be_callable(value: Any) -> None:
    node = value(3.0) * 2
    with pytest.raises(TypeError, match="_backward"):
        node._backward = None


def test_a_node_built_by_hand_has_no_derivative(value: Any, judge: Any) -> None:
    a, b = value(1.0), value(2.0)
    c = value(3.0, (a, b), "+")
    (c * 2).backward()
    judge(c.grad, 2.0)
    judge.all([a.grad, b.grad], [0.0, 0.0])


def test_a_node_built_by_hand_can_be_filled_in_later(value: Any, judge: Any) -> None:
    a, b = value(3.0), value(4.0)
    out = value(0.0, (a, b), "hypot")
    out.data = math.hypot(a.data, b.data)

    def closure() -> None:
        a.grad += a.data / out.data * out.grad
        b.grad += b.data / out.data * out.grad

    out._backward = closure
    assert out._op == "hypot"
    (out * 2).backward()
    judge.all([a.grad, b.grad], [1.2, 1.6])


def test_a_graph_goes_on_below_a_node_built_by_hand(value: Any, judge: Any) -> None:
    a = value(3.0)
    inner = a * 2
    node = value(inner.data, (inner,), "same")

    def closure() -> None:
        inner.grad += node.grad

    node._backward = closure
    node.backward()
    judge(a.grad, 2.0)


def test_a_closure_may_run_backward_of_another_graph(value: Any, judge: Any) -> None:
    a, other = value(3.0), value(5.0)
    inner = a * 2
    node = value(9.0, (inner,), "nested")

    def closure() -> None:
        (other * other).backward()
        inner.grad += other.grad * node.grad

    node._backward = closure
    (node + a).backward()
    judge(a.grad, 21.0)
    judge(other.grad, 10.0)


def test_an_error_in_a_closure_reaches_the_caller(value: Any) -> None:
    a = value(3.0)
    node = value(9.0, (a,), "broken")

    def closure() -> None:
        raise LookupError("mine")

    node._backward = closure
    with pytest.raises(LookupError, match="mine"):
        (node + a).backward()


# --- subclasses -------------------------------------------------------------


def test_a_subclass_can_be_made_and_used(value: Any, judge: Any) -> None:
    class Named(value):  # type: ignore[misc]
        def __init__(self, data: float, name: str) -> None:
            super().__init__(data)
            self.name = name

        def double(self) -> Any:
            return self * 2

    a = Named(3.0, "mine")
    assert isinstance(a, value)
    assert a.name == "mine"
    b = value(2.0)
    c = a.double() + b * a - a
    assert isinstance(c, value)
    c.backward()
    judge.all([c.data, a.grad, b.grad], [9.0, 3.0, 3.0])


def test_a_subclass_may_override_an_operator(value: Any) -> None:
    class Loud(value):  # type: ignore[misc]
        def __add__(self, other: Any) -> str:
            return "loud"

        def __radd__(self, other: Any) -> str:
            return "reflected"

    assert Loud(1.0) + 2 == "loud"
    assert eval("2 + v", {"v": Loud(1.0)}) == "reflected"
    assert value(1.0) + Loud(1.0) == "reflected"


# --- numpy ------------------------------------------------------------------

UFUNCS = ["exp", "log", "sqrt", "sin", "cos", "tanh", "negative", "absolute"]


@pytest.mark.parametrize("name", UFUNCS)
def test_object_arrays_go_through_ufuncs(value: Any, judge: Any, name: str) -> None:
    xs = [value(0.5), value(1.5)]
    ys = getattr(np, name)(np.array(xs, dtype=object))
    assert all(type(y) is value for y in ys)
    assert [y._prev for y in ys] == [(x,) for x in xs]
    for x, y in zip(xs, ys, strict=True):
        right = float(getattr(np, name)(x.data))
        assert math.isclose(y.data, right, rel_tol=1e-14)


def test_object_arrays_go_through_dot(value: Any, judge: Any) -> None:
    xs = np.array([value(1.0), value(2.0)], dtype=object)
    out = np.dot(xs, np.array([3.0, 4.0]))
    assert type(out) is value
    out.backward()
    judge.all([out.data, xs[0].grad, xs[1].grad], [11.0, 3.0, 4.0])


def test_object_arrays_go_through_sum_and_mean(value: Any, judge: Any) -> None:
    xs = np.array([value(1.0), value(2.0), value(6.0)], dtype=object)
    judge(np.sum(xs).data, 9.0)
    judge(np.mean(xs).data, 3.0)


def test_object_arrays_multiply_as_matrices(value: Any, judge: Any) -> None:
    m = np.array([[value(1.0), value(2.0)], [value(3.0), value(4.0)]], dtype=object)
    judge.all([y.data for y in m @ np.array([1.0, -1.0])], [-1.0, -1.0])


def test_arrays_spread_over_a_value(value: Any, judge: Any) -> None:
    a = value(2.0)
    for out in (np.array([1.0, 3.0]) * a, a * np.array([1.0, 3.0])):
        assert isinstance(out, np.ndarray)
        assert [type(y) for y in out] == [value, value]
        judge.all([y.data for y in out], [2.0, 6.0])


def test_an_array_of_values_has_dtype_object(value: Any) -> None:
    assert np.array([value(1.0), value(2.0)]).dtype == object
