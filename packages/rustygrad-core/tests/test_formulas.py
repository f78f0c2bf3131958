"""Formulas as text: they mean what the rules of the op table compute."""

import math

import pytest
from rustygrad import ops
from rustygrad.formulas import LONGEST, forward_formula, local_formulas
from rustygrad.ops import OPS

POINTS = {1: [(0.7,), (2.5,)], 2: [(0.7, 1.3), (2.5, 0.4)], 3: [(1.0, 2.5, -0.5), (0.0, 2.5, -0.5)]}
LISTS = [(0.7,), (0.7, -1.3), (0.3, 2.5, -1.1), (2.0, 1.5, -0.5, 0.25, 3.5)]
EXPONENTS = [2.0, -1.0, 0.5, 3.0, 1.0, 0.0]
CASES = [
    pytest.param(op, point, n, id=f"{op.name}{point}{n or ''}")
    for op in OPS.values()
    for point in POINTS.get(op.arity, LISTS)
    for n in (EXPONENTS if op.attribute else [None])
]


def names(point, out, n=None):
    """What the texts refer to."""
    functions = {f: getattr(math, f) for f in ("exp", "log", "sqrt", "sin", "cos", "tanh")}
    functions["max"] = lambda *xs: max(xs[0] if len(xs) == 1 else xs)
    chosen = {"argmax": ops.ARGMAX, "argmin": ops.ARGMIN}
    choices = {name: lambda xs, op=op: op(*xs) for name, op in chosen.items()}
    letters = dict(zip("xyz", point, strict=False))
    return functions | choices | letters | {"xs": list(point), "out": out, "n": n}


@pytest.mark.parametrize(("op", "point", "n"), CASES)
def test_a_local_formula_is_the_rule_at_a_gradient_of_1(op, point, n):
    arguments = point if n is None else (*point, n)
    out = op.forward(*arguments)
    grads = op.vjp(1.0, out, *arguments)
    grads = (grads,) if op.arity == 1 else grads
    for text, grad in zip(local_formulas(op, len(point), n), grads, strict=True):
        assert float(eval(text, names(point, out, n))) == grad


@pytest.mark.parametrize(("op", "point", "n"), CASES)
def test_a_forward_formula_is_the_operation(op, point, n):
    out = op.forward(*(point if n is None else (*point, n)))
    text = forward_formula(op, len(point))
    assert eval(text, names(point, out, n)) == pytest.approx(out, rel=1e-14)


def test_the_attribute_is_n_where_no_number_is_given_for_it():
    assert local_formulas(ops.POW, 1) == ["n * x ** (n - 1)"]


@pytest.mark.parametrize(
    ("exponent", "text"),
    [(2.0, "2 * x"), (3.0, "3 * x ** 2"), (-1.0, "-1 * x ** (-2)"), (0.5, "0.5 * x ** (-0.5)")],
)
def test_an_exponent_is_written_into_the_formula(exponent, text):
    assert local_formulas(ops.POW, 1, exponent) == [text]


def test_a_product_names_the_other_factor():
    assert local_formulas(ops.MUL, 2) == ["y", "x"]
    assert local_formulas(ops.DOT, 3) == ["1", "xs[2]", "xs[1]"]


def test_nested_choices_are_bracketed_where_they_have_to_be():
    assert local_formulas(ops.ABS, 1) == ["1 if x > 0 else -1 if 0 > x else 0"]
    assert local_formulas(ops.POWER, 2)[1] == (
        "0 if ((0 if 0 > y else 1) if x == 0 else 0) else out * log(x)"
    )


def test_a_reduction_is_written_out_in_the_order_of_its_additions():
    assert forward_formula(ops.DOT, 4) == "xs[0] * xs[1] + xs[2] * xs[3]"
    assert forward_formula(ops.DOT, 5) == "xs[0] + xs[1] * xs[2] + xs[3] * xs[4]"
    assert forward_formula(ops.MEAN, 2) == "(xs[0] + xs[1]) / 2"


@pytest.mark.parametrize(
    ("op", "count", "text"),
    [
        (ops.SUM, 100, "xs[0] + xs[1] + xs[2] + xs[3] + ... + xs[98] + xs[99]"),
        (ops.DOT, 100, "xs[0] * xs[1] + xs[2] * xs[3] + ... + xs[98] * xs[99]"),
        (ops.DOT, 101, "xs[0] + xs[1] * xs[2] + xs[3] * xs[4] + ... + xs[99] * xs[100]"),
        (ops.MEAN, 100, "sum(xs) / len(xs)"),
    ],
)
def test_a_long_reduction_is_shortened(op, count, text):
    assert count > LONGEST
    assert forward_formula(op, count) == text
