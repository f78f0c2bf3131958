"""Random programs over all operations: the culprit really made what `explain` says it made.

What an operand accounts for is found out by trying: the operands in question are kept
or replaced, and the operation is computed again on ordinary numbers beside them.
"""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rustygrad import explain
from rustygrad.explaining.reasons import KINDS
from rustygrad.ops import LEAF, OPS
from rustygrad.reference import Value

inf, nan = math.inf, math.nan
PLANTED = [nan, inf, -inf, 0.0, -0.0, 1e9, -1e9, 1e200, -1e200, 1e308, 1e-200]
HUGE = 1e6
DRAWS = 30


@st.composite
def programs(draw):
    """The last of some random operations on leaves, of which half are not ordinary."""
    numbers = st.sampled_from([*PLANTED, 1.0, -2.0]) | st.floats(-3.0, 3.0)
    nodes = [Value(draw(numbers)) for _ in range(4)]
    for _ in range(draw(st.integers(1, 10))):
        op = draw(st.sampled_from(list(OPS.values())))
        count = op.arity or draw(st.integers(1, 5))
        picked = [nodes[draw(st.integers(0, len(nodes) - 1))] for _ in range(count)]
        attribute = draw(st.sampled_from([2.0, -1.0, 0.5, 3.0, 0.0])) if op.attribute else None
        nodes.append(Value._backend.apply(op, picked, attribute))
    return nodes


def results(node, replaced):
    """What a node's operation gives where these positions hold ordinary numbers, many times."""
    rng = random.Random(0)
    operands = [x.data for x in node.operands]
    extra = [] if node.attribute is None else [node.attribute]
    for _ in range(DRAWS):
        tried = [rng.uniform(-3.0, 3.0) if k in replaced else x for k, x in enumerate(operands)]
        yield node.op.forward(*tried, *extra)


def positions(node, test):
    return {k for k, x in enumerate(node.operands) if test(x)}


def accounts(node, operands, test, quantifier=all):
    """Whether these operands make the result what it is, whatever all (or any) others are."""
    others = set(range(len(node.operands))) - operands
    usual = results(node, set(range(len(node.operands))))
    return quantifier(map(test, results(node, others))) and not all(map(test, usual))


def check_nan_inf_or_zero(steps, kind):
    """Check the steps to the first culprit; give what comes after it."""
    test = KINDS[kind]
    end = next(k for k, step in enumerate(steps) if step.why)
    for above, below in pairwise(steps[: end + 1]):
        assert test(below.node.data)
        here = positions(above.node, lambda x, node=below.node: x == node)
        alike = positions(above.node, lambda x: test(x.data))
        assert (
            not all(map(test, results(above.node, here)))  # it was needed
            or accounts(above.node, here, test, any)
            or accounts(above.node, alike, test)
        )
    culprit = steps[end].node
    assert test(culprit.data)
    if culprit.op is not LEAF and not culprit.op.mask:  # a choice hands no number on
        alike = positions(culprit, lambda x: test(x.data))
        if kind == "inf":
            alike = positions(culprit, lambda x: x.data == culprit.data) or alike
        assert not alike or not accounts(culprit, alike, test)
    return steps[end:]


def check_huge(found):
    sizes = [abs(step.node.data) for step in found.steps]
    if found.culprit.op is LEAF and found.steps[-1].why:
        assert min(sizes) >= HUGE
    elif found.steps[-1].why and "finite number" not in found.why:
        smaller = [abs(x.data) for x in found.culprit.operands]
        assert any(min(sizes) >= 10.0 * max(1.0, size) for size in smaller)


@given(programs())
def test_a_culprit_has_made_what_it_is_said_to_have_made(nodes):
    found = explain(nodes[-1], huge=HUGE)
    text = str(found)
    try:
        assert text.encode()
        for above, below in pairwise(found.steps):
            assert below.node in above.node.operands
        if found.verdict == "huge":
            check_huge(found)
        elif found.verdict != "fine":
            (first, *rest) = check_nan_inf_or_zero(found.steps, found.verdict)
            if rest:  # made of an inf: without one, the result would have been another
                infinite = positions(first.node, lambda x: math.isinf(x.data))
                assert not all(map(KINDS[found.verdict], results(first.node, infinite)))
                (last,) = check_nan_inf_or_zero(rest, "inf")
                assert last.why
    except AssertionError:
        pytest.fail(text)


def shares(user, node):
    """What a user hands to a node, for each use, by the engine itself."""
    leaves = [Value(x.data) for x in user.operands]
    Value._backend.apply(user.op, leaves, user.attribute).backward(user.grad)
    return [leaf.grad for leaf, x in zip(leaves, user.operands, strict=True) if x == node]


def check_gradient(steps, kind):
    """Check the steps to the first culprit: each below has such a gradient from the one above."""
    test = KINDS[kind]
    end = next(k for k, step in enumerate(steps) if step.why)
    for below, above in pairwise(steps[: end + 1]):
        assert test(below.node.grad)
        assert any(map(test, shares(above.node, below.node)))
    culprit = steps[end]
    if "handed" in culprit.why:
        assert not test(culprit.node.grad)
    else:
        assert test(culprit.node.grad)
        handed = [s for user in culprit.beside for s in shares(user, culprit.node)]
        assert not any(map(test, handed)) or kind == "zero"
        assert len(handed) > 1
    return steps[end:]


@given(programs())
def test_a_culprit_of_a_gradient_has_made_it(nodes):
    root = nodes[-1]
    root.backward()
    for target in nodes[:-1]:
        found = explain(target, of=root, huge=HUGE)
        text = str(found)
        try:
            assert text.encode()
            assert found.verdict not in ("stale", "not run")
            for below, above in pairwise(found.steps):
                assert below.node in above.node.operands
            if found.verdict in KINDS:
                rest = check_gradient(found.steps, found.verdict)
                assert len(rest) == 1 or math.isinf(rest[0].node.grad)
        except AssertionError:
            pytest.fail(text)
