"""The reference engine backward: orders, accumulation, hand-built nodes, memory, depth."""

import contextlib
import gc
import math
import pickle
import random
import sys
import threading
import weakref

import pytest
import rustygrad
from hypothesis import given
from hypothesis import strategies as st
from rustygrad.errors import ConversionError
from rustygrad.ops import LEAF
from rustygrad.reference import Value
from rustygrad.sweep import backward_order, topological_order

DEEP = 100_000


def chain(length=DEEP):
    x = leaf = Value(1.0)
    for _ in range(length):
        x = x + 1.0
    return x, leaf


def test_micrograds_own_expression_gives_micrograds_numbers():
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert [f"{x:.4f}" for x in (g.data, a.grad, b.grad)] == ["24.7041", "138.8338", "645.5773"]


def test_a_second_backward_resets_inner_nodes_and_adds_to_leaves():
    a = Value(3.0)
    b = 2 * a
    c = b * a
    c.backward()
    assert (a.grad, b.grad) == (12.0, 3.0)
    c.backward()
    assert (a.grad, b.grad) == (24.0, 3.0)


def test_a_leaf_as_root_accumulates_like_any_leaf():
    a = Value(3.0)
    a.backward()
    a.backward(2.0)
    assert a.grad == 3.0


def test_a_value_used_twice_gets_both_gradients():
    a = Value(3.0)
    (a * a).backward()
    assert a.grad == 6.0
    b = Value(3.0)
    (b + b).backward()
    assert b.grad == 2.0


def test_a_node_that_two_paths_reach_waits_for_both():
    a = Value(2.0)
    b = a * 3.0
    (b * b + b).backward()
    assert (b.grad, a.grad) == (13.0, 39.0)


def test_the_seed_is_the_gradient_of_the_root():
    a = Value(3.0)
    c = a * a
    c.grad = 77.0
    c.backward(0.5)
    assert (c.grad, a.grad) == (0.5, 3.0)


def test_the_seed_must_be_a_number():
    c = Value(3.0) * 2
    c.grad = 7.0
    with pytest.raises(ConversionError) as caught:
        c.backward("1")
    assert str(caught.value) == (
        "a Value takes one real number, not '1': convert text first, Value(float(text))"
    )
    assert c.grad == 7.0


def test_data_changed_between_forward_and_backward_counts():
    a = Value(3.0)
    c = a * a
    a.data = 5.0
    c.backward()
    assert a.grad == 10.0


def test_the_pairs_of_dot_get_their_gradients_last_to_first():
    order = []

    class Spy(float):
        def __mul__(self, other):
            return Spy(float(self) * float(other))

        def __radd__(self, other):
            order.append(float(self))
            return other + float(self)

    w = [Value(1.0), Value(2.0)]
    x = [Value(3.0), Value(4.0)]
    node = rustygrad.dot(w, x, Value(0.5))
    for v in (*w, *x):
        v._data = Spy(v._data)
    node.backward()
    # Within a pair the order cannot be seen: either two Values get one each, or one gets both.
    assert order == [2.0, 4.0, 1.0, 3.0]


def test_the_order_is_depth_first_with_operands_in_order():
    a, b = Value(1.0), Value(2.0)
    c = a * b
    d = b + a
    e = d - c
    assert topological_order([e]) == [b, a, d, c, e]


def test_the_order_of_several_roots_lists_each_node_once():
    a = Value(1.0)
    b, c = a * 2, a * 3
    order = topological_order([b, c, b, a])
    assert [v for v in order if v in (a, b, c)] == [a, b, c]
    assert len(order) == 5


def recursive_order(root):
    """The textbook's way."""
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for x in node._prev:
                visit(x)
            order.append(node)

    visit(root)
    return order


def step(rng, nodes):
    x, y = rng.choice(nodes), rng.choice(nodes)
    return rng.choice([lambda: x + y, lambda: x * y, lambda: -x, lambda: x - 1])()


