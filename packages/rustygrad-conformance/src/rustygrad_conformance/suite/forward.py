"""Stage 2: operations compute the right numbers, and make the right nodes."""

from __future__ import annotations

import math
from math import inf, nan
from typing import Any

import numpy as np
import pytest
import rustygrad
from rustygrad.ops import OPS

from rustygrad_conformance import cases, oracle

#: IEEE 754 where Python raises, and what USERS of peers have tripped over.
CORNERS = {
    "log-of-0": ("Value(0.0).log()", -inf),
    "log-of-negative-0": ("Value(-0.0).log()", -inf),
    "log-of-negative": ("Value(-1.0).log()", nan),
    "exp-overflows-to-inf": ("Value(1000.0).exp()", inf),
    "exp-underflows-to-0": ("Value(-1000.0).exp()", 0.0),
    "1-over-0": ("1 / Value(0.0)", inf),
    "1-over-negative-0": ("1 / Value(-0.0)", -inf),
    "negative-over-0": ("Value(-3.0) / 0", -inf),
    "0-over-0": ("Value(0.0) / 0.0", nan),
    "nan-over-0": ("Value(nan) / 0.0", nan),
    "square-overflows-to-inf": ("Value(1e200) ** 2", inf),
    "power-overflows-to-inf": ("Value(1e200) ** 2.5", inf),
    "odd-power-overflows-to-negative-inf": ("Value(-1e200) ** 3", -inf),
    "product-overflows-to-inf": ("Value(1e200) * 1e200", inf),
    "inf-minus-inf": ("Value(inf) - inf", nan),
    "0-times-inf": ("Value(0.0) * inf", nan),
    "root-of-negative-by-power": ("Value(-2.0) ** 0.5", nan),
    "sqrt-of-negative": ("Value(-2.0).sqrt()", nan),
    "sqrt-of-negative-0": ("Value(-0.0).sqrt()", -0.0),
    "0-to-the-0": ("Value(0.0) ** 0", 1.0),
    "nan-to-the-0": ("Value(nan) ** 0", 1.0),
    "0-to-the-half": ("Value(0.0) ** 0.5", 0.0),
    "0-to-the-minus-1": ("Value(0.0) ** -1", inf),
    "negative-0-to-the-minus-1": ("Value(-0.0) ** -1", -inf),
    "0-to-the-minus-2": ("Value(0.0) ** -2", inf),
    "negative-0-to-the-minus-3": ("Value(-0.0) ** -3", -inf),
    "negative-base-whole-exponent": ("Value(-2.0) ** 3", -8.0),
    "0-to-the-0-of-values": ("Value(0.0) ** Value(0.0)", 1.0),
    "root-of-negative-of-values": ("Value(-2.0) ** Value(0.5)", nan),
    "1-to-the-inf": ("Value(1.0) ** inf", 1.0),
    "sin-of-inf": ("Value(inf).sin()", nan),
    "cos-of-inf": ("Value(-inf).cos()", nan),
    "relu-of-nan": ("Value(nan).relu()", nan),
    "relu-of-negative-0": ("Value(-0.0).relu()", 0.0),
    "relu-of-negative": ("Value(-2.0).relu()", 0.0),
    "abs-of-negative-0": ("abs(Value(-0.0))", 0.0),
    "negated-0": ("-Value(0.0)", -0.0),
    "tanh-of-large": ("Value(1000.0).tanh()", 1.0),
    "sigmoid-of-large": ("Value(1000.0).sigmoid()", 1.0),
    "sigmoid-of-large-negative": ("Value(-1000.0).sigmoid()", 0.0),
    "sigmoid-keeps-small-results": ("Value(-700.0).sigmoid()", math.exp(-700.0)),
    "maximum-of-nan": ("rustygrad.maximum(Value(1.0), nan)", nan),
    "minimum-of-nan": ("rustygrad.minimum(nan, Value(1.0))", nan),
    "maximum-of-tied-zeros-is-the-first": ("rustygrad.maximum(Value(-0.0), 0.0)", -0.0),
    "minimum-of-tied-zeros-is-the-first": ("rustygrad.minimum(Value(0.0), -0.0)", 0.0),
    "logsumexp-of-large": (
        "rustygrad.logsumexp([Value(1000.0), 1000.0])",
        1000.0 + math.log(2.0),
    ),
    "logsumexp-of-small": ("rustygrad.logsumexp([Value(-1000.0)])", -1000.0),
    "logsumexp-of-inf": ("rustygrad.logsumexp([Value(inf), 1.0])", inf),
    "logsumexp-of-negative-inf": ("rustygrad.logsumexp([Value(-inf), -inf])", -inf),
    "where-holds": ("rustygrad.where(Value(2.0), 3.0, 4.0)", 3.0),
    "where-does-not-hold": ("rustygrad.where(False, 3.0, Value(4.0))", 4.0),
    "where-of-negative-0": ("rustygrad.where(-0.0, 3.0, Value(4.0))", 4.0),
    "where-of-nan-holds": ("rustygrad.where(Value(nan), 3.0, 4.0)", 3.0),
    "where-ignores-the-other": ("rustygrad.where(True, Value(3.0), nan)", 3.0),
    "sum-of-nothing": ("rustygrad.sum([])", 0.0),
}
#: Where the order of rounding shows.
ROUNDING = {
    "numbers-are-doubles": ("Value(0.1) + 0.2", 0.1 + 0.2),
    "results-are-rounded-to-double-only": ("Value(1.0) + 2.0**-30", 1.0 + 2.0**-30),
    "division-is-not-a-product-with-the-inverse": ("Value(5.0) / 49.0", 5.0 / 49.0),
    "sum-is-not-compensated": ("rustygrad.sum([Value(1e16), 1.0, -1e16])", 0.0),
    "sum-adds-from-left-to-right": ("rustygrad.sum([Value(1.0), 1e16, 1.0, -1e16])", 0.0),
    "sum-is-not-pairwise": ("rustygrad.sum([Value(1e16), 1.0, 1.0, 1.0, 1.0])", 1e16),
    "mean-divides-last": ("rustygrad.mean([Value(1e308), 1e308])", inf),
    "mean-divides-the-sum": ("rustygrad.mean([Value(1.0), 2.0, 2.0])", 5.0 / 3.0),
    "dot-rounds-each-product": (
        f"rustygrad.dot([Value({1 + 2**-30!r})], [{1 - 2**-30!r}], -1.0)",
        0.0,
    ),
    "dot-begins-with-the-bias": ("rustygrad.dot([Value(1.0), 1.0], [1.0, 1.0], 1e16)", 1e16),
    "dot-adds-from-left-to-right": (
        "rustygrad.dot([Value(1e16), 1.0, 1.0], [1.0, 1.0, 1.0])",
        1e16,
    ),
    "dot-keeps-negative-0": ("rustygrad.dot([Value(-0.0)], [1.0])", -0.0),
}
#: Powers that an engine is tempted to take apart: libm's pow rounds once.
POWERS = [
    (x, n) for x in (1.1, 0.7, 3.3, -1.7, 12.345) for n in (3.0, 4.0, 5.0, 7.0, -2.0, -3.0, 0.5, 1.5)
]  # fmt: skip

