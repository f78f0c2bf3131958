"""Bad arguments of every type to every entry point: exceptions, never crashes."""

import contextlib
import itertools

import pytest
import rustygrad
from rustygrad import ops

Value = rustygrad.get_backend("c").Value
engine = pytest.importorskip("rustygrad_c._engine")

a = Value(1.0)
BAD = [None, "x", 1j, [1], {}, object(), b"1", (1,), 10**400, -1, a, 1.0, ops.ADD, ops.POW, (a, a)]
ENTRIES = {
    "Value": Value,
    "apply": engine.apply,
    "opaque": engine.opaque,
    "make_opaque": engine.make_opaque,
    "columns": engine.columns,
    "rebuild": engine.rebuild,
    "backward": a.backward,
    "setstate": a.__setstate__,
    "reduce": a.__reduce_ex__,
    "format": a.__format__,
    "hand_down": a._hand_down,
    "stack": engine.stack,
    "zero_grad": engine.zero_grad,
    "sgd": engine.sgd,
    "adam": engine.adam,
}


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("count", range(4))
def test_an_entry_point_survives_any_arguments(name, count):
    for arguments in itertools.islice(itertools.product(BAD, repeat=count), 3000):
        with contextlib.suppress(Exception):
            ENTRIES[name](*arguments)
    assert (Value(2.0) * 3).data == 6.0


@pytest.mark.parametrize(
    "attribute", ["data", "grad", "_prev", "_op", "_role", "_backward", "__dict__", "label", "x"]
)
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
            inherited.add("__vectorcalloffset__")
            assert set(vars(getattr(engine, node.name))) - inherited == named - inherited
