"""The reference engine's Value: construction, operators, attributes, comparisons."""

import math
import operator
import weakref
from fractions import Fraction

import pytest
from rustygrad.errors import ConversionError, MixedBackendsError
from rustygrad.ops import POW, SUM
from rustygrad.reference import Value, value

np = pytest.importorskip("numpy")


# --- construction and attributes ---


def test_the_arguments_go_by_position():
    a, b = Value(1.0), Value(2.0)
    node = Value(3, (a, b), "+", "sum")
    assert (node.data, node._prev, node._op, node.label) == (3.0, (a, b), "+", "sum")


def test_a_new_value_is_an_unnamed_leaf_without_gradient():
    v = Value(1)
    assert (v.data, v.grad, v._prev, v._op, v.label) == (1.0, 0.0, (), "", "")
    assert type(v.data) is float


def test_a_subclass_of_float_is_stored_as_a_float():
    assert type(Value(np.float64(1.5)).data) is float


def test_children_may_come_in_any_iterable():
    a = Value(1.0)
    assert Value(2.0, {a}, "f")._prev == (a,)


def test_a_child_that_is_no_value_is_refused():
    with pytest.raises(ConversionError) as caught:
        Value(1.0, (3,), "+")
    assert str(caught.value) == "_children takes Values, not 3: wrap it, Value(x)"


def test_data_is_writable_and_always_a_float():
    v = Value(1.0)
    v.data = np.float32(2)
    assert (v.data, type(v.data)) == (2.0, float)


def test_data_refuses_what_is_no_number_and_keeps_what_it_was():
    v = Value(1.0)
    with pytest.raises(ConversionError):
        v.data = None
    assert v.data == 1.0


@pytest.mark.parametrize("given", [None, 0, np.float64(0), False])
def test_grad_takes_none_and_any_number(given):
    v = Value(1.0)
    v.grad = 5
    assert v.grad == 5.0
    v.grad = given
    assert (v.grad, type(v.grad)) == (0.0, float)


def test_label_is_writable():
    v = Value(1.0)
    v.label = "x"
    assert v.label == "x"


def test_free_attributes_work():
    v = Value(1.0)
    v.m = v.v = 0.25
    assert (v.m, v.v) == (0.25, 0.25)


def test_weak_references_work():
    v = Value(1.0)
    assert weakref.ref(v)() is v


def test_type_and_isinstance_and_map_work():
    assert [type(v) for v in map(Value, [1, 2])] == [Value, Value]
    assert isinstance(Value(1.0) + 1, Value)


def test_equality_and_hash_are_identity():
    a, b = Value(1.0), Value(1.0)
    assert a != b
    assert len({a, b, a}) == 2


def test_every_value_is_true():
    assert Value(0.0)
    assert Value(math.nan)


def test_there_is_no_float_of_a_value():
    with pytest.raises(TypeError):
        float(Value(1.0))
    with pytest.raises(TypeError):
        math.exp(Value(1.0))


def test_repr_shows_data_and_gradient_as_micrograd_does():
    assert repr(Value(2)) == "Value(data=2.0, grad=0.0)"


def test_format_formats_the_data_and_an_empty_one_is_the_repr():
    v = Value(math.pi)
    assert f"{v:.4f}" == "3.1416"
    assert f"{v}" == repr(v)


# --- operators ---

BINARY = [
    (operator.add, "+", 2.5),
    (operator.sub, "-", 1.5),
    (operator.mul, "*", 1.0),
    (operator.truediv, "/", 4.0),
]


@pytest.mark.parametrize(("operation", "symbol", "expected"), BINARY)
def test_an_operator_makes_one_node_of_two_values(operation, symbol, expected):
    a, b = Value(2.0), Value(0.5)
    node = operation(a, b)
    assert (node.data, node._op, node._prev) == (expected, symbol, (a, b))


