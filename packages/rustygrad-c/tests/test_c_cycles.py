"""The cycles that a user can make are found; a plain program never meets the collector."""

import gc
import weakref
from textwrap import dedent, indent

import pytest
import rustygrad

Value = rustygrad.get_backend("c").Value

#: What makes a cycle of the nodes `a`, `b`, `c` ..., each the first thing that its program stores.
CYCLES = {
    "a closure over its own node": """
        a, b = Value(2.0), Value(3.0)
        c = Value(6.0, (a, b), "*")
        def pull(): a.grad += b.data * c.grad
        c._backward = pull
    """,
    "a closure over a newer node": """
        a = Value(1.0); b = a * 2.0; c = b * 3.0
        b._backward = lambda: c
    """,
    "a bound method as closure": """
        class Pull:
            def go(self): return self.node
        pull = Pull()
        a = Value(1.0); b = a * 2.0; c = pull.node = b * 3.0
        b._backward = pull.go
    """,
    "a closure's default": """
        a = Value(1.0); b = a * 2.0; c = b * 3.0
        def pull(*, node=c): pass
        b._backward = pull
    """,
    "a custom operation": """
        a = Value(1.0); held = []
        b = rustygrad.custom(lambda x: x, lambda g, out, x: (held and g,))(a)
        c = b * 2.0
        held.append(c)
    """,
    "an attribute with nodes between": """
        a = b = Value(1.0)
        for _ in range(100): b = b * 2.0 + a
        a.best = c = b
    """,
    "an attribute in a chain of products": """
        a = b = Value(1.0); c = Value(2.0)
        for _ in range(100): b = b + a * c
        a.best = b
    """,
    "the result of a layer": """
        layer = rustygrad.Layer(2, 2, backend="c")
        layer([1.0, 2.0])
        a = Value(1.0)
        b, c = layer([a, 2.0])
        a.best = b
        del layer
    """,
    "containers": "a = Value(1.0); b = a * 2.0; a.history = [{'x': (b,)}]",
    "a set": "a = Value(1.0); b = a * 2.0; a.seen = {b}",
    "a deque": "import collections; a = Value(1.0); b = a * 2.0; a.seen = collections.deque([b])",
    "a partial function": """
        import functools
        a = Value(1.0); b = a * 2.0; a.later = functools.partial(print, b)
    """,
    "an object": """
        class Thing: pass
        thing = Thing(); a = Value(1.0); b = thing.node = a * 2.0; a.thing = thing
    """,
    "a generator": """
        def steps(node): yield node; yield node
        a = Value(1.0); b = a * 2.0; a.steps = steps(b); next(a.steps)
    """,
    "a list that is filled later": """
        a = Value(1.0); a.results = []; b = a * 2.0; a.results.append(b)
    """,
    "a list that is filled later with an older node": """
        other, a = Value(0.0), Value(1.0); b = a * 2.0
        other.anything = []
        a.results = []
        a.results.append(b)
    """,
    "the dict of a node": "a = Value(1.0); b = a * 2.0; vars(a)['best'] = b",
    "an attribute, after somebody has cleared the collector's callbacks": """
        a = Value(1.0); b = a * 2.0; c = b + 1.0
        vars(Value(1.0))
        gc.callbacks.clear()
        a.best = c
    """,
    "a slot of a subclass": """
        class Slotted(Value): __slots__ = ("best",)
        a = Slotted(1.0); b = a.best = a * 2.0
    """,
    "an attribute of a subclass": """
        class Free(Value): pass
        a = Free(1.0); b = a * 2.0; c = a.best = b + a
    """,
}


@pytest.mark.parametrize("what", CYCLES)
def test_a_cycle_is_collected(run_clean, what):
    run_clean(
        "import gc, weakref, rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "gc.disable()\n"
        "def make():\n"
        f"{indent(dedent(CYCLES[what]), '    ')}\n"
        "    return [weakref.ref(node) for node in locals().values() if isinstance(node, Value)]\n"
        "nodes = make()\n"
        "assert len(nodes) > 1\n"
        "assert any(node() is not None for node in nodes)  # a cycle indeed\n"
        "gc.collect()\n"
        "assert [node() for node in nodes] == [None] * len(nodes)"
    )


def test_many_graphs_that_are_older_than_the_first_attribute_are_collected(run_clean):
    run_clean(
        "import gc, rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "graphs = []\n"
        "for _ in range(200):\n"
        "    first = node = Value(1.0)\n"
        "    for _ in range(100): node = node * 2.0\n"
        "    graphs.append((first, node))\n"
        "for first, node in graphs: first.seen = {node}\n"
        "del graphs, first, node\n"
        "gc.collect()\n"
        "assert not any(isinstance(x, Value) for x in gc.get_objects())"
    )


def test_what_is_stored_costs_the_same_however_much_is_there_already(run_clean):
    run_clean(
        "import rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "node, trail = Value(1.0), None\n"
        "for i in range(200_000):\n"  # each store once walked through all of the trail
        "    node = node * 1.0; trail = (trail, [i]); node.trail = trail\n"
    )


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


def test_a_node_that_python_itself_has_tracked_may_get_attributes(run_clean):
    run_clean(
        "import gc, rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "saved = []\n"
        "class Revived(Value):\n"
        "    def __del__(self): saved.append(self)\n"
        "node = Value(1.0)\n"
        "try: object.__setattr__(node, '__class__', Revived)\n"
        "except TypeError: node.__class__ = Revived  # before 3.13\n"
        "del node\n"
        "node = saved.pop()\n"
        "node.me = [node]\n"
        "gc.collect()"
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