@given(st.integers(0, 10**9))
def test_both_orders_are_that_of_the_textbook_recursion(seed):
    rng = random.Random(seed)
    nodes = [Value(rng.random()) for _ in range(3)]
    for _ in range(20):
        nodes.append(step(rng, nodes))
    expected = recursive_order(nodes[-1])
    assert topological_order([nodes[-1]]) == expected
    inner = [v for v in expected if v._rule is not LEAF]
    assert backward_order(nodes[-1], float("0")) == (inner or [nodes[-1]])


def test_a_cycle_that_a_user_builds_by_hand_does_not_hang():
    a = Value(1.0)
    b = a * 2
    a._rule, a._prev, a._attribute = b._rule, (b, b), None
    assert len(topological_order([b])) == 3
    b.backward()


# --- hand-built nodes and closures ---


def test_a_hand_built_node_has_no_derivative_until_a_closure_is_assigned():
    a = Value(3.0)
    node = Value(9.0, (a,), "square")
    (node * 2).backward()
    assert a.grad == 0.0

    def pull():
        a.grad += 2 * a.data * node.grad

    node._backward = pull
    (node * 2).backward()
    assert a.grad == 12.0
    assert node._backward is pull
    assert node._op == "square"


def test_a_node_can_be_built_first_and_get_its_data_later():
    total = Value(0.0, (Value(1.0), Value(2.0)), "total")
    total.data = sum(v.data for v in total._prev)
    assert total.data == 3.0


def test_a_closure_replaces_the_derivative_of_an_operation_and_keeps_its_name():
    a = Value(3.0)
    node = a**2
    node._backward = lambda: a.__setattr__("grad", 100.0)
    node.backward()
    assert (a.grad, node._op) == (100.0, "**2")


def test_calling_backward_of_one_node_by_hand_hands_its_gradient_on():
    a, b = Value(2.0), Value(3.0)
    c = a * b
    c.grad = 1.0
    c._backward()
    assert (a.grad, b.grad) == (3.0, 2.0)


def test_calling_backward_of_a_leaf_by_hand_does_nothing():
    a = Value(2.0)
    a.grad = 1.0
    a._backward()
    assert a.grad == 1.0


def test_a_precomputed_order_can_be_replayed_by_hand():
    a = Value(3.0)
    b = a * a
    c = b + a
    c.grad = 1.0
    for node in (c, b, a):
        node._backward()
    assert a.grad == 7.0


def test_a_closure_may_run_a_backward_of_its_own():
    a, x = Value(3.0), Value(2.0)
    outer = Value(1.0, (a,), "outer")

    def pull():
        (x * a).backward(outer.grad)

    outer._backward = pull
    (outer * 5).backward()
    assert (a.grad, x.grad) == (10.0, 15.0)


# --- numbers ---


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda: Value(0.0).log(), -math.inf),
        (lambda: Value(-1.0).log(), math.nan),
        (lambda: Value(1000.0).exp(), math.inf),
        (lambda: 1 / Value(0.0), math.inf),
        (lambda: Value(1e200) ** 2, math.inf),
        (lambda: Value(-2.0) ** 0.5, math.nan),
        (lambda: Value(0.0) ** -1, math.inf),
        (lambda: Value(math.nan).relu(), math.nan),
    ],
)
def test_numbers_follow_ieee_754_and_never_raise(compute, expected):
    node = compute()
    node.backward()
    assert repr(node.data) == repr(expected)


def test_a_nan_somewhere_does_not_reach_gradients_it_has_no_part_in():
    a, b = Value(-1.0), Value(2.0)
    (a.log() + b).backward()
    assert b.grad == 1.0


# --- depth, memory, threads ---


def test_a_deep_chain_runs_backward_and_prints():
    top, leaf = chain()
    top.backward()
    assert leaf.grad == 1.0
    assert repr(top) == f"Value(data={DEEP + 1.0}, grad=1.0)"


def test_a_deep_chain_is_captured():
    top, _ = chain()
    assert len(rustygrad.Graph.capture(top)) == 2 * DEEP + 1


def test_a_deep_chain_is_freed_without_recursion():
    limit = sys.getrecursionlimit()
    assert limit < DEEP
    top, leaf = chain()
    ref = weakref.ref(top._prev[0])
    del top
    assert ref() is None
    assert leaf.data == 1.0


