"""Bad arguments of every type to every entry point: exceptions, never crashes."""

import abc
import contextlib
import itertools
import pickle
import random

import pytest
import rustygrad
from rustygrad import ops
from rustygrad.modes import PLAIN

Value = rustygrad.get_backend("c").Value
engine = pytest.importorskip("rustygrad_c._engine")


class Hostile:
    """It has every conversion, and none works."""

    def refuse(self, *_):
        raise ZeroDivisionError("hostile")

    __float__ = __index__ = __iter__ = __len__ = __bool__ = __eq__ = __hash__ = __getitem__ = refuse
    __call__ = __str__ = __format__ = __radd__ = __rmul__ = __rpow__ = __lt__ = refuse


class Named(Value):
    pass


a = Value(1.0)
BAD = [
    None, "x", "data", 1j, [1], {}, object(), b"1", (1,), 10**400, -1, 2**31, 1.0, a, a * a, (a, a),
    [a, None], Named(1.0), Value, int, ops.ADD, ops.POW, ops.SUM, Hostile(), lambda *_: None,
    Value(0.0, (a,), "f"), float("nan"), float,
]  # fmt: skip


def entries():
    """All that can be called: the module's functions, and Value's, on a node and on no node."""
    for name in dir(engine):
        if not name.startswith("__") and callable(getattr(engine, name)):
            yield name, lambda name=name: getattr(engine, name)
    for name in dir(Value):
        found = getattr(Value, name)
        if name == "__class__" or (callable(found) and not hasattr(type(found), "__set__")):
            yield f"Value.{name}", lambda found=found: found
            yield f"node.{name}", lambda name=name: getattr(Value(2.0) * a, name)
    for name, found in vars(Value).items():
        for what in ("__get__", "__set__", "__delete__"):
            if hasattr(found, what):
                yield f"{name}.{what}", lambda f=found, w=what: getattr(f, w)


ENTRIES = dict(entries())


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_point_survives_any_arguments(name):
    draw = random.Random(name)
    tuples = [t for count in range(3) for t in itertools.product(BAD, repeat=count)]
    tuples = draw.sample(tuples, 250)
    tuples += [draw.choices(BAD, k=draw.randint(3, 8)) for _ in range(150)]
    for arguments in tuples:
        with contextlib.suppress(Exception):
            ENTRIES[name]()(*arguments)
    assert (Value(2.0) * 3).data == 6.0


DESCRIPTORS = {
    name: found
    for name, found in vars(Value).items()
    if type(found).__name__ in ("getset_descriptor", "method_descriptor", "wrapper_descriptor")
}


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_descriptor_refuses_what_is_no_value(name):
    found = DESCRIPTORS[name]
    with pytest.raises(TypeError):
        found.__get__(3)
    with pytest.raises(TypeError):
        found(3) if callable(found) else found.__set__(3, 4)


@pytest.mark.parametrize("attribute", sorted({*dir(Value), "x"}))
def test_an_attribute_survives_any_assignment(attribute):
    for item in BAD:
        v = Value(1.0)
        for change in (
            lambda v=v, i=item: setattr(v, attribute, i),
            lambda v=v: delattr(v, attribute),
        ):
            with contextlib.suppress(Exception):
                change()
                repr(v)
                (v * 2).backward()
    assert (Value(2.0) * 3).data == 6.0


def test_a_record_of_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="not the record of a node"):
        engine.rebuild(Value, ops.ADD.code, (a,), 0.0, 0.0, None, 0)


@pytest.mark.parametrize("emptied", ["leaves", "scopes", "layers", "watched"])
def test_a_list_that_changes_while_a_stack_is_made_of_it_does_no_harm(emptied):
    leaves = [Value(0.1) for _ in range(3000)]
    scopes, watched = [0] * 1000, [[] for _ in range(100)]

    class Op:
        @property
        def code(self):
            lists[emptied].clear()
            return ops.RELU.code

    layers = [(2, leaves, Op(), 0, scopes), (1000, leaves, None, 0, scopes)]
    lists = {"leaves": leaves, "scopes": scopes, "layers": layers, "watched": watched}
    with contextlib.suppress(ValueError, TypeError):
        engine.stack(layers, watched, [0], PLAIN)
    layers[:] = [(2, leaves, Op(), 0, scopes)]
    with contextlib.suppress(ValueError, TypeError):
        engine.stack(layers, watched, [0], PLAIN)


