import math
import pickle

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rustygrad import ops
from rustygrad.ops import LEAF, OPAQUE, OPS

inf, nan = math.inf, math.nan

#: Points inside each operation's domain, clear of its kinks.
SAMPLES = {
    "pow": [(1.7, 2.0), (1.7, -1.0), (0.3, 0.5), (2.5, 3.0), (1.2, -2.5), (0.7, 1.0)],
    "power": [(1.7, 2.3), (0.4, -1.5)],
    "div": [(1.7, 2.3), (0.4, -1.5)],
    "where": [(1.0, 2.5, -0.5), (0.0, 2.5, -0.5), (-3.0, 1.5, 0.25)],
    "log": [(1.7,), (0.3,)],
    "sqrt": [(1.7,), (0.3,)],
}
BY_ARITY = {
    1: [(0.7,), (-1.3,), (2.9,)],
    2: [(0.7, -1.3), (2.5, 0.4)],
    None: [(0.7,), (0.7, -1.3), (0.3, 2.5, -1.1), (2.0, 1.5, -0.5, 0.25, 3.5)],
}
CASES = [
    pytest.param(op, point, id=f"{name}{point}")
    for name, op in OPS.items()
    for point in SAMPLES.get(name, BY_ARITY.get(op.arity, []))
]


def formula(op, point):
    """The mathematical definition at 50 digits, from the text in the table."""
    xs = [mpmath.mpf(x) for x in point]
    names = dict(zip("xyz", xs, strict=False), xs=xs, n=mpmath.mpf(point[-1]))
    biased = len(xs) % 2
    names["pairs"] = lambda xs: zip(xs[biased::2], xs[biased + 1 :: 2], strict=True)
    names["bias"] = lambda xs: xs[0] if biased else 0
    functions = {f: getattr(mpmath, f) for f in ("exp", "log", "sqrt", "sin", "cos", "tanh")}
    return mpmath.mpf(
        eval(op.formula, functions | {"sum": sum, "abs": abs, "max": maximum} | names)
    )


def maximum(*xs):
    return max(xs[0] if len(xs) == 1 else xs)


@pytest.mark.parametrize(("op", "point"), CASES)
def test_forward_computes_the_formula(op, point):
    with mpmath.workdps(50):
        expected = float(formula(op, point))
    assert op.forward(*point) == pytest.approx(expected, rel=1e-14, abs=1e-15)


@pytest.mark.parametrize(("op", "point"), [c for c in CASES if not c.values[0].mask])
def test_vjp_is_the_derivative_of_the_formula(op, point):
    grads = op.vjp(1.5, op.forward(*point), *point)
    if op.arity == 1:
        grads = (grads,)
    count = len(point) - bool(op.attribute)
    with mpmath.workdps(50):
        for i in range(count):
            if op.name == "where" and i == 0:
                expected = 0.0
            else:

                def along(x, i=i):
                    return formula(op, (*point[:i], x, *point[i + 1 :]))

                expected = 1.5 * float(mpmath.diff(along, point[i]))
            assert grads[i] == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.mask], ids=repr)
