"""Bugs of the Value class itself: what it takes, and how it compares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine import Engine
from . import bug


def _accepting(m: Engine, kinds: Any, convert: Any) -> None:
    strict = m.value.as_float
    m.value.as_float = lambda x: convert(x) if isinstance(x, kinds) else strict(x)


@bug("text is taken as a number", "test_construction_refuses[str]")
def accepts_text(m: Engine) -> None:
    _accepting(m, str, float)


@bug("None is taken as 0", "test_construction_refuses[none]")
def accepts_none(m: Engine) -> None:
    _accepting(m, type(None), lambda x: 0.0)


@bug("the imaginary part of complex numbers is dropped", "test_construction_refuses[complex]")
def accepts_complex(m: Engine) -> None:
    _accepting(m, complex, lambda x: x.real)


@bug(
    "numpy's complex numbers pass through float(), which drops the imaginary part",
    "test_construction_refuses[numpy-complex]",
)
def accepts_numpy_complex(m: Engine) -> None:
    _accepting(m, np.complexfloating, lambda x: float(x.real))


@bug("of an array of several numbers the first is taken", "test_construction_refuses[array]")
def accepts_arrays(m: Engine) -> None:
    _accepting(m, np.ndarray, lambda x: float(x.flat[0]))


@bug("integers stay integers", "test_data_is_a_float[int]")
def keeps_integers(m: Engine) -> None:
    _accepting(m, int, lambda x: x)


@bug("numpy floats stay numpy floats", "test_data_is_a_float[float64]")
def keeps_numpy_floats(m: Engine) -> None:
    _accepting(m, np.float64, lambda x: x)


@bug("numbers are stored in single precision", "test_data_is_a_float[float]")
def stores_single_precision(m: Engine) -> None:
    m.Value.data = property(lambda v: float(np.float32(v._data)), m.Value._set_data)


@bug(
    "integers too large for a float become inf",
    "test_integers_too_large_for_a_float_overflow",
)
def huge_integers_become_inf(m: Engine) -> None:
    strict = m.value.as_float

    def lenient(x: Any) -> Any:
        try:
            return strict(x)
        except OverflowError:
            return math.inf if x > 0 else -math.inf

    m.value.as_float = lenient


@bug("a gradient set to None stays None", "test_gradient_none_means_zero")
def keeps_gradient_none(m: Engine) -> None:
    def set_grad(v: Any, grad: Any) -> None:
        v._grad = None if grad is None else m.value.as_float(grad)

    m.Value.grad = property(lambda v: v._grad, set_grad)


@bug("children may be numbers", "test_children_must_be_values")
def accepts_children_that_are_numbers(m: Engine) -> None:
    init = m.Value.__init__

    def lenient(v: Any, data: Any, _children: Any = (), _op: str = "", label: str = "") -> None:
        wrapped = [x if isinstance(x, m.Value) else m.Value(x) for x in _children]
        init(v, data, wrapped, _op, label)

    m.Value.__init__ = lenient


@bug("operands are kept in a set", "test_operands_are_a_tuple")
def operands_in_a_set(m: Engine) -> None:
    slot = m.Value._prev
    m.Value._prev = property(lambda v: frozenset(slot.__get__(v)), slot.__set__)


@bug("operands that repeat are kept once", "test_operands_keep_their_order_and_repeats")
def operands_without_repeats(m: Engine) -> None:
    slot = m.Value._prev
    m.Value._prev = property(lambda v: tuple(dict.fromkeys(slot.__get__(v))), slot.__set__)


@bug("equality compares the numbers", "test_equality_is_identity")
def equal_by_value(m: Engine) -> None:
    m.Value.__eq__ = lambda v, other: v._data == getattr(other, "_data", other)
    m.Value.__hash__ = lambda v: hash(v._data)


@bug("the hash is that of the number", "test_hash_is_by_identity")
def hashed_by_value(m: Engine) -> None:
    m.Value.__hash__ = lambda v: hash(v._data)


@bug("a Value of 0 counts as false", "test_every_value_is_true[0.0]")
def zero_is_false(m: Engine) -> None:
    m.Value.__bool__ = lambda v: v._data != 0.0


@bug("float() converts, and drops the gradient", "test_there_is_no_conversion_to_float")
def converts_to_float(m: Engine) -> None:
    m.Value.__float__ = lambda v: v._data


@bug(
    "comparisons give Values, which are always true",
    "test_comparisons_look_at_the_data[a < b]",
)
def comparisons_make_nodes(m: Engine) -> None:
    greater = m.ops.GREATER
    m.Value.__gt__ = lambda v, other: m.value._binary(greater, v, other)


@bug("formatting ignores the format", "test_a_format_applies_to_the_data")
def format_is_ignored(m: Engine) -> None:
    m.Value.__format__ = lambda v, spec: str(v)


@bug("a leaf's role cannot be changed", "test_the_role_of_a_leaf_can_be_set")
def role_is_fixed(m: Engine) -> None:
    m.Value._role = property(m.Value._role.fget, lambda v, role: None)


@bug("numbers coerced by an operation count as inputs", "test_a_number_becomes_a_constant_leaf")
def constants_are_inputs(m: Engine) -> None:
    strict = m.value.operand

    def operand(x: Any) -> Any:
        node = strict(x)
        if node is not None and node is not x:
            node._attribute = "input"
        return node

    m.value.operand = operand
