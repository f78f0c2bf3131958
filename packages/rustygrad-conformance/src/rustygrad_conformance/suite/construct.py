"""Stage 1: a Value holds a number, and refuses what is none."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from typing import Any

import numpy as np
import pytest
import rustygrad
from rustygrad.errors import ConversionError
from rustygrad.interfaces import Numerics

NUMBERS = {
    "int": (3, 3.0),
    "bool": (True, 1.0),
    "large-int": (2**53 + 1, 2.0**53),
    "float": (0.1, 0.1),
    "float64": (np.float64(0.1), 0.1),
    "float32": (np.float32(0.1), float(np.float32(0.1))),
    "int64": (np.int64(-7), -7.0),
    "uint8": (np.uint8(200), 200.0),
    "numpy-bool": (np.bool_(True), 1.0),
    "array-of-no-dimension": (np.array(2.5), 2.5),
    "array-of-one-element": (np.array([2.5]), 2.5),
    "fraction": (Fraction(1, 4), 0.25),
    "decimal": (Decimal("0.5"), 0.5),
    "infinity": (inf, inf),
    "nan": (nan, nan),
    "negative-zero": (-0.0, -0.0),
}
#: What is refused, and what the message says to do instead.
REFUSED = {
    "str": ("1.0", "float("),
    "bytes": (b"1.0", "float("),
    "none": (None, "0.0"),
    "complex": (1 + 2j, "real"),
    "numpy-complex": (np.complex128(1 + 2j), "real"),
    "numpy-complex-without-imaginary-part": (np.complex64(1), "real"),
    "list": ([1.0, 2.0], "map(Value"),
    "tuple": ((1.0,), "map(Value"),
    "array": (np.array([1.0, 2.0]), "map(Value"),
    "empty-array": (np.array([]), ""),
    "array-of-strings": (np.array(["1.0"]), ""),
    "object": (object(), ""),
}


def test_the_backend_names_itself(backend: Any, value: Any) -> None:
    assert value._backend is backend
    assert isinstance(backend.name, str)
    assert rustygrad.get_backend(backend.name) is backend


def test_the_backend_states_its_numerics(backend: Any) -> None:
    assert isinstance(backend.numerics, Numerics)


@pytest.mark.parametrize("kind", NUMBERS)
def test_data_is_a_float(value: Any, judge: Any, kind: str) -> None:
    given, right = NUMBERS[kind]
    judge(value(given).data, right, f"Value({given!r}).data")


@pytest.mark.parametrize("kind", NUMBERS)
def test_assigned_data_becomes_a_float(value: Any, judge: Any, kind: str) -> None:
    given, right = NUMBERS[kind]
    a = value(0.0)
    a.data = given
    judge(a.data, right, f"data after a.data = {given!r}")


@pytest.mark.parametrize("kind", NUMBERS)
def test_assigned_gradient_becomes_a_float(value: Any, judge: Any, kind: str) -> None:
    given, right = NUMBERS[kind]
    a = value(0.0)
    a.grad = given
    judge(a.grad, right, f"grad after a.grad = {given!r}")


def test_gradient_starts_at_zero(value: Any, judge: Any) -> None:
    judge(value(2.0).grad, 0.0)


def test_gradient_none_means_zero(value: Any, judge: Any) -> None:
    a = value(2.0)
    a.grad = 3.0
    a.grad = None
    judge(a.grad, 0.0)


def test_there_is_no_conversion_to_float(value: Any) -> None:
    a = value(2.0)
    assert not hasattr(type(a), "__float__"), "float(v) would drop the gradient silently"
    with pytest.raises(TypeError):
        float(a)


def test_there_is_no_conversion_to_int(value: Any) -> None:
    a = value(2.0)
    assert not hasattr(type(a), "__index__")
    with pytest.raises(TypeError):
        int(a)


@pytest.mark.parametrize("kind", REFUSED)
def test_construction_refuses(value: Any, kind: str) -> None:
    given, advice = REFUSED[kind]
    with pytest.raises(TypeError) as error:
        value(given)
    assert isinstance(error.value, ConversionError), "raise rustygrad.errors.ConversionError"
    assert advice in str(error.value), "the message says what to pass instead"


def test_construction_refuses_a_value_and_names_detach(value: Any) -> None:
    with pytest.raises(ConversionError, match="detach"):
        value(value(1.0))


@pytest.mark.parametrize("kind", REFUSED)
def test_assigning_data_refuses(value: Any, judge: Any, kind: str) -> None:
    a = value(1.0)
    with pytest.raises(ConversionError):
        a.data = REFUSED[kind][0]
    judge(a.data, 1.0, "data after a refused assignment")


@pytest.mark.parametrize("kind", sorted(REFUSED.keys() - {"none"}))
def test_assigning_a_gradient_refuses(value: Any, judge: Any, kind: str) -> None:
    a = value(1.0)
    with pytest.raises(ConversionError):
        a.grad = REFUSED[kind][0]
    judge(a.grad, 0.0, "grad after a refused assignment")


def test_integers_too_large_for_a_float_overflow(value: Any) -> None:
    with pytest.raises(OverflowError):
        value(10**400)
    with pytest.raises(OverflowError):
        value(1.0).data = -(10**400)


def test_operands_are_a_tuple(value: Any) -> None:
    a = value(1.0)
    assert type(value(0.0, [a], "f")._prev) is tuple
    assert type((a + a)._prev) is tuple


def test_operands_keep_their_order_and_repeats(value: Any) -> None:
    a, b = value(1.0), value(2.0)
    assert value(0.0, (b, a, b), "f")._prev == (b, a, b)


def test_children_must_be_values(value: Any) -> None:
    with pytest.raises(ConversionError):
        value(1.0, (2.0,), "+")


def test_arguments_go_by_position(value: Any) -> None:
    a, b = value(1.0), value(2.0)
    c = value(3.0, (a, b), "+", "c")
    assert (c.data, c._prev, c._op, c.label) == (3.0, (a, b), "+", "c")


def test_arguments_go_by_name(value: Any) -> None:
    a = value(1.0)
    c = value(data=3.0, _children=[a], _op="f", label="c")
    assert (c.data, c._prev, c._op, c.label) == (3.0, (a,), "f", "c")


def test_a_leaf_has_no_operands_and_no_operation(value: Any) -> None:
    a = value(2.0)
    assert a._prev == ()
    assert a._op == ""


def test_a_leaf_is_an_input(value: Any) -> None:
    assert value(2.0)._role == "input"


def test_the_role_of_a_leaf_can_be_set(value: Any) -> None:
    a = value(2.0)
    a._role = "parameter"
    assert a._role == "parameter"
    assert a._prev == ()


def test_a_label_is_text_and_writable(value: Any) -> None:
    a = value(2.0)
    assert a.label == ""
    a.label = "weight"
    assert a.label == "weight"


def test_equality_is_identity(value: Any) -> None:
    a, b = value(2.0), value(2.0)
    assert a == a
    assert a != b
    assert a != 2.0
    assert b not in [a]


def test_hash_is_by_identity(value: Any) -> None:
    a, b = value(2.0), value(2.0)
    assert len({a, b, a}) == 2
    before = hash(a)
    a.data = 5.0
    assert hash(a) == before
    assert {a: "a"}[a] == "a"


@pytest.mark.parametrize("number", [0.0, 1.0, nan])
def test_every_value_is_true(value: Any, number: float) -> None:
    assert bool(value(number)) is True


COMPARISONS = ["a < b", "a <= b", "a > b", "a >= b"]


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_comparisons_look_at_the_data(value: Any, comparison: str) -> None:
    for x, y in ((1.0, 2.0), (2.0, 1.0), (2.0, 2.0), (nan, 1.0), (0.0, -0.0)):
        right = eval(comparison, {"a": x, "b": y})
        a, b = value(x), value(y)
        for left, other in ((a, b), (a, y), (x, b), (a, np.float64(y)), (np.float64(x), b)):
            with np.errstate(invalid="ignore"):  # numpy 1 warns of nan
                got = eval(comparison, {"a": left, "b": other})
            assert isinstance(got, (bool, np.bool_)), "a comparison gives a bool"
            assert got == right, f"{left!r} and {other!r}"


def test_comparing_with_text_raises(value: Any) -> None:
    with pytest.raises(TypeError):
        value(1.0) < "2"  # noqa: B015  (the comparison is what is tried)


def test_a_format_applies_to_the_data(value: Any) -> None:
    a = value(2.0 / 3.0)
    assert f"{a:.4f}" == "0.6667"
    assert format(a, "+.1e") == "+6.7e-01"


def test_an_empty_format_is_the_text(value: Any) -> None:
    a = value(2.0)
    assert f"{a}" == str(a)


def test_repr_shows_data_and_gradient(value: Any) -> None:
    a = value(2.0)
    a.grad = -0.5
    assert repr(a) == "Value(data=2.0, grad=-0.5)"


def test_value_is_a_class(value: Any) -> None:
    assert isinstance(value, type)
    a = value(1.0)
    assert isinstance(a, value)
    assert type(a) is value
    made: list[Any] = list(map(value, [1, 2]))
    assert [x.data for x in made] == [1.0, 2.0]