NODES = {
    "a + b": "+",
    "a - b": "-",
    "a * b": "*",
    "a / b": "/",
    "a ** b": "**",
    "a ** 2": "**2",
    "a ** -1": "**-1",
    "a ** 0.5": "**0.5",
    "a ** 2.0": "**2",
    "2.0 ** a": "**",
    "2 + a": "+",
    "2 - a": "-",
    "2 * a": "*",
    "2 / a": "/",
    "a - 2": "-",
    "a / 2": "/",
    "0.0 + a": "+",
    "-a": "neg",
    "abs(a)": "abs",
    "a.relu()": "ReLU",
    "a.tanh()": "tanh",
    "a.sigmoid()": "sigmoid",
    "a.exp()": "exp",
    "a.log()": "log",
    "a.sqrt()": "sqrt",
    "a.sin()": "sin",
    "a.cos()": "cos",
    "rustygrad.sum([a, b, a])": "sum",
    "rustygrad.mean(x for x in (a, b))": "mean",
    "rustygrad.dot([a, b], [b, 2])": "dot",
    "rustygrad.dot([a, b], [b, 2], bias=b)": "dot",
    "rustygrad.maximum(a, b)": "max",
    "rustygrad.minimum([a, b, 3.0])": "min",
    "rustygrad.logsumexp({a: 1, b: 2})": "logsumexp",
    "rustygrad.where(a > b, a, b)": "where",
}