def test_a_mask_has_no_derivative(op):
    assert op.vjp(2.0, 1.0, 0.5, 0.25) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("op", "operands", "expected"),
    [
        (ops.DIV, (1.0, 0.0), inf),
        (ops.DIV, (1.0, -0.0), -inf),
        (ops.DIV, (-1.0, 0.0), -inf),
        (ops.DIV, (0.0, 0.0), nan),
        (ops.DIV, (nan, 0.0), nan),
        (ops.POWER, (0.0, 0.0), 1.0),
        (ops.POWER, (0.0, -2.0), inf),
        (ops.POWER, (-0.0, -2.0), inf),
        (ops.POWER, (0.0, -1.0), inf),
        (ops.POWER, (-0.0, -3.0), -inf),
        (ops.POWER, (0.0, 0.5), 0.0),
        (ops.POWER, (-2.0, 0.5), nan),
        (ops.POWER, (1e200, 2.0), inf),
        (ops.POWER, (-1e200, 3.0), -inf),
        (ops.POWER, (-1e200, 2.0), inf),
        (ops.POWER, (-1e-200, -3.0), -inf),
        (ops.POW, (1e200, 2.0), inf),
        (ops.POW, (0.0, -1.0), inf),
        (ops.POW, (-0.0, -1.0), -inf),
        (ops.POW, (-2.0, 0.5), nan),
        (ops.POW, (nan, 0.0), 1.0),
        (ops.EXP, (1000.0,), inf),
        (ops.EXP, (-1000.0,), 0.0),
        (ops.LOG, (0.0,), -inf),
        (ops.LOG, (-0.0,), -inf),
        (ops.LOG, (-1.0,), nan),
        (ops.LOG, (nan,), nan),
        (ops.LOG, (inf,), inf),
        (ops.SQRT, (-1.0,), nan),
        (ops.SQRT, (-0.0,), -0.0),
        (ops.SQRT, (inf,), inf),
        (ops.SIN, (inf,), nan),
        (ops.COS, (-inf,), nan),
        (ops.SIN, (nan,), nan),
        (ops.RELU, (0.0,), 0.0),
        (ops.RELU, (-0.0,), 0.0),
        (ops.RELU, (nan,), nan),
        (ops.RELU, (inf,), inf),
        (ops.RELU, (-inf,), 0.0),
        (ops.SIGMOID, (1000.0,), 1.0),
        (ops.SIGMOID, (-1000.0,), 0.0),
        (ops.SIGMOID, (inf,), 1.0),
        (ops.SIGMOID, (-inf,), 0.0),
        (ops.SIGMOID, (nan,), nan),
        (ops.TANH, (1000.0,), 1.0),
        (ops.LOGSUMEXP, (1000.0, 1000.0), 1000.0 + math.log(2.0)),
        (ops.LOGSUMEXP, (-1000.0, -1000.0), -1000.0 + math.log(2.0)),
        (ops.LOGSUMEXP, (-inf, -inf), -inf),
        (ops.LOGSUMEXP, (inf, 1.0), inf),
        (ops.LOGSUMEXP, (nan, 1.0), nan),
        (ops.MAXIMUM, (1.0, nan, 2.0), nan),
        (ops.MINIMUM, (1.0, nan, 0.0), nan),
        (ops.MAXIMUM, (0.0, -0.0), 0.0),
        (ops.MAXIMUM, (-0.0, 0.0), -0.0),
        (ops.WHERE, (nan, 1.0, 2.0), 1.0),
        (ops.WHERE, (-0.0, 1.0, 2.0), 2.0),
        (ops.SUM, (inf, -inf), nan),
        (ops.SUM, (1e308, 1e308, -1e308), inf),
        (ops.ARGMAX, (2.0, nan, 3.0), 1.0),
        (ops.GREATER, (nan, 0.0), 0.0),
        (ops.EQUAL, (nan, nan), 0.0),
    ],
    ids=repr,
)
def test_forward_follows_ieee_754_where_python_raises(op, operands, expected):
    assert repr(op.forward(*operands)) == repr(expected)


@pytest.mark.parametrize(
    ("op", "operands", "expected"),
    [
        (ops.RELU, (0.0,), 0.0),
        (ops.RELU, (nan,), 0.0),
        (ops.ABS, (0.0,), 0.0),
        (ops.ABS, (-0.0,), 0.0),
        (ops.POW, (0.0, 0.0), 0.0),
        (ops.POW, (5.0, 0.0), 0.0),
        (ops.POW, (0.0, 1.0), 1.0),
        (ops.POW, (0.0, 2.0), 0.0),
        (ops.POW, (0.0, 0.5), inf),
        (ops.POW, (0.0, -1.0), -inf),
        (ops.POWER, (0.0, 0.0), (0.0, 0.0)),
        (ops.POWER, (0.0, 2.0), (0.0, 0.0)),
        (ops.POWER, (0.0, -1.0), (-inf, -inf)),
        (ops.POWER, (-2.0, 2.0), (-4.0, nan)),
        (ops.LOG, (0.0,), inf),
        (ops.SQRT, (0.0,), inf),
        (ops.DIV, (1.0, 0.0), (inf, -inf)),
        (ops.MAXIMUM, (1.0, 1.0), (1.0, 0.0)),
        (ops.MINIMUM, (2.0, 2.0, 2.0), (1.0, 0.0, 0.0)),
        (ops.MAXIMUM, (0.0, nan), (0.0, 1.0)),
        (ops.WHERE, (1.0, 5.0, 6.0), (0.0, 1.0, 0.0)),
        (ops.WHERE, (0.0, 5.0, 6.0), (0.0, 0.0, 1.0)),
    ],
    ids=repr,
)
def test_the_derivative_at_a_corner_is_the_agreed_one(op, operands, expected):
    assert repr(op.vjp(1.0, op.forward(*operands), *operands)) == repr(expected)


