"""Random programs, made from the op table: what `hypothesis` draws and shrinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st
from rustygrad.ops import OPS

from .programs import INFIX, Program, call, literal

__all__ = ["EXTREME", "MODERATE", "programs"]

#: Numbers whose products and sums stay finite, mostly.
MODERATE: Final = st.one_of(
    st.sampled_from([1.0, 2.0, -1.0, 0.5, 3.0, -2.0, 0.1, 0.0]),
    st.floats(-4.0, 4.0, allow_nan=False).map(lambda x: round(x, 3)),
    st.floats(-4.0, 4.0, allow_nan=False),
)
#: Numbers at which arithmetic overflows, loses bits or has no result.
EXTREME: Final = st.one_of(
    st.sampled_from(
        [0.0, -0.0, 1.0, -1.0, float("inf"), float("-inf"), float("nan"), 1e16, 1e308, -1e308]
    ),
    st.sampled_from([5e-324, -5e-324, 1e-200, 1e200, 745.2, -745.2, 709.8, 2.0**53, 1e-16]),
    st.floats(),
)

_ATTRIBUTES: Final = st.sampled_from([2.0, 3.0, -1.0, 0.5, 0.0, 1.0, -2.0, 7.0])


@st.composite
def programs(
    draw: Callable[..., Any], numbers: st.SearchStrategy[float], roots: int = 1
) -> Program:
    """Programs of a few leaves and steps that end in `backward`.

    Args:
        draw: supplied by hypothesis.
        numbers: for leaves and for constants.
        roots: how often backward runs: first on the last variable, then on any.
    """
    lines, names = [], []
    for i, x in enumerate(draw(st.lists(numbers, min_size=1, max_size=3))):
        names.append("abc"[i])
        lines.append(f"{names[-1]} = Value({x!r})")
    # An index picks a variable that exists, counted from the newest; a float is a constant.
    operand = st.one_of(st.integers(0, 7), numbers)
    step = st.tuples(
        st.sampled_from([op for op in OPS.values() if not op.mask]),
        st.lists(operand, min_size=1, max_size=5),
        _ATTRIBUTES,
        st.integers(0, 7),
    )
    for i, (op, drawn, attribute, style) in enumerate(draw(st.lists(step, min_size=1, max_size=8))):
        drawn = [*drawn] if op.arity is None else [*drawn, *range(8)][: op.arity]
        if all(isinstance(x, float) for x in drawn):
            drawn[0] = 0
        if op.arity == 1:
            drawn = [x if isinstance(x, int) else 0 for x in drawn]
        texts = [names[-1 - x % len(names)] if isinstance(x, int) else literal(x) for x in drawn]
        name = f"v{i}"
        if op.name in INFIX and style == 7:  # in place: rebinds the name and no other
            first = names[-1 - drawn[0] % len(names)] if isinstance(drawn[0], int) else names[-1]
            lines += [f"{name} = {first}", f"{name} {INFIX[op.name]}= {texts[1]}"]
        else:
            lines.append(f"{name} = {call(op, texts, attribute)}")
        names.append(name)
    lines.append(f"{names[-1]}.backward()")
    for _ in range(roots - 1):
        again = draw(st.sampled_from(names[::-1]))
        grad = draw(st.sampled_from(["", "1.0", "-0.5", "3"]))
        lines.append(f"{again}.backward({grad})")
    return Program(lines, names)
