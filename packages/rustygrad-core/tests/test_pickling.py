import copy
import pickle
import threading

import pytest
import rustygrad
from rustygrad.errors import GraphError
from rustygrad.reference import Value

WAYS = [
    pytest.param(lambda x: pickle.loads(pickle.dumps(x)), id="pickle"),
    pytest.param(lambda x: pickle.loads(pickle.dumps(x, 2)), id="pickle-2"),
    pytest.param(copy.deepcopy, id="deepcopy"),
]


@pytest.fixture(params=WAYS)
def copied(request):
    return request.param


class Slotted(Value):
    __slots__ = ("extra",)


def square(x):
    return x * x


def square_vjp(g, out, x):
    return 2 * x * g


def bits(value):
    return str(rustygrad.Graph.capture(value))


def test_a_copy_computes_the_same(copied):
    w, x = Value(0.3, label="w"), Value(-1.7)
    loss = ((w * x + 1).tanh() ** 2 - x.exp()) / rustygrad.dot([w, x], [x, 2.0], w)
    loss.backward()
    twin = copied(loss)
    assert twin is not loss
    assert bits(twin) == bits(loss)
    twin.backward()
    loss.backward()
    assert bits(twin) == bits(loss)


def test_leaves_keep_their_identity(copied):
    w = Value(2.0)
    loss, leaf = copied((w * w, w))
    assert loss._prev == (leaf, leaf)
    leaf2, loss2 = copied((w, w * w))
    assert loss2._prev == (leaf2, leaf2)


def test_two_results_of_one_leaf_share_it_still(copied):
    w = Value(2.0)
    a, b = copied([w * 2, w * 3])
    assert a._prev[0] is b._prev[0]


def test_a_leaf_keeps_data_gradient_label_role_and_free_attributes(copied):
    w = Value(2.0, label="w")
    w.grad, w.m, w._role = 0.25, [1, 2], "parameter"
    twin = copied(w)
    assert (twin.data, twin.grad, twin.label, twin.m, twin._role) == (
        2.0, 0.25, "w", [1, 2], "parameter",
    )  # fmt: skip


def test_inner_nodes_keep_free_attributes_and_scope(copied):
    model = rustygrad.MLP(2, [2, 1], backend="python")
    loss = model([1.0, 2.0])
    loss.note = "here"
    top = copied(loss * 2)
    assert top._prev[0].note == "here"
    assert bits(top) == bits(loss * 2)


def test_constants_stay_constants(copied):
    assert copied(Value(1.0) * 3)._prev[1]._role == "constant"


def test_a_labelled_constant_keeps_its_label(copied):
    node = Value(1.0) * 3
    node._prev[1].label = "three"
    assert copied(node)._prev[1].label == "three"


def test_a_subclass_keeps_its_class_and_its_slots(copied):
    a = Slotted(1.0)
    a.extra, a.free = 5, 6
    for twin in (copied(a), copied(a * 2)._prev[0]):
        assert (type(twin), twin.extra, twin.free, twin.data) == (Slotted, 5, 6, 1.0)


def test_a_hand_built_node_of_a_subclass_is_copied(copied):
    a = Value(1.0)
    node = Slotted(2.0, (a,), "double")
    twin = copied(node + 1)._prev[0]
    assert (type(twin), twin._op, len(twin._prev)) == (Slotted, "double", 1)


def test_a_leaf_may_point_at_a_newer_node(copied):
    w = Value(3.0)
    loss = w * w
    w.best = loss
    for w2 in (copied(w), copied(loss)._prev[0]):
        assert w2.best.data == 9.0
        assert w2.best._prev == (w2, w2)


def test_an_inner_node_may_point_at_a_newer_node(copied):
    w = Value(3.0)
    inner = w * w
    top = inner + 1
    inner.used_by = [top]
    twin = copied(top)
    assert twin._prev[0].used_by[0].data == 10.0


def test_a_custom_operation_is_copied_and_has_its_derivative(copied):
    x = Value(3.0)
    y, x2 = copied((rustygrad.custom(square, square_vjp)(x), x))
    y.backward()
    assert (y._op, x2.grad) == ("square", 6.0)


def test_a_node_with_a_closure_refuses_to_be_copied(copied):
    a = Value(1.0)
    node = Value(1.0, (a,), "f")
    node._backward = lambda: None
    with pytest.raises(GraphError) as caught:
        copied(node + 1)
    assert str(caught.value) == (
        "cannot copy or pickle the node 'f': its _backward is a closure, which "
        "would go on pointing at the original nodes. Use custom(forward, vjp) instead."
    )


def test_a_shallow_copy_is_another_node_with_the_same_operands():
    a, b = Value(2.0), Slotted(3.0)
    node = a**2
    node.label, node.m = "n", 1
    b.extra = 4
    twin, leaf = copy.copy(node), copy.copy(b)
    assert twin is not node
    assert (twin.data, twin._prev, twin._op, twin.label, twin.m) == (4.0, (a,), "**2", "n", 1)
    assert (type(leaf), leaf.data, leaf.extra) == (Slotted, 3.0, 4)


def test_a_shallow_copy_does_not_share_free_attributes():
    a = Value(1.0)
    a.m = 1
    twin = copy.copy(a)
    twin.m = 2
    assert a.m == 1


def test_a_deep_chain_is_copied(copied):
    w = x = Value(1.0)
    for _ in range(100_000):
        x = x * w
    x, w = copied((x, w))
    x.backward()
    assert w.grad == 100_001.0


def test_the_reference_backend_pickles_to_itself():
    backend = rustygrad.get_backend("python")
    assert pickle.loads(pickle.dumps(backend)) is backend


def test_a_model_and_its_loss_keep_their_parameters_together(copied):
    model = rustygrad.MLP(2, [3, 1], backend="python")
    loss, twin = copied((model([1.0, 2.0]) ** 2, model))
    loss.backward()
    model_loss = model([1.0, 2.0]) ** 2
    model_loss.backward()
    assert [p.grad for p in twin.parameters()] == [p.grad for p in model.parameters()]
    assert repr(twin) == repr(model)


def test_a_model_that_has_been_called_is_copied_from_any_thread(copied):
    model = rustygrad.MLP(1, [1], backend="python")
    model([1.0])
    found = []
    thread = threading.Thread(target=lambda: found.append(copied(model)([1.0]).data))
    thread.start()
    thread.join()
    assert found == [model([1.0]).data]