METHODS = ["relu", "tanh", "sigmoid", "exp", "log", "sqrt", "sin", "cos"]
NUMBERS: dict[str, Any] = {
    "int": 3,
    "bool": True,
    "float": 1.5,
    "float64": np.float64(1.5),
    "float32": np.float32(1.5),
    "int64": np.int64(3),
    "bool_": np.bool_(True),
}


def _run(backend: Any, text: str, **names: Any) -> Any:
    scope = {"Value": backend.Value, "rustygrad": rustygrad, "inf": inf, "nan": nan, "np": np}
    return eval(text, {**scope, **names})


# --- one node each ----------------------------------------------------------


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
def test_reflected_operators_keep_their_order(backend: Any, judge: Any, symbol: str) -> None:
    right = eval(f"3.0 {symbol} 2.0")
    judge(_run(backend, f"3 {symbol} Value(2.0)").data, right, f"3 {symbol} Value(2.0)")
    judge(_run(backend, f"Value(3.0) {symbol} 2").data, right, f"Value(3.0) {symbol} 2")


@pytest.mark.parametrize("text", NODES)
def test_an_operation_makes_one_node_of_micrograds_name(backend: Any, text: str) -> None:
    a, b = backend.Value(0.75), backend.Value(1.25)
    node = _run(backend, text, a=a, b=b)
    assert node._op == NODES[text]
    assert all(not x._prev for x in node._prev), "one node, whose operands are leaves"


@pytest.mark.parametrize("text", NODES)
def test_operands_are_kept_in_order_with_repeats(backend: Any, reference: Any, text: str) -> None:
    shapes = []
    for engine in (backend, reference):
        a, b = engine.Value(0.75), engine.Value(1.25)
        node = _run(engine, text, a=a, b=b)
        names = {a: "a", b: "b"}
        shapes.append([names.get(x, x.data) for x in node._prev])
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("text", NODES)
def test_results_are_values_of_the_backend(backend: Any, text: str) -> None:
    a, b = backend.Value(0.75), backend.Value(1.25)
    node = _run(backend, text, a=a, b=b)
    assert type(node) is backend.Value
    assert node.grad == 0.0
    assert node.label == ""


def test_a_number_becomes_a_constant_leaf(value: Any) -> None:
    constant = (value(1.0) * 3)._prev[1]
    assert (constant.data, constant._prev, constant._op) == (3.0, (), "")
    assert constant._role == "constant"


def test_the_integer_0_that_sum_starts_from_makes_no_node(value: Any) -> None:
    a, b = value(1.0), value(2.0)
    assert sum([a]) is a
    assert 0 + a is a
    assert sum([a, b])._prev == (a, b)


def test_sum_with_a_start_makes_ordinary_nodes(value: Any, judge: Any) -> None:
    a, start = value(1.0), value(10.0)
    judge(sum([a], start).data, 11.0)
    assert sum([a], start)._prev == (start, a)
    assert sum([a], 0.0) is not a


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
def test_in_place_forms_rebind_to_a_new_node(value: Any, judge: Any, symbol: str) -> None:
    a, b = value(3.0), value(2.0)
    scope = {"c": a, "b": b}
    exec(f"c {symbol}= b", scope)
    assert scope["c"] is not a
    assert scope["c"]._prev == (a, b)
    judge(a.data, 3.0, "the old Value's data")


# --- corner cases and rounding ----------------------------------------------


@pytest.mark.parametrize("corner", ROUNDING)
def test_rounding_happens_where_the_contract_says(backend: Any, judge: Any, corner: str) -> None:
    text, right = ROUNDING[corner]
    judge(_run(backend, text).data, right, text)