def test_sum_associates_from_left_to_right_and_does_not_compensate():
    assert ops.SUM.forward(1.0, 1e16, -1e16) == 0.0


def test_dot_adds_the_products_to_the_bias_from_left_to_right():
    assert ops.DOT.forward(1.0, 1e16, 1.0, -1e16, 1.0) == 0.0
    assert ops.DOT.forward(1e16, 1.0, -1e16, 1.0, 1.0, 1.0) == 1.0


def test_dot_rounds_a_product_before_it_is_added():
    x = 1.0 + 2.0**-30
    assert ops.DOT.forward(-(x * x), x, x) == 0.0  # a fused multiply-add would give 2**-60


def test_mean_is_the_sum_divided_by_the_count():
    assert ops.MEAN.forward(0.1, 0.2, 0.3) == (0.1 + 0.2 + 0.3) / 3.0


def test_square_is_a_product_and_reciprocal_is_a_quotient():
    assert ops.POW.forward(0.1, 2.0) == 0.1 * 0.1
    assert ops.POW.forward(49.0, -1.0) == 1.0 / 49.0


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_maximum_and_minimum_agree_with_python(xs):
    assert ops.MAXIMUM.forward(*xs) == max(xs)
    assert ops.MINIMUM.forward(*xs) == min(xs)


@given(st.floats())
def test_sigmoid_stays_between_0_and_1(x):
    y = ops.SIGMOID.forward(x)
    assert 0.0 <= y <= 1.0 or math.isnan(x)


def test_names_are_unique_and_ops_keeps_the_order_of_the_table():
    assert list(OPS) == [op.name for op in OPS.values()]
    assert [op.code for op in OPS.values()] == list(range(2, len(OPS) + 2))


def test_a_code_finds_its_row():
    assert all(ops.by_code(op.code) is op for op in (LEAF, OPAQUE, *OPS.values()))


def test_a_name_finds_its_row():
    assert all(ops.by_name(op.name) is op for op in (LEAF, OPAQUE, *OPS.values()))


def test_an_unknown_name_is_a_key_error():
    with pytest.raises(KeyError):
        ops.by_name("nonsense")


def test_leaf_and_opaque_stay_out_of_the_public_table():
    assert not {"leaf", "opaque"} & set(OPS)


@pytest.mark.parametrize("op", [LEAF, OPAQUE], ids=repr)
def test_leaf_and_opaque_compute_nothing(op):
    assert math.isnan(op.forward())
    assert op.vjp(1.0, 2.0) == ()


def test_an_op_says_its_name():
    assert repr(ops.ADD) == "<op add>"


def test_an_op_pickles_to_itself():
    assert pickle.loads(pickle.dumps(ops.POW)) is ops.POW


@pytest.mark.parametrize(
    ("op", "attribute", "text"),
    [
        (ops.ADD, None, "+"),
        (ops.POW, 2.0, "**2"),
        (ops.POW, -1.0, "**-1"),
        (ops.POW, 0.5, "**0.5"),
        (ops.POW, 1e300, "**1e+300"),
        (ops.POW, nan, "**nan"),
        (ops.POW, -inf, "**-inf"),
    ],
)
def test_an_op_shows_its_attribute(op, attribute, text):
    assert op.display(attribute) == text


def test_calling_an_op_on_floats_computes():
    assert ops.DIV(1.0, 0.0) == inf


def test_every_domain_is_an_interval():
    assert all(low < high for op in OPS.values() for low, high in op.domain)


def test_an_op_that_expands_is_written_with_arithmetic_alone():
    assert [name for name, op in OPS.items() if op.expands] == ["sum", "mean", "dot"]


def test_the_symbols_are_those_of_micrograd():
    assert [OPS[n].symbol for n in ("add", "mul", "relu", "tanh", "exp")] == [
        "+", "*", "ReLU", "tanh", "exp",
    ]  # fmt: skip
