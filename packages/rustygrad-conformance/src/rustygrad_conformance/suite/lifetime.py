"""Stage 7: a million nodes deep, freed at once, in threads."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import rustygrad

from rustygrad_conformance.lifetime import PHASES


@contextmanager
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


USES = {
    "build": "c = (a * 2 + a).tanh()",
    "backward": "c = (a * 2 + a).tanh(); c.backward()",
    "backward-twice": "c = a * a; c.backward(); c.backward()",
    "read-backward": "c = a * 2; c._backward; a._backward",
    "n-ary": "c = rustygrad.dot([a, a], [a, 2], bias=a); c.backward()",
    "capture": "c = a * 2; g = rustygrad.Graph.capture(c); del g",
    "pickle": "c = a * 2; pickle.loads(pickle.dumps(c))",
    "custom": "c = rustygrad.custom(lambda x: x, lambda g, out, x: g)(a); c.backward()",
    "anomaly": "with rustygrad.anomaly(): c = a * 2; c.backward()",
    "in-place": "c = a; c += 1; c *= c; c.backward()",
}


@pytest.mark.parametrize("use", USES)
def test_a_dropped_graph_is_freed_with_the_collector_off(value: Any, use: str) -> None:
    import pickle

    with _collector_off():
        scope: dict[str, Any] = {"a": value(1.0), "rustygrad": rustygrad, "pickle": pickle}
        watched = weakref.ref(scope["a"])
        exec(
            USES[use].replace("with rustygrad.anomaly(): ", "with rustygrad.anomaly():\n  "), scope
        )
        inner = weakref.ref(scope["c"])
        scope.clear()
        assert inner() is None, "the root holds a reference to itself"
        assert watched() is None, "something still holds the leaf"


def test_a_cycle_through_a_users_closure_is_collectable(value: Any) -> None:
    def build() -> Any:
        node = value(2.0, (value(1.0),), "f")
        node._backward = lambda: node.grad
        result = node * 2
        assert result._prev[0] is node
        return weakref.ref(node)

    watched = build()
    gc.collect()
    assert watched() is None


def test_a_cycle_through_a_free_attribute_is_collectable(value: Any) -> None:
    leaf = value(1.0)
    leaf.best = (leaf * 2) + 1
    watched = weakref.ref(leaf)
    del leaf
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("phase", PHASES)
def test_a_million_nodes_deep(deep: Any, phase: str) -> None:
    problem = deep.problem(phase)
    assert not problem, problem


def test_a_node_may_have_many_operands(value: Any, judge: Any) -> None:
    xs = [value(1.0) for _ in range(20_000)]
    total = rustygrad.sum(xs)
    total.backward()
    judge(total.data, 20_000.0)
    judge(xs[-1].grad, 1.0)


def test_one_leaf_may_be_used_many_times(value: Any, judge: Any) -> None:
    a = value(1.0)
    total = a
    for _ in range(20_000):
        total = total + a
    total.backward()
    judge(a.grad, 20_001.0)


def test_threads_that_build_separate_graphs_do_not_disturb_each_other(
    value: Any, judge: Any
) -> None:
    def work(x: float) -> tuple[float, float]:
        a = value(x)
        y = a
        for _ in range(300):
            y = (y * a + x).tanh()
        y.backward()
        return y.data, a.grad

    inputs = [0.1, 0.5, 0.9, 1.3]
    alone = [work(x) for x in inputs]
    together: dict[int, tuple[float, float]] = {}
    threads = [
        threading.Thread(target=lambda i=i, x=x: together.setdefault(i, work(x)))
        for i, x in enumerate(inputs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, (data, grad) in enumerate(alone):
        assert i in together, "a thread died"
        judge.all(together[i], [data, grad])


def test_a_graph_built_in_one_thread_runs_backward_in_another(value: Any, judge: Any) -> None:
    a = value(3.0)
    c = a * a
    thread = threading.Thread(target=c.backward)
    thread.start()
    thread.join()
    judge(a.grad, 6.0)
