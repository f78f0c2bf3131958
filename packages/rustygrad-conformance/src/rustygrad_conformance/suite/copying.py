"""Stage 6: graphs pickle and copy, and leaves keep their identity."""

from __future__ import annotations

import copy
import pickle
from math import nan
from typing import Any

import pytest
import rustygrad
from rustygrad.errors import GraphError

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
WAYS = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickled_graph_keeps_its_numbers_and_runs_backward(
    value: Any, judge: Any, protocol: int
) -> None:
    a = value(3.0)
    loss = (a * a).tanh() + a**3
    loss.backward()
    before = a.grad
    twin = pickle.loads(pickle.dumps(loss, protocol))
    for old, new in ((loss, twin), (loss._prev[0], twin._prev[0]), (loss._prev[1], twin._prev[1])):
        assert new._op == old._op
        judge.all([new.data, new.grad], [old.data, old.grad])
    twin.backward()
    judge(a.grad, before, "the original's gradient, after backward of the copy")


@pytest.mark.parametrize("way", WAYS)
def test_leaves_keep_their_identity(value: Any, judge: Any, way: str) -> None:
    w, x = value(3.0, label="w"), value(2.0)
    loss = w * x + w
    twin, leaf = WAYS[way]((loss, w))
    assert leaf is not w
    assert twin._prev[1] is leaf
    twin.backward()
    judge(leaf.grad, 3.0)
    judge(w.grad, 0.0)


@pytest.mark.parametrize("way", WAYS)
def test_shared_inner_nodes_stay_shared(value: Any, judge: Any, way: str) -> None:
    a = value(2.0)
    b = a * 3
    twin = WAYS[way](b * b + b)
    square, again = twin._prev
    assert square._prev[0] is square._prev[1] is again


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [-0.0, nan, 0.1, 5e-324])
def test_leaves_keep_their_bits_label_and_free_attributes(
    value: Any, judge: Any, number: float, way: str
) -> None:
    a = value(number, label="a")
    a.grad = -0.0
    a.m = [1, 2]
    twin = WAYS[way](a)
    judge(twin.data, number)
    judge(twin.grad, -0.0)
    assert (twin.label, twin.m, type(twin)) == ("a", [1, 2], value)
    assert twin is not a


@pytest.mark.parametrize("way", WAYS)
def test_inner_nodes_keep_labels_and_free_attributes(value: Any, way: str) -> None:
    node = value(2.0) * 3
    node.label = "product"
    node.note = "kept"
    twin = WAYS[way](node + 1)._prev[0]
    assert (twin.label, twin.note) == ("product", "kept")


@pytest.mark.parametrize("way", WAYS)
def test_roles_survive(value: Any, way: str) -> None:
    p = value(2.0)
    p._role = "parameter"
    twin = WAYS[way](p * 3)
    assert [x._role for x in twin._prev] == ["parameter", "constant"]


def test_a_shallow_copy_has_the_same_operands(value: Any, judge: Any) -> None:
    a = value(2.0)
    node = a * 3
    node.label = "c"
    twin = copy.copy(node)
    assert twin is not node
    assert (twin._prev, twin._op, twin.data, twin.label) == (node._prev, "*", 6.0, "c")
    twin.data = 1.0
    judge(node.data, 6.0)


@pytest.mark.parametrize("way", WAYS)
def test_a_closure_is_refused_with_a_reason(value: Any, way: str) -> None:
    a = value(3.0)
    node = value(9.0, (a,), "square")
    node._backward = lambda: None
    with pytest.raises(GraphError, match=r"'square'.*closure"):
        WAYS[way](node)


@pytest.mark.parametrize("way", WAYS)
def test_a_model_keeps_its_parameters_together(backend: Any, judge: Any, way: str) -> None:
    model = rustygrad.MLP(2, [3, 1], backend=backend.name)
    loss = model([1.0, -2.0])
    twin, its_loss = WAYS[way]((model, loss))
    its_loss.backward()
    loss.backward()
    judge.all([p.grad for p in twin.parameters()], [p.grad for p in model.parameters()])