@pytest.mark.parametrize(("operation", "symbol", "expected"), BINARY)
@pytest.mark.parametrize("half", [0.5, Fraction(1, 2), np.float64(0.5), np.float16(0.5)], ids=repr)
def test_a_number_on_the_right_becomes_a_constant(operation, symbol, expected, half):
    a = Value(2.0)
    node = operation(a, half)
    assert type(node) is Value
    assert (node.data, node._op, node._prev[0]) == (expected, symbol, a)
    assert (node._prev[1].data, node._prev[1]._role) == (0.5, "constant")


@pytest.mark.parametrize(("operation", "symbol", "expected"), BINARY)
@pytest.mark.parametrize("two", [2, 2.0, np.int64(2), np.float32(2), np.longdouble(2)], ids=repr)
def test_a_number_on_the_left_becomes_a_constant(operation, symbol, expected, two):
    b = Value(0.5)
    node = operation(two, b)
    assert type(node) is Value
    assert (node.data, node._op, node._prev[1]) == (expected, symbol, b)
    assert (node._prev[0].data, node._prev[0]._role) == (2.0, "constant")


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize("stranger", [None, "x", 1j, [1], object()], ids=repr)
def test_an_operator_refuses_what_is_no_number_as_python_does(operation, stranger):
    with pytest.raises(TypeError):
        operation(Value(1.0), stranger)
    with pytest.raises(TypeError):
        operation(stranger, Value(1.0))


def test_power_refuses_what_is_no_number_as_python_does():
    with pytest.raises(TypeError):
        Value(1.0) ** "2"
    with pytest.raises(TypeError):
        "2" ** Value(1.0)


def test_an_operand_too_large_for_a_float_overflows():
    with pytest.raises(OverflowError):
        Value(1.0) + 10**400


def test_the_zero_that_sum_starts_from_makes_no_node():
    a = Value(1.0)
    assert sum([a]) is a


@pytest.mark.parametrize("zero", [0.0, False])
def test_another_zero_makes_a_node(zero):
    a = Value(1.0)
    assert (zero + a)._op == "+"


def test_sum_with_a_start_value():
    start, a = Value(5.0), Value(1.0)
    assert sum([a], start)._prev == (start, a)


def test_negation_is_one_node_and_plus_is_none():
    a = Value(2.0)
    assert ((-a).data, (-a)._prev, (-a)._op) == (-2.0, (a,), "neg")
    assert +a is a


def test_abs_is_one_node():
    a = Value(-2.0)
    assert (abs(a).data, abs(a)._prev) == (2.0, (a,))


def test_a_number_as_exponent_is_an_attribute():
    a = Value(3.0)
    node = a**2
    assert (node.data, node._op, node._prev) == (9.0, "**2", (a,))


def test_a_value_as_exponent_is_an_operand():
    a, b = Value(2.0), Value(3.0)
    node = a**b
    node.backward()
    assert (node.data, node._op, node._prev) == (8.0, "**", (a, b))
    assert (a.grad, b.grad) == (12.0, 8.0 * math.log(2.0))


def test_reflected_power_keeps_base_and_exponent():
    b = Value(3.0)
    node = 2**b
    node.backward()
    assert (node.data, b.grad) == (8.0, 8.0 * math.log(2.0))


@pytest.mark.parametrize("operation", [operator.iadd, operator.isub, operator.imul, operator.ipow])
def test_an_in_place_form_rebinds_to_a_new_node(operation):
    a = Value(2.0)
    b = operation(a, 3)
    assert b is not a
    assert a.data == 2.0
    assert a in b._prev


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", 0.5), ("tanh", math.tanh(0.5)), ("sigmoid", 1 / (1 + math.exp(-0.5))),
        ("exp", math.exp(0.5)), ("log", math.log(0.5)), ("sqrt", math.sqrt(0.5)),
        ("sin", math.sin(0.5)), ("cos", math.cos(0.5)),
    ],
)  # fmt: skip
def test_a_method_makes_one_node(name, expected):
    a = Value(0.5)
    node = getattr(a, name)()
    assert (node.data, node._prev) == (expected, (a,))


# --- comparisons ---