@pytest.fixture
def _no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
def test_a_dropped_graph_is_freed_at_once_without_the_collector():
    model = rustygrad.MLP(2, [4, 1], backend="python")
    loss = (model([1.0, -2.0]) - 1.0).tanh() ** 2 + rustygrad.logsumexp([Value(1.0), Value(2.0)])
    loss.backward()
    inner = weakref.ref(loss._prev[0])
    root = weakref.ref(loss)
    del loss
    assert root() is None
    assert inner() is None
    module = weakref.ref(model.layers[0])
    del model
    assert module() is None


@pytest.mark.usefixtures("_no_collector")
def test_custom_nodes_and_anomaly_make_no_cycles():
    double = rustygrad.custom(lambda x: 2 * x, lambda g, out, x: 2 * g)
    with rustygrad.anomaly():
        node = double(Value(2.0)) + 1
        node.backward()
    refs = [weakref.ref(node), weakref.ref(node._prev[0])]
    del node
    assert [ref() for ref in refs] == [None, None]


def test_the_collector_finds_a_cycle_that_a_user_makes():
    def make():
        node = Value(1.0) * 2
        node._backward = lambda: node.grad
        leaf = Value(1.0)
        leaf.best = leaf * 3
        return [weakref.ref(node), weakref.ref(leaf)]

    refs = make()
    gc.collect()
    assert [ref() for ref in refs] == [None, None]


def test_threads_can_each_train_on_a_graph_of_their_own():
    results = {}

    def work(n):
        a = Value(float(n))
        x = a
        for _ in range(200):
            x = x * 1.0 + a
        for _ in range(20):
            a.grad = 0.0
            x.backward()
        results[n] = a.grad

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(8), 201.0)


def test_a_closure_that_raises_leaves_a_graph_that_still_works():
    a = Value(2.0)
    bad = Value(1.0, (a,), "bad")
    top = bad * a

    def pull():
        raise RuntimeError

    bad._backward = pull
    with contextlib.suppress(RuntimeError):
        top.backward()
    bad._backward = lambda: None
    a.grad = 0.0
    top.backward()
    assert a.grad == 1.0


# --- leaves with more to them ---


def test_a_leaf_with_a_closure_keeps_its_gradient_and_is_called_once():
    a = Value(3.0)
    seen = []
    a._backward = lambda: seen.append(a.grad)
    c = a * a + a
    c.backward()
    c.backward()
    assert (a.grad, seen) == (14.0, [7.0, 14.0])


def test_a_leaf_with_a_closure_as_root_accumulates():
    a = Value(3.0)
    seen = []
    a._backward = lambda: seen.append(a.grad)
    a.backward()
    a.backward(2.0)
    assert seen == [1.0, 3.0]


def test_a_leaf_may_be_called_by_the_name_of_an_operation():
    a = Value(3.0, (), "w")
    assert (a._op, a._role, a._prev) == ("w", "input", ())
    assert pickle.loads(pickle.dumps(a))._op == "w"


def test_a_closure_that_is_not_callable_is_refused():
    c = Value(3.0) * 2
    with pytest.raises(ConversionError) as caught:
        c._backward = None
    assert str(caught.value) == "_backward is a function without arguments, not None"
    c.backward()
    assert c._prev[0].grad == 2.0


@pytest.mark.parametrize(
    "make",
    [
        lambda a, b: a * b,
        lambda a, b: a**3.0 + b,
        lambda a, b: (a + b).tanh(),
        lambda a, b: rustygrad.dot([a, b, a], [b, a, a], b),
    ],
)
def test_a_closure_that_wraps_the_rule_of_its_node_changes_nothing(make):
    def gradients(wrap=None):
        a, b = Value(0.3), Value(-0.7)
        out = make(a, b)
        if wrap:
            out._backward = wrap(out)
        out.backward()
        return a.grad, b.grad

    def logged(out):
        rule = out._backward
        return lambda: (seen.append(out.grad), rule())

    seen = []
    assert gradients(logged) == gradients()
    assert seen == [1.0]
