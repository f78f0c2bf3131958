"""Python code that the engine runs may do anything to its nodes: no crash, nothing lost."""

import gc
import sys
import weakref

import pytest
import rustygrad
from rustygrad import Graph, ops

Value = rustygrad.get_backend("c").Value
engine = pytest.importorskip("rustygrad_c._engine")


class Hostile:
    """A number whose conversion does something first."""

    def __init__(self, act, number=1.0):
        self.act = act
        self.number = number

    def __float__(self):
        self.act()
        return self.number


def junk():
    """Take the memory that was freed just now."""
    return [Value(9.0) * i for i in range(50)]


class Named(Value):
    pass


# --- conversions ------------------------------------------------------------


def test_a_list_of_operands_that_changes_while_it_is_read_is_refused():
    items = [Value(1.0), Hostile(lambda: (items.clear(), junk())), *map(Value, range(5))]
    with pytest.raises(RuntimeError, match="the list of operands changed"):
        engine.apply(ops.SUM, items)


def test_a_conversion_may_run_backward_over_the_other_operand():
    a = Value(2.0)
    b = a * 3.0
    result = b + Hostile(b.backward)
    assert (result.data, a.grad) == (7.0, 3.0)


def test_a_conversion_may_begin_the_node_anew_that_is_being_changed():
    node = Value(2.0) * Value(3.0)
    node.data = Hostile(lambda: (node.__init__(5.0), junk()), 7.0)
    assert (node.data, node._prev) == (7.0, ())


def test_a_conversion_may_begin_the_node_anew_that_is_being_begun_anew():
    node = Value(2.0) * Value(3.0)
    node.__init__(Hostile(lambda: node.__init__(5.0), 7.0))
    assert (node.data, node._prev) == (7.0, ())


def test_the_last_reference_to_an_operand_may_go_during_an_operation():
    box = [Value(2.0)]
    result = box[0] - Hostile(box.clear)
    assert result._prev[0].data == 2.0


def test_a_seed_may_begin_the_root_anew():
    root = Value(2.0) * 3.0
    root.backward(Hostile(lambda: root.__init__(1.0), 0.5))
    assert root.grad == 0.5


def test_children_that_change_while_they_are_read_do_no_harm():
    class Children(list):
        def __iter__(self):
            yield a
            node.__init__(3.0)
            yield a

    a = Value(1.0)
    node = Value(2.0)
    node.__init__(4.0, Children(), "f")
    assert (node._prev, node._op) == ((a, a), "f")


# --- closures in the sweep --------------------------------------------------


def graph_with(act):
    """A graph with nodes above and below one whose `_backward` does something."""
    a = Value(1.0)
    below = a * 2.0 + 1.0
    middle = Value(0.5, (below,), "f")
    middle._backward = act
    return a, below, middle, (middle * 3.0).tanh()


ACTS = {
    "begins a node below anew": lambda a, below, middle, root: below.__init__(1.0),
    "begins the root anew": lambda a, below, middle, root: root.__init__(1.0),
    "begins itself anew": lambda a, below, middle, root: middle.__init__(1.0, (a,), "g"),
    "gives another node a closure": lambda a, below, middle, root: setattr(
        below, "_backward", lambda: a.backward()
    ),
    "gives itself another closure": lambda a, below, middle, root: setattr(
        middle, "_backward", lambda: None
    ),
    "runs backward from below": lambda a, below, middle, root: below.backward(),
    "runs backward of another graph": lambda a, below, middle, root: (a * a).backward(),
    "collects": lambda a, below, middle, root: gc.collect(),
    "captures the graph": lambda a, below, middle, root: engine.columns([root], True),
    "changes the class": lambda a, below, middle, root: setattr(below, "__class__", Named),
    "empties the attributes": lambda a, below, middle, root: root.__dict__.clear(),
}


@pytest.mark.parametrize("what", ACTS)
def test_a_closure_that(what):
    nodes = []

    def act():
        ACTS[what](*nodes)
        junk()

    nodes += graph_with(act)
    nodes[-1].backward()
    nodes[-1].backward()
    before = weakref.ref(nodes[0])
    nodes.clear()
    gc.collect()
    assert before() is None
    assert (Value(2.0) * 3).data == 6.0


def test_a_closure_may_drop_the_last_references_to_its_graph():
    box = []
    box += graph_with(lambda: (box.clear(), gc.collect(), junk()))
    leaf = weakref.ref(box[0])
    box[-1].backward()
    gc.collect()
    assert leaf() is None


def test_an_error_in_a_closure_ends_the_sweep_and_leaves_the_graph_whole():
    def act():
        raise ZeroDivisionError("on purpose")

    a, _below, middle, root = graph_with(act)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        root.backward()
    middle._backward = lambda: None
    root.backward()
    assert a.grad == 0.0


def test_a_closure_that_runs_its_own_root_again_ends_in_recursion_error():
    nodes = []
    nodes += graph_with(lambda: nodes[-1].backward())
    with pytest.raises(RecursionError):
        nodes[-1].backward()