@pytest.mark.parametrize("operation", [operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize("other", [1.0, 2.0, 3.0])
def test_comparisons_look_at_the_data(operation, other):
    expected = operation(2.0, other)
    assert operation(Value(2.0), Value(other)) is expected
    assert operation(Value(2.0), other) is expected
    assert operation(2.0, Value(other)) is expected
    assert operation(Value(2.0), np.float64(other)) is expected


@pytest.mark.parametrize("operation", [operator.lt, operator.le, operator.gt, operator.ge])
def test_a_value_is_in_no_order_with_what_is_no_number(operation):
    with pytest.raises(TypeError, match="not supported between instances"):
        operation(Value(1.0), "1")


def test_nan_is_in_no_order():
    assert not Value(math.nan) < 1.0
    assert not Value(math.nan) >= 1.0


def test_values_can_be_sorted():
    a, b, c = map(Value, (2.0, 1.0, 3.0))
    assert sorted([a, b, c]) == [b, a, c]
    assert max([a, b, c], key=lambda v: v.data) is c


# --- numpy ---


def test_object_arrays_of_values_compute():
    row = np.array([Value(1.0), Value(2.0)], dtype=object)
    assert np.dot(row, row).data == 5.0
    assert np.sum(row).data == 3.0
    assert [v.data for v in np.exp(row)] == [math.exp(1.0), math.exp(2.0)]
    assert [v.data for v in np.sqrt(row) * 2 - row / 2] == [1.5, 2.0**0.5 * 2 - 1]
    assert all(type(v) is Value for v in np.float64(2.0) * row)


def test_an_array_of_numbers_times_a_value_is_an_array_of_values():
    v = Value(3.0)
    assert [x.data for x in np.array([1.0, 2.0]) * v] == [3.0, 6.0]
    assert [x.data for x in v * np.array([1.0, 2.0])] == [3.0, 6.0]


def test_a_comparison_with_an_array_compares_each():
    assert (Value(2.0) < np.array([1.0, 3.0])).tolist() == [False, True]


# --- subclasses ---


class Named(Value):
    __slots__ = ("extra",)

    def __init__(self, data, name):
        super().__init__(data, label=name)
        self.extra = name.upper()


def test_a_subclass_takes_part_in_expressions_which_give_plain_values():
    a, b = Named(2.0, "a"), Value(3.0)
    for node in (a + b, b + a, a * a, a - 1, 1 / a, a**2, -a, sum([a, b])):
        assert type(node) is Value
    (a * b).backward()
    assert (a.grad, b.grad) == (3.0, 2.0)


# --- another backend's Values ---


class Other:
    """A Value of a backend named 'other'."""


class OtherBackend:
    name = "other"
    Value = Other


Other._backend = OtherBackend()

MIXED = (
    "one expression mixes Values of the backends 'python' and 'other': "
    "bring them together with rustygrad.convert(value, 'python')"
)


@pytest.mark.parametrize(
    "operation",
    [
        operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
        operator.lt, operator.le, operator.gt, operator.ge,
        lambda a, b: b + a, lambda a, b: b - a, lambda a, b: b * a, lambda a, b: b / a,
        lambda a, b: b**a,
        lambda a, b: Value(1.0, (a, b), "f"),
        lambda a, b: value.apply(value.ADD, (a, b)),
    ],
)  # fmt: skip
def test_values_of_two_backends_do_not_mix(operation):
    with pytest.raises(MixedBackendsError) as caught:
        operation(Value(1.0), Other())
    assert str(caught.value) == MIXED


def test_apply_refuses_what_is_neither_value_nor_number():
    with pytest.raises(ConversionError) as caught:
        value.apply(value.ADD, (Value(1.0), None))
    assert str(caught.value) == (
        "an operand is a Value or a real number, not None: pass 0.0 for nothing"
    )


def test_apply_makes_the_node_of_any_operation():
    a = Value(3.0)
    node = value.apply(POW, (a,), 2.0)
    assert (node.data, node._op, node._prev) == (9.0, "**2", (a,))
    assert value.apply(SUM, (a, 1, Named(2.0, "b"))).data == 6.0


def test_only_a_leaf_has_a_role():
    a = Value(3.0)
    node = a * 2
    node._role = a._role = "parameter"
    assert (node._role, a._role) == ("", "parameter")
