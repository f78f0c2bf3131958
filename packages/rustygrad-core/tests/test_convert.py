import math
from decimal import Decimal
from fractions import Fraction

import pytest
from rustygrad.convert import as_float, as_number, as_whole, backend_of, kind_of
from rustygrad.errors import ConversionError
from rustygrad.reference import Value, backend

np = pytest.importorskip("numpy")


class Index:
    def __index__(self):
        return 7


class Float:
    def __float__(self):
        return 2.5


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, 3.0),
        (True, 1.0),
        (2.5, 2.5),
        (Fraction(1, 4), 0.25),
        (Decimal("0.1"), 0.1),
        (Index(), 7.0),
        (Float(), 2.5),
        (np.float64(1.5), 1.5),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float16(0.5), 0.5),
        (np.longdouble("0.1"), 0.1),
        (np.int8(-3), -3.0),
        (np.uint64(2**63), 2.0**63),
        (np.bool_(True), 1.0),
        (np.array(4.0), 4.0),
        (np.array(4), 4.0),
    ],
    ids=repr,
)
def test_a_real_scalar_becomes_a_float(given, expected):
    assert as_number(given) == expected
    assert type(as_number(given)) is float


@pytest.mark.parametrize(
    ("given", "expected"),
    [(3, 3), (-1, -1), (10**400, 10**400), (Index(), 7), (np.uint8(3), 3), (np.array(4), 4)],
    ids=lambda x: f"{x!r:.20}",
)
def test_a_whole_number_becomes_an_int(given, expected):
    assert as_whole(given) == expected
    assert type(as_whole(given)) is int


@pytest.mark.parametrize(
    "given",
    [True, np.True_, 1.0, np.float64(1.0), Float(), "1", None, np.array([1]), np.array([1, 2])],
    ids=repr,
)
def test_what_counts_nothing_is_no_whole_number(given):
    assert as_whole(given) is None


@pytest.mark.parametrize("given", [np.array([4.0]), np.array([[4]])], ids=repr)
def test_an_array_of_one_number_can_be_a_values_data_and_is_no_scalar_operand(given):
    assert as_float(given) == 4.0
    assert as_number(given) is None


REFUSED = [
    (None, "None: pass 0.0 for nothing"),
    ("1.5", "'1.5': convert text first, Value(float(text))"),
    (b"1.5", "b'1.5': convert text first, Value(float(text))"),
    ("x" * 100, "'" + "x" * 59 + ": convert text first, Value(float(text))"),
    (np.str_("1"), f"{np.str_('1')!r}: convert text first, Value(float(text))"),
    (1j, "the complex number 1j: pass x.real or abs(x)"),
    (np.complex128(2), "the complex number (2+0j): pass x.real or abs(x)"),
    (np.array(1j), "the complex number 1j: pass x.real or abs(x)"),
    ([1.0], "a list: make one Value of each, list(map(Value, items))"),
    ((1.0,), "a tuple: make one Value of each, list(map(Value, items))"),
    (range(2), "a range: make one Value of each, list(map(Value, items))"),
    (
        np.zeros((2, 3)),
        "an array of shape (2, 3): make one Value of each, list(map(Value, array.flat))",
    ),
    (
        np.array(["3"]),
        "an array of shape (1,): make one Value of each, list(map(Value, array.flat))",
    ),
    (np.timedelta64(1, "s"), "an object of type 'timedelta64'"),
    (np.datetime64("2026-11-23"), "an object of type 'datetime64'"),
    (object(), "an object of type 'object'"),
    (len, "an object of type 'builtin_function_or_method'"),
    (Value(1.0), "a Value: use it as it is, or detach(v) for a copy without history"),
]


@pytest.mark.parametrize(("given", "text"), REFUSED, ids=lambda x: repr(x)[:30])
def test_what_is_no_real_number_is_refused_with_what_to_pass_instead(given, text):
    with pytest.raises(ConversionError) as caught:
        as_float(given)
    assert str(caught.value) == f"a Value takes one real number, not {text}"


def test_a_class_with_an_attribute_named_size_is_refused_like_any_other():
    class Box:
        size = 1

    with pytest.raises(ConversionError):
        as_float(Box())


def test_an_integer_too_large_for_a_float_overflows_as_in_python():
    with pytest.raises(OverflowError):
        as_float(10**400)


@pytest.mark.parametrize("given", [Decimal("sNaN"), Decimal("-sNaN1")])
def test_a_signalling_nan_is_no_number(given):
    assert as_number(given) is None
    with pytest.raises(ConversionError, match="not an object of type 'Decimal'"):
        as_float(given)


@pytest.mark.parametrize(("given", "text"), REFUSED, ids=lambda x: repr(x)[:30])
def test_what_was_given_can_be_named_without_advice(given, text):
    named = kind_of(given)
    assert text == named or text.startswith(f"{named}: ")


def test_nan_and_inf_are_numbers():
    assert math.isnan(as_float(math.nan))
    assert as_float(np.float64("inf")) == math.inf


def test_the_backend_of_numbers_is_none():
    assert backend_of([1, 2.0, "x", None]) is None


def test_the_backend_of_values_is_theirs():
    assert backend_of([1, Value(2.0), Value(3.0)]) is backend


def test_a_strangers_class_attribute_named_backend_is_no_backend():
    class Stranger:
        _backend = "tensorflow"

    assert backend_of([Stranger()]) is None
    with pytest.raises(TypeError, match="unsupported operand"):
        Value(1.0) + Stranger()