def test_the_operands_of_a_node_begun_anew_are_freed_after_the_sweep():
    nodes = []
    nodes += graph_with(lambda: nodes[1].__init__(1.0))
    inner = weakref.ref(nodes[1]._prev[0])
    nodes[-1].backward()
    assert inner() is None


# --- capture, finalisers, classes -------------------------------------------


def test_a_name_may_drop_the_roots_of_a_capture():
    class Pull:
        @property
        def name(self):
            roots.clear()
            gc.collect()
            junk()
            return "f"

    roots = [engine.opaque(Pull(), [Value(1.0)], 1.0) * 2.0]
    columns, _, names, _, outputs, nodes = engine.columns(roots, True)
    assert (len(columns[0]), names, outputs, len(nodes)) == (4, {1: "f"}, (3,), 4)


def test_a_weak_reference_may_build_and_run_a_graph_while_another_is_freed():
    results = []

    def told(_):
        a = Value(2.0)
        (a * a).backward()
        results.append(a.grad)

    node = Value(1.0)
    watches = []
    for _ in range(100):
        node = node * 2.0
        watches.append(weakref.ref(node, told))
    del node
    assert results == [4.0] * 100


def test_a_finaliser_may_free_another_graph_and_begin_nodes_anew():
    others = [Value(1.0) * i for i in range(100)]

    class Final(Value):
        def __del__(self):
            others.pop().__init__(3.0)
            others.pop()

    for _ in range(40):
        Final(1.0) * 2.0
    assert len(others) == 20


@pytest.mark.parametrize("name", ["c", "python"])
def test_a_finaliser_finds_what_it_drops_freed_at_once(name):
    cls, order = rustygrad.get_backend(name).Value, []

    class Told:
        def __init__(self, text, node=None):
            self.text, self.node = text, node

        def __del__(self):
            self.node = None
            order.append(self.text)

    inner = cls(1.0) * 2.0
    inner.told = Told("inner")
    outer = cls(3.0)
    outer.told = Told("outer", inner)
    del inner
    del outer
    assert order == ["inner", "outer"]


def test_an_object_may_change_its_class_from_a_subclass_to_value_and_back():
    for first, second in ((Named, Value), (Value, Named)):
        nodes = [first(1.0) for _ in range(100)]
        for node in nodes:
            node.__class__ = second
        kept = nodes[0] * 2.0
        del node, nodes
        gc.collect()
        assert [Value(1.0).data for _ in range(200)] == [1.0] * 200
        assert kept._prev[0].__class__ is second


def test_a_subclass_may_override_everything_that_the_engine_might_call():
    class Loud(Value):
        def __getattribute__(self, name):
            raise RuntimeError(f"{name} was asked for")

        __hash__ = __eq__ = __bool__ = __repr__ = __getattribute__

    a = Loud(2.0)
    b = Value(3.0)
    result = rustygrad.get_backend("c").apply(ops.DOT, [a, b, a, b])
    Value.backward(result)
    assert (result.data, b.grad) == (12.0, 4.0)


def test_the_type_is_freed_of_all_nodes_after_hostile_programs():
    gc.collect()
    before = sys.getrefcount(Value)
    test_a_closure_may_drop_the_last_references_to_its_graph()
    test_a_list_of_operands_that_changes_while_it_is_read_is_refused()
    gc.collect()
    assert sys.getrefcount(Value) - before <= 0


def fold_anew(node):
    """Look inside a sum of products, keep nothing of it, and add to its parts."""
    one = Value(1.0)
    total = node._prev[0]
    total + one
    del total
    node + one


@pytest.mark.parametrize("pairs", [2, 3, 5, 20])
@pytest.mark.parametrize(
    "look",
    [lambda v: v._prev, lambda v: v._op, lambda v: setattr(v, "_backward", lambda: None)],
    ids=["_prev", "_op", "_backward"],
)
def test_the_collector_may_run_code_that_folds_the_node_that_is_being_written_out(pairs, look):
    acted = []

    def act(phase, info):
        if phase == "start" and not acted:
            acted.append(phase)
            fold_anew(node)

    thresholds = gc.get_threshold()
    kept = [Value(0.0) for _ in range(100_000)]  # so that the free list is empty
    tuples = [(i, i) for i in range(3000)]  # and that of tuples, too
    gc.disable()
    gc.callbacks.append(act)
    try:
        for threshold in range(1, 2 * pairs + 5):
            w, node = Value(2.0), Value(1.0)
            for _ in range(pairs):
                node = node + w * 3.0
            node.tanh()
            acted[:] = ["not yet"]
            gc.collect()
            kept += [Value(0.0) for _ in range(4 * pairs + 10)]
            gc.collect(0)
            acted.clear()
            gc.set_threshold(threshold, 1000, 1000)
            gc.enable()
            look(node)
            gc.disable()
            assert (node.data, node._op, len(node._prev)) == (1.0 + 6.0 * pairs, "+", 2)
            assert len(Graph.capture(node)) == 3 * pairs + 2
    finally:
        gc.callbacks.remove(act)
        gc.set_threshold(*thresholds)
        gc.enable()
    assert len(tuples) == 3000
