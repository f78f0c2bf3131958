"""Stage 3: gradients, what they are and in which order they add up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import rustygrad
from rustygrad.errors import ConversionError
from rustygrad.ops import OPS

from rustygrad_conformance import cases, oracle
from rustygrad_conformance.judge import Judge
from rustygrad_conformance.programs import Program

#: exp(1000 - logsumexp(1000, 1000)): the logsumexp is rounded to a multiple of 1.1e-13.
_HALF = math.exp(1000.0 - (1000.0 + math.log(2.0)))
#: Kinks, ties and limits: leaves, the expression, and each leaf's gradient.
CORNERS: dict[str, tuple[dict[str, float], str, dict[str, float]]] = {
    "relu-at-0": ({"x": 0.0}, "x.relu()", {"x": 0.0}),
    "relu-at-negative-0": ({"x": -0.0}, "x.relu()", {"x": 0.0}),
    "relu-below-0": ({"x": -1.0}, "x.relu()", {"x": 0.0}),
    "relu-at-nan": ({"x": float("nan")}, "x.relu()", {"x": 0.0}),
    "abs-at-0": ({"x": 0.0}, "abs(x)", {"x": 0.0}),
    "abs-below-0": ({"x": -2.0}, "abs(x)", {"x": -1.0}),
    "0-to-the-0": ({"x": 0.0}, "x ** 0", {"x": 0.0}),
    "0-to-the-1": ({"x": 0.0}, "x ** 1", {"x": 1.0}),
    "0-squared": ({"x": 0.0}, "x ** 2", {"x": 0.0}),
    "0-to-the-half": ({"x": 0.0}, "x ** 0.5", {"x": float("inf")}),
    "0-to-the-0-of-values": ({"x": 0.0, "y": 0.0}, "x ** y", {"x": 0.0, "y": 0.0}),
    "0-to-the-2-of-values": ({"x": 0.0, "y": 2.0}, "x ** y", {"x": 0.0, "y": 0.0}),
    "2-to-the-0-of-values": ({"x": 2.0, "y": 0.0}, "x ** y", {"x": 0.0, "y": 0.6931471805599453}),
    "1-over-0": ({"x": 0.0}, "1 / x", {"x": float("-inf")}),
    "log-at-0": ({"x": 0.0}, "x.log()", {"x": float("inf")}),
    "sqrt-at-0": ({"x": 0.0}, "x.sqrt()", {"x": float("inf")}),
    "exp-of-large-negative": ({"x": -1000.0}, "x.exp()", {"x": 0.0}),
    "sigmoid-of-large": ({"x": 1000.0}, "x.sigmoid()", {"x": 0.0}),
    "maximum-of-ties": ({"x": 2.0, "y": 2.0}, "rustygrad.maximum(x, y)", {"x": 1.0, "y": 0.0}),
    "minimum-of-ties": ({"x": 2.0, "y": 2.0}, "rustygrad.minimum(x, y)", {"x": 1.0, "y": 0.0}),
    "maximum-of-several-ties": (
        {"x": 1.0, "y": 2.0, "z": 2.0}, "rustygrad.maximum([x, y, z])", {"x": 0.0, "y": 1.0, "z": 0.0},
    ),
    "maximum-with-relu-at-0": ({"x": 0.0}, "rustygrad.maximum(0.0, x)", {"x": 0.0}),
    "where-not-taken-is-nan": (
        {"x": 3.0, "y": float("nan")}, "rustygrad.where(True, x, y)", {"x": 1.0, "y": 0.0},
    ),
    "logsumexp-of-large": (
        {"x": 1000.0, "y": 1000.0}, "rustygrad.logsumexp([x, y])", {"x": _HALF, "y": _HALF},
    ),
}  # fmt: skip


# --- one node ---------------------------------------------------------------


@pytest.mark.parametrize("name", OPS)
def test_gradients_agree_with_50_digits(backend: Any, name: str) -> None:
    op = OPS[name]
    for operands, attribute in oracle.points(op):
        leaves = [backend.Value(x) for x in operands]
        backend.apply(op, leaves, attribute).backward()
        truths = oracle.gradients(op, operands, attribute)
        for i, (leaf, truth) in enumerate(zip(leaves, truths, strict=True)):
            problem = truth.problem(leaf.grad)
            assert not problem, f"{name}{operands}, gradient of operand {i}: {problem}"


@pytest.mark.parametrize("corner", CORNERS)
def test_gradients_at_kinks_ties_and_limits(value: Any, judge: Any, corner: str) -> None:
    numbers, text, grads = CORNERS[corner]
    leaves = {name: value(x) for name, x in numbers.items()}
    eval(text, {"rustygrad": rustygrad, **leaves}).backward()
    for name, right in grads.items():
        judge(leaves[name].grad, right, f"{name}.grad of {text}")


# --- many nodes -------------------------------------------------------------


def test_a_product_of_a_leaf_with_itself_adds_both_gradients(value: Any, judge: Any) -> None:
    a = value(3.0)
    (a * a).backward()
    judge(a.grad, 6.0)


def test_a_leaf_used_in_two_nodes_adds_both_gradients(value: Any, judge: Any) -> None:
    a = value(3.0)
    (a * 2 + a * 5).backward()
    judge(a.grad, 7.0)


def test_a_node_hands_on_once_however_often_it_is_used(value: Any, judge: Any) -> None:
    a = value(1.0)
    b = a + a
    c = b + b
    d = c + c
    (d + d).backward()
    judge(a.grad, 16.0)


def test_a_shared_node_is_complete_before_it_hands_on(value: Any, judge: Any) -> None:
    """The counterexample to handing on at once, depth first: both uses of b must arrive first."""
    a = value(2.0)
    b = a * 3
    c = b * b
    (c + b * 5).backward()
    judge(a.grad, (2 * 6.0 + 5) * 3)


def test_a_shared_node_used_at_several_depths_is_complete_before_it_hands_on(
    value: Any, judge: Any
) -> None:
    """The counterexample to going level by level."""
    a = value(2.0)
    b = a * 3
    (b + (((b * 2) * 2) * 2) * 2).backward()
    judge(a.grad, 51.0)


def test_a_gradient_is_a_float(value: Any) -> None:
    a = value(3)
    (a * 2).backward(1)
    assert type(a.grad) is float


def test_inner_nodes_get_gradients_too(value: Any, judge: Any) -> None:
    a = value(3.0)
    b = a * 2
    (b * 5).backward()
    judge(b.grad, 5.0)


def test_the_roots_gradient_is_the_seed(value: Any, judge: Any) -> None:
    a = value(3.0)
    b = a * 2
    b.backward()
    judge(b.grad, 1.0)


def test_nodes_outside_the_graph_keep_their_gradients(value: Any, judge: Any) -> None:
    a = value(3.0)
    outside, inside = a * 2, a * 5
    outside.grad = 7.0
    inside.backward()
    judge(outside.grad, 7.0)


def test_backward_returns_none(value: Any) -> None:
    assert (value(3.0) * 2).backward() is None


# --- the seed ---------------------------------------------------------------


def test_backward_starts_from_the_gradient_it_is_given(value: Any, judge: Any) -> None:
    a = value(3.0)
    b = a * 2
    b.backward(2.5)
    judge(a.grad, 5.0)
    judge(b.grad, 2.5)


def test_the_seed_can_be_named(value: Any, judge: Any) -> None:
    a = value(3.0)
    (a * 2).backward(grad=np.float64(-1.0))
    judge(a.grad, -2.0)


@pytest.mark.parametrize("bad", ["1", None, 1j, [1.0]], ids=repr)
def test_a_seed_that_is_no_number_is_refused(value: Any, judge: Any, bad: Any) -> None:
    a = value(3.0)
    with pytest.raises(ConversionError):
        (a * 2).backward(bad)
    judge(a.grad, 0.0, "the leaf's gradient after a refused seed")


def test_a_hand_seeded_root_is_overwritten(value: Any, judge: Any) -> None:
    a = value(3.0)
    b = a * 2
    b.grad = 100.0
    b.backward()
    judge(a.grad, 2.0)
    judge(b.grad, 1.0)


# --- again ------------------------------------------------------------------


def test_backward_adds_to_what_a_leaf_holds(value: Any, judge: Any) -> None:
    a = value(3.0)
    a.grad = 0.5
    (a * 2).backward()
    judge(a.grad, 2.5)


def test_a_second_backward_adds_to_leaves_and_resets_inner_nodes(value: Any, judge: Any) -> None:
    """For c = 2*a*a at a = 3, twice: 24, as PyTorch has it, and not 36."""
    a = value(3.0)
    c = 2 * a * a
    c.backward()
    c.backward()
    judge(a.grad, 24.0)
    judge(c.grad, 1.0)


def test_backward_of_another_root_resets_the_inner_nodes_they_share(value: Any, judge: Any) -> None:
    a = value(3.0)
    shared = a * a
    (shared * 2).backward()
    judge(shared.grad, 2.0)
    (shared * 5).backward()
    judge(shared.grad, 5.0)
    judge(a.grad, 42.0)


def test_a_leaf_whose_gradient_was_set_to_none_accumulates_from_0(value: Any, judge: Any) -> None:
    a = value(3.0)
    b = a * 2
    b.backward()
    a.grad = None
    b.backward()
    judge(a.grad, 2.0)


def test_a_leaf_as_root_accumulates_like_any_leaf(value: Any, judge: Any) -> None:
    a = value(3.0)
    a.backward()
    a.backward(3.0)
    judge(a.grad, 4.0)


def test_backward_uses_the_operands_data_of_now(value: Any, judge: Any) -> None:
    a, b = value(3.0), value(2.0)
    c = a * b
    a.data = 10.0
    c.backward()
    judge(b.grad, 10.0)


def test_backward_uses_the_results_data_of_now(value: Any, judge: Any) -> None:
    a = value(0.0)
    b = a.exp()
    b.data = 10.0
    b.backward()
    judge(a.grad, 10.0)


# --- the order of additions -------------------------------------------------

_BIG = 1e16  # 1 is lost in it, 2 is not


def _graded(value: Any, weights: tuple[float, ...], text: str) -> float:
    a = value(1.0)
    products = dict(zip("pqr", [a * w for w in weights], strict=False))
    eval(text, {"a": a, "Value": value, **products}).backward()
    grad: float = a.grad
    return grad


ORDERS = {
    "last-operand-first": ((_BIG, 1.0, 1.0), "(p + q) + r", _BIG + 2),
    "first-operand-last": ((1.0, 1.0, _BIG), "(p + q) + r", _BIG),
    "deeper-operand-last": ((1.0, 1.0, _BIG), "p + (q + r)", _BIG),
    "operands-in-order": ((_BIG, 1.0, 1.0), "p + (q + r)", _BIG + 2),
    "depth-first-not-creation-order": ((1.0, _BIG, 1.0), "(q + r) + p", _BIG + 2),
    "depth-first-not-by-height": ((1.0, 1.0), "-(-(-(-Value(1e16)))) * a + (p + q)", _BIG + 2),
    "shared-node-at-its-first-visit": ((1.0, _BIG, 1.0), "(p + q) + (r + p)", _BIG + 2),
}


@pytest.mark.parametrize("case", ORDERS)
def test_gradients_add_up_in_reverse_post_order(
    value: Any, reference: Any, judge: Any, case: str
) -> None:
    weights, text, right = ORDERS[case]
    assert _graded(reference.Value, weights, text) == right
    judge(_graded(value, weights, text), right, f"gradient of {text}")


def test_gradients_are_handed_to_operands_in_their_order(value: Any, judge: Any) -> None:
    """2**53 + 1 - 1 and 2**53 - 1 + 1 differ."""
    a = value(1.0)
    a.grad = 2.0**53
    (a / a).backward()
    judge(a.grad, 2.0**53 - 1)


def test_dot_hands_gradients_on_from_the_last_pair_to_the_first(value: Any, judge: Any) -> None:
    a = value(1.0)
    rustygrad.dot([_BIG, 1.0, 1.0], [a, a, a]).backward()
    judge(a.grad, _BIG + 2)
    b = value(1.0)
    rustygrad.dot([1.0, 1.0, _BIG], [b, b, b]).backward()
    judge(b.grad, _BIG)


def test_dot_hands_the_bias_its_gradient_last(value: Any, judge: Any) -> None:
    a = value(1.0)
    rustygrad.dot([_BIG, 1.0], [a, a], bias=a).backward()
    judge(a.grad, _BIG)


def test_gradients_are_the_same_in_every_run(value: Any) -> None:
    def run() -> list[float]:
        xs = [value(0.1 * i - 0.7) for i in range(15)]
        nodes = [x * y for x in xs for y in xs[::3]]
        rustygrad.sum([n.tanh() + n * n for n in nodes]).backward()
        return [x.grad for x in xs]

    first = run()
    assert all(run() == first for _ in range(3))


# --- all of it, against the reference ----------------------------------------


def test_micrograds_example_gives_24_7041(value: Any, judge: Any) -> None:
    a, b = value(-4.0), value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert (f"{g:.4f}", f"{a.grad:.4f}", f"{b.grad:.4f}") == ("24.7041", "138.8338", "645.5773")


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.arity != 1])
def test_a_leaf_used_twice_in_one_node_adds_both_gradients(
    backend: Any, reference: Any, name: str
) -> None:
    op = OPS[name]
    judge = Judge(backend.numerics.ulps * 8)
    for x in (0.75, -1.5, 3.0):
        found = []
        for engine in (backend, reference):
            a = engine.Value(x)
            engine.apply(op, [a] * (op.arity or 4)).backward()
            found.append(a.grad)
        judge(found[0], found[1], f"gradient of {x} as every operand of {name}")


@pytest.mark.parametrize("name", OPS)
def test_gradients_have_the_reference_bits(backend: Any, judge: Any, check: Any, name: str) -> None:
    op = OPS[name]
    for operands, attribute in cases.points(op):
        leaves = [backend.Value(x) for x in operands]
        out = backend.apply(op, leaves, attribute)
        out.backward(1.5)
        arguments = operands if attribute is None else (*operands, attribute)
        found = op.vjp(1.5, out.data, *arguments)
        grads = (found,) if op.arity == 1 else found
        for i, (leaf, grad) in enumerate(zip(leaves, grads, strict=True)):
            if not judge.same(leaf.grad, 0.0 + grad):
                check(cases.program(op, operands, attribute))
                judge(leaf.grad, 0.0 + grad, f"{name}{arguments}, gradient of operand {i}")


COMPOSED = {
    "softmax": "rustygrad.softmax([a, b, 3])[0]",
    "log_softmax": "rustygrad.log_softmax([a, b, 3])[2]",
    "cross_entropy": "rustygrad.cross_entropy([a, b, 0.5], 1)",
    "hinge": "rustygrad.hinge([a, b], [1, -1])",
    "mse": "rustygrad.mse([a, b], [0.5, b])",
    "clip": "rustygrad.clip(a, -0.5, 0.5)",
}


@pytest.mark.parametrize("name", COMPOSED)
def test_functions_built_on_others_have_the_reference_bits(check: Any, name: str) -> None:
    lines = ["a = Value(0.7)", "b = Value(-1.3)", f"c = {COMPOSED[name]}", "c.backward()"]
    check(Program(lines, ["a", "b", "c"]))


def test_gradients_of_many_uses_have_the_reference_bits(check: Any) -> None:
    lines = ["xs = [Value(0.1 * i - 0.7) for i in range(15)]"]
    lines.append("nodes = [x * y + y / (x + 3.0) for x in xs for y in xs[::3]]")
    lines.append("y = sum([n.tanh() - n * n for n in nodes])")
    lines += ["y.backward()"] + [f"x{i} = xs[{i}]" for i in range(15)]
    check(Program(lines, ["y", *[f"x{i}" for i in range(15)]]))
