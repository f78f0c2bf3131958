"""Stage 4: random programs give the reference's bits."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from rustygrad_conformance.programs import Program
from rustygrad_conformance.strategies import EXTREME, MODERATE, programs


@given(program=programs(MODERATE))
def test_random_programs_give_the_reference_bits(check: Any, program: Program) -> None:
    check(program)


@given(program=programs(EXTREME))
def test_random_programs_of_extreme_numbers_give_the_reference_bits(
    check: Any, program: Program
) -> None:
    check(program)


@given(program=programs(MODERATE, roots=3))
def test_random_programs_that_run_backward_repeatedly_give_the_reference_bits(
    check: Any, program: Program
) -> None:
    check(program)
