"""The reasons that `explain` gives, walked through for every row of the op table.

A new operation that can make a nan, an inf or a 0 has to get reasons of its own:
the general ones are for numbers that are too large or too small.
"""

import itertools
import math

import pytest
import rustygrad
from rustygrad.explaining import reasons
from rustygrad.explaining.reasons import KINDS, RESULTS, SLOPES
from rustygrad.ops import OPS
from rustygrad.reference import Value, apply

inf, nan = math.inf, math.nan
POINTS = (0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 800.0, -800.0, 1e200, -1e200, 1e-200, 1.5e308, inf, -inf)
FEWER = (0.0, 1.0, -2.5, 1e200, -1e200, 1e-200, 1.5e308, inf, -inf)
EXPONENTS = (2.0, -1.0, 0.5, 0.0, 3.0, -1.5)
SEEDS = (1.0, 1e-200, 1e200)

GENERAL_RESULTS = {reason.why for reason in reasons._ANY_RESULT.values()}
GENERAL_SLOPES = {reason.why for reason in reasons._ANY_SLOPE.values()}


def calls(op):
    """Every call of an operation at the points: operands and attribute."""
    counts = [op.arity] if op.arity else [1, 2, 3]
    for count in counts:
        for operands in itertools.product(POINTS, repeat=count):
            if count == 3 and not set(operands) <= set(FEWER):
                continue
            for attribute in EXPONENTS if op.attribute else (None,):
                yield operands, attribute


def extreme(numbers):
    """Whether arithmetic on these may come out too large or too small for a float."""
    return any(abs(x) >= 700.0 or 0.0 < abs(x) <= 1e-100 for x in numbers)


def kind_of(x):
    return next((kind for kind, test in KINDS.items() if test(x)), "")


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_every_nan_inf_or_0_that_an_operation_makes_has_a_reason(op):
    made = set()
    for operands, attribute in calls(op):
        node = apply(op, [Value(x) for x in operands], attribute)
        kind = kind_of(node.data)
        if not kind:
            continue
        found = rustygrad.explain(node)
        assert found.verdict == kind, found
        whys = {step.why for step in found.steps if step.node.op is op}
        for why in filter(None, whys):
            reason = why.split(": ", 1)[1]
            made.add(reason)
            if reason in GENERAL_RESULTS:
                assert extreme(operands), f"no reason of its own:\n{found}"
                assert kind != "nan", f"no reason of its own:\n{found}"
    listed = {r.why for kind in RESULTS for r in RESULTS[kind].get(op, ())}
    assert listed <= made, "reasons that are never given"


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_every_nan_inf_or_0_that_a_derivative_makes_has_a_reason(op):
    made = set()
    for (operands, attribute), seed in itertools.product(calls(op), SEEDS):
        leaves = [Value(x) for x in operands]
        node = apply(op, leaves, attribute)
        node.backward(seed)
        for leaf in leaves:
            kind = kind_of(leaf.grad)
            if not kind:
                continue
            found = rustygrad.explain(leaf, of=node)
            assert found.verdict == kind, found
            step = found.steps[-1]
            assert step.node.op is op, found
            reason = step.why.split(": ", 1)[1]
            made.add(reason)
            if reason in GENERAL_SLOPES:
                finite = all(map(math.isfinite, (node.data, *operands)))
                assert kind != "nan" or not finite, f"no reason of its own:\n{found}"
                assert extreme((*operands, seed)), f"no reason of its own:\n{found}"
    listed = {r.why for kind in SLOPES for r in SLOPES[kind].get(op, ())}
    assert listed <= made, "reasons that are never given"


def test_every_reason_is_a_clause():
    everything = [
        r for table in (RESULTS, SLOPES) for rows in table.values() for r in rows.values()
    ]
    for reason in itertools.chain(*everything):
        for text in filter(None, (reason.why, reason.advice)):
            assert not text.endswith(".")
            assert text[0] == text[0].lower()
            assert repr(reason) == f"<reason {reason.why!r}>"