@pytest.mark.parametrize(
    ("layers", "watched", "error"),
    [
        ([1], [], "a layer is a tuple, not 1"),
        ([(1, [Value(0.0), Value(0.0)], None, 0, [0])], [3], "only lists can be watched, not 3"),
        ([(1, [Value(0.0)] * 3, None, 0, [0])], [], "a layer has a weight for each pair"),
        (
            [(1, [Value(0.0), Value(0.0)], ops.ADD, 0, [0])],
            [],
            "<op add> is no operation of one operand",
        ),
        ([], [], "a stack has one layer or more, and one counter"),
    ],
)
def test_a_stack_says_what_is_wrong_with_its_layers(layers, watched, error):
    with pytest.raises((TypeError, ValueError), match=error):
        engine.stack(layers, watched, [0], PLAIN)


def test_a_stack_that_watches_an_empty_list_works():
    leaves = [Value(2.0), Value(1.0)]
    stack = engine.stack([(1, leaves, None, 0, [0])], [[]], [0], PLAIN)
    assert stack([3.0]).data == 7.0


@pytest.mark.parametrize(
    "arguments",
    [
        (1.0, (), "", 3), (1.0, (), "", None), (1.0, (), None), (1.0, (), 3), (1.0, ("a",), 3),
        (1.0, ("a",), None), (1.0, ("a",), "f", ["x"]), (1.0, [], "f"), (1.0, 3),
    ],
)  # fmt: skip
def test_the_constructor_takes_what_that_of_the_reference_takes(arguments):
    def made(cls):
        data, children, *names = arguments
        if children == ("a",):
            children = (cls(2.0),)
        try:
            value = cls(data, children, *names)
        except TypeError as error:
            return type(error), str(error)
        graph = rustygrad.Graph.capture(value)
        return value._op, value.label, len(value._prev), dict(graph.names), dict(graph.labels)

    assert made(Value) == made(rustygrad.get_backend("python").Value)


def test_an_abstract_subclass_cannot_be_made():
    class Abstract(Value, metaclass=abc.ABCMeta):
        @abc.abstractmethod
        def missing(self): ...

    with pytest.raises(TypeError, match="abstract"):
        Abstract(1.0)


def test_a_node_that_is_made_of_itself_is_not_captured():
    for name in ("c", "python"):
        cls = rustygrad.get_backend(name).Value
        first = cls(1.0)
        last = first * 2 + 1
        first.__init__(5.0, (last,), "f")
        for use in (rustygrad.Graph.capture, pickle.dumps):
            with pytest.raises(rustygrad.errors.GraphError, match="is made of itself"):
                use(last)


def test_initialising_again_starts_anew():
    node = Value(2.0) * 3
    node.__init__(5.0)
    assert (node.data, node._prev, node._op) == (5.0, (), "")


def test_a_value_that_was_never_initialised_is_zero():
    assert (Value.__new__(Value) + 1).data == 1.0


def test_another_op_table_is_refused(run_clean):
    run_clean(
        "import rustygrad.ops as ops\n"
        "ops.ADD.name = 'plus'\n"
        "try:\n"
        "    import rustygrad_c._engine\n"
        "except ImportError as error:\n"
        "    assert 'built for another op table: row 2' in str(error), error\n"
        "else:\n"
        "    raise SystemExit('it loaded')"
    )


def test_the_stub_names_what_the_module_has():
    import ast
    from pathlib import Path

    import rustygrad_c

    tree = ast.parse((Path(rustygrad_c.__file__).parent / "_engine.pyi").read_text())
    kinds = (ast.FunctionDef, ast.ClassDef)
    assert {node.name for node in tree.body if isinstance(node, kinds)} == {
        name for name in dir(engine) if not name.startswith("_")
    }
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            named = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
            named |= {n.target.id for n in node.body if isinstance(n, ast.AnnAssign)}
            inherited = set(dir(object)) | {"__dict__", "__module__", "__weakref__", "__setstate__"}
            inherited |= {"__vectorcalloffset__", "__slotnames__"}  # the last is copyreg's
            assert set(vars(getattr(engine, node.name))) - inherited == named - inherited
