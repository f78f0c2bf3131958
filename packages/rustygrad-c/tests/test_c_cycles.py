"""The cycles that a user can make are found; a plain program never meets the collector."""

import gc
import weakref

import pytest
import rustygrad

Value = rustygrad.get_backend("c").Value


def closure_over_its_own_node():
    a, b = Value(2.0), Value(3.0)
    out = Value(6.0, (a, b), "*")

    def pull():
        a.grad += b.data * out.grad

    out._backward = pull
    return a, b, out


def closure_over_a_newer_node():
    a = Value(1.0)
    out = Value(2.0, (a,), "x")
    later = out * 3
    out._backward = lambda: later
    return a, out, later


def attribute_with_nodes_between():
    leaf = node = Value(1.0)
    for _ in range(100):
        node = node * 2.0 + leaf
    leaf.best = node
    return leaf, node


def attribute_in_containers():
    leaf = Value(1.0)
    node = leaf * 2
    leaf.history = [{"x": (node,)}]
    return leaf, node


def list_that_is_filled_later():
    leaf = Value(1.0)
    leaf.results = []
    node = leaf * 2
    leaf.results.append(node)
    return leaf, node


def slot_of_a_subclass():
    class Slotted(Value):
        __slots__ = ("best",)

    leaf = Slotted(1.0)
    leaf.best = leaf * 2
    return leaf, leaf.best


def attribute_of_a_subclass():
    class Free(Value):
        pass

    leaf = Free(1.0)
    middle = leaf * 2
    leaf.best = middle + leaf
    return leaf, middle, leaf.best


@pytest.mark.parametrize(
    "make",
    [
        closure_over_its_own_node,
        closure_over_a_newer_node,
        attribute_with_nodes_between,
        attribute_in_containers,
        list_that_is_filled_later,
        slot_of_a_subclass,
        attribute_of_a_subclass,
    ],
)
def test_a_cycle_is_collected(make):
    gc.collect()
    gc.disable()
    try:
        nodes = [weakref.ref(node) for node in make()]
        assert any(node() is not None for node in nodes)  # a cycle indeed
        gc.collect()
        assert all(node() is None for node in nodes)
    finally:
        gc.enable()


def test_a_plain_program_is_not_tracked(run_clean):
    run_clean(
        "import gc, rustygrad\n"
        "v = rustygrad.get_backend('c').Value(1.0)\n"
        "for _ in range(10): v = v * 2 + 1\n"
        "v.label = 'loss'; v.m = 0.5; v.backward()\n"
        "assert not gc.is_tracked(v)"
    )


def test_nodes_that_outlive_the_module_are_freed_in_peace(run_clean):
    run_clean(
        "import rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "leaf = node = Value(1.0)\n"
        "for _ in range(100_000): node = node * 1.0\n"
        "leaf.best = node\n"
        "class Holder: pass\n"
        "h = Holder(); h.h = h; h.node = node"
    )


def test_a_finaliser_may_bring_its_node_back():
    saved = []

    class Revived(Value):
        def __del__(self):
            saved.append(self)

    node = Revived(1.0) * 2
    del node
    gc.collect()
    assert saved[0].data == 1.0
    assert (saved[0] * 3).data == 3.0


def test_a_weak_reference_is_told_during_deep_freeing():
    told = []
    node = Value(1.0)
    inner = node * 2
    watch = weakref.ref(inner, lambda _: told.append(gc.collect()))
    outer = inner * 3
    del inner, outer
    assert watch() is None
    assert len(told) == 1