@pytest.mark.parametrize("corner", CORNERS)
def test_numbers_follow_ieee_754_and_never_raise(backend: Any, judge: Any, corner: str) -> None:
    text, right = CORNERS[corner]
    judge(_run(backend, text).data, right, text)


@pytest.mark.parametrize(
    ("exponent", "text"), [(2.0, "x * x"), (-1.0, "1 / x")], ids=["square", "inverse"]
)
def test_squares_and_inverses_are_not_libms_pow(
    value: Any, judge: Any, exponent: float, text: str
) -> None:
    xs = cases.where_pow_rounds_otherwise(exponent)
    if not xs:
        pytest.skip(f"this machine's pow(x, {exponent}) is always {text}")
    for x in xs:
        judge((value(x) ** exponent).data, eval(text, {"x": x}), f"Value({x}) ** {exponent}")


@pytest.mark.parametrize(("x", "n"), POWERS)
def test_powers_other_than_squares_are_libms_pow(
    value: Any, judge: Any, x: float, n: float
) -> None:
    right = OPS["pow"].forward(x, n)
    judge((value(x) ** n).data, right, f"{x} ** {n}")


# --- generated from the op table --------------------------------------------


@pytest.mark.parametrize("name", OPS)
def test_values_agree_with_50_digits(backend: Any, name: str) -> None:
    op = OPS[name]
    for operands, attribute in oracle.points(op):
        got = backend.apply(op, [backend.Value(x) for x in operands], attribute).data
        problem = oracle.value(op, operands, attribute).problem(got)
        assert not problem, f"{name}{operands}: {problem}"


@pytest.mark.parametrize("name", OPS)
def test_values_have_the_reference_bits(backend: Any, judge: Any, check: Any, name: str) -> None:
    op = OPS[name]
    for operands, attribute in cases.points(op):
        got = backend.apply(op, [backend.Value(x) for x in operands], attribute).data
        arguments = operands if attribute is None else (*operands, attribute)
        right = op.forward(*arguments)
        if not judge.same(got, right):
            check(cases.program(op, operands, attribute))
            judge(got, right, f"{name}{arguments}")


# --- the ways to write an operation -----------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_functions_do_what_methods_do(value: Any, judge: Any, method: str) -> None:
    a = value(0.75)
    by_function = getattr(rustygrad, method)(a)
    by_method = getattr(a, method)()
    judge(by_function.data, by_method.data)
    assert by_function._op == by_method._op
    assert by_function._prev == (a,)


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
def test_numbers_of_every_kind_work_on_either_side(
    value: Any, judge: Any, symbol: str, kind: str
) -> None:
    number = NUMBERS[kind]
    a = value(2.5)
    for text in (f"x {symbol} y", f"y {symbol} x"):
        got = eval(text, {"x": a, "y": number})
        assert type(got) is value, f"{text} gave a {type(got).__name__}"
        judge(got.data, eval(text, {"x": 2.5, "y": float(number)}), text)


@pytest.mark.parametrize("other", ["1", None, [1.0], 1j, np.complex128(1j), object()], ids=repr)
@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
def test_arithmetic_refuses_what_is_no_number(value: Any, symbol: str, other: Any) -> None:
    a = value(2.0)
    with pytest.raises(TypeError):
        eval(f"a {symbol} other", {"a": a, "other": other})
    with pytest.raises(TypeError):
        eval(f"other {symbol} a", {"a": a, "other": other})


def test_arithmetic_lets_strangers_reflect(value: Any) -> None:
    class Stranger:
        def __radd__(self, other: Any) -> str:
            return "mine"

    assert value(1.0) + Stranger() == "mine"


def test_integers_too_large_for_a_float_overflow_in_arithmetic(value: Any) -> None:
    with pytest.raises(OverflowError):
        value(1.0) + 10**400
    with pytest.raises(OverflowError):
        value(1.0) ** 10**400


def test_apply_refuses_what_is_no_number(backend: Any) -> None:
    for bad in ("1", None, 1j, [1.0]):
        with pytest.raises(rustygrad.errors.ConversionError):
            backend.apply(OPS["add"], [backend.Value(1.0), bad])
