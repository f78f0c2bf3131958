"""Sameness of numbers, the truth to 50 digits, and backends that promise less than all bits."""

from __future__ import annotations

import math

import mpmath
import pytest
from rustygrad.ops import OPS, Op

from rustygrad_conformance import bugs, cases, oracle
from rustygrad_conformance.engine import Engine
from rustygrad_conformance.judge import Judge, ulps_between
from rustygrad_conformance.programs import DifferenceError, Program

NAN2 = -math.nan


@pytest.mark.parametrize(
    ("x", "y"), [(0.0, -0.0), (1.0, math.nextafter(1.0, 2.0)), (math.inf, 1e308)]
)
def test_exact_tells_different_bits_apart(x, y):
    assert not Judge(0).same(x, y)


@pytest.mark.parametrize("x", [0.0, -0.0, math.nan, NAN2, math.inf, 5e-324])
def test_exact_takes_the_same_bits_and_any_nan(x):
    assert Judge(0).same(x, math.nan if x != x else x)


@pytest.mark.parametrize("x", [1, True, None, "1.0"])
def test_only_floats_will_do(x):
    assert not Judge(0).same(x, 1.0)


def test_numpy_floats_will_not_do():
    import numpy as np

    assert not Judge(0).same(np.float64(1.0), 1.0)


def test_ulps_are_counted_across_zero_and_powers_of_two():
    assert ulps_between(5e-324, -5e-324) == 2
    assert ulps_between(1.0, math.nextafter(1.0, 0.0)) == 1
    assert ulps_between(math.nan, 1.0) == math.inf


def test_within_ulps_nan_is_only_nan():
    assert Judge(3).same(math.nan, math.nan)
    assert not Judge(3).same(1.0, math.nan)
    assert not Judge(3).same(math.inf, -math.inf)


# --- the oracle -------------------------------------------------------------


@pytest.mark.parametrize("name", OPS)
def test_the_oracle_judges_at_points_inside_the_domain(name):
    for operands, _ in oracle.points(OPS[name]):
        for i, x in enumerate(operands):
            low, high = OPS[name].domain[min(i, len(OPS[name].domain) - 1)]
            assert low < x < high


def test_the_oracle_knows_derivatives_without_looking_at_the_rule():
    exp = OPS["exp"]
    (truth,) = oracle.gradients(exp, (1.25,), None)
    with mpmath.workdps(50):
        assert abs(truth.exact - mpmath.exp(mpmath.mpf(1.25))) < mpmath.mpf(10) ** -40


def test_the_oracle_tells_a_few_roundings_from_many():
    truth = oracle.value(OPS["exp"], (1.25,), None)
    right = math.exp(1.25)
    assert truth.problem(right) == ""
    assert "roundings" in truth.problem(right * (1 + 1e-14))


def test_a_new_row_of_the_op_table_is_covered_by_its_formula(monkeypatch):
    """Nothing in the suite names the operations, so a row made up here works as well."""
    monkeypatch.setattr("rustygrad.ops._TABLE", [])
    cube = Op("cube", "cube", 1, formula="x ** 3", forward=lambda x: x * x * x, vjp=None)
    for operands, attribute in oracle.points(cube):
        assert not oracle.value(cube, operands, attribute).problem(cube.forward(*operands))
        assert oracle.value(cube, operands, attribute).problem(operands[0])
        (gradient,) = oracle.gradients(cube, operands, attribute)
        assert not gradient.problem(3 * operands[0] ** 2)
    program = cases.program(cube, (2.0,), None)
    assert "backend.apply(rustygrad.ops.OPS['cube'], [x0])" in repr(program)


# --- ulp(n) -----------------------------------------------------------------


def nearly(name, error):
    """An engine whose exp is off by some roundings, and which says so."""
    from rustygrad.interfaces import ulp

    engine = Engine(name)
    right = engine.ops.EXP.forward

    def exp(x):
        y = right(x)
        return y * (1.0 + error) if math.isfinite(y) else y

    engine.ops.EXP.forward = exp
    engine.backend.numerics = ulp(2)
    return engine.backend


CHAIN = Program(
    ["a = Value(0.7)", "b = a.exp()", "c = b.exp() - b * b", "d = (c * a).tanh()", "d.backward()"],
    ["a", "b", "c", "d"],
)


def test_a_backend_that_keeps_its_promise_of_ulps_is_taken():
    CHAIN.check("python", nearly("nearly_right", 2.2e-16))


def test_a_backend_that_breaks_its_promise_of_ulps_is_refused():
    with pytest.raises(DifferenceError, match="exp"):
        CHAIN.check("python", nearly("nearly_wrong", 1e-14))


def test_a_wrong_gradient_is_seen_within_ulps_too():
    from rustygrad.interfaces import ulp

    backend = bugs.bugs()["gradient_overwritten"].backend
    program = Program(["a = Value(3.0)", "b = a * a", "b.backward()"], ["a", "b"])
    exact = backend.numerics
    try:
        backend.numerics = ulp(4)
        with pytest.raises(DifferenceError, match="gradient"):
            program.check("python", backend)
    finally:
        backend.numerics = exact


# --- hints ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["gradient_overwritten", "stale_inner_gradients", "sub_has_the_wrong_sign"]
)
def test_a_program_that_shows_a_bug_is_given_its_name(name):
    lines = ["a = Value(3.0)", "b = a * a - a", "c = b - a", "c.backward()", "c.backward()"]
    bug = bugs.bugs()[name]
    with pytest.raises(DifferenceError) as error:
        Program(lines, ["a", "b", "c"]).check(f"rustygrad_conformance.bugs:{name}", bug.backend)
    assert f"Looks like: {bug.text}" in str(error.value)


def test_numbers_that_no_known_bug_gives_have_no_hint():
    from rustygrad_conformance.hints import hint

    program = Program(["a = Value(3.0)", "a.backward()"], ["a"])
    assert hint(program, {"a.data": 3.0, "a.grad": 1234.5}) == ""
