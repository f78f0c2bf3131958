"""The suite on engines that are wrong on purpose: each is caught, and by the fitting test."""

from __future__ import annotations

from pathlib import Path

import pytest
from rustygrad.ops import OPS

from rustygrad_conformance.bugs import bugs, table
from rustygrad_conformance.bugs.measure import first_failures, run

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "mutants.md"
BY_HAND = [name for name, one in bugs().items() if not one.generated]
GENERATED = [name for name, one in bugs().items() if one.generated]


@pytest.fixture(scope="session")
def found() -> dict[str, str]:
    """The first failure of every bug. This is what takes the time: about a minute."""
    return first_failures([*BY_HAND, *GENERATED])


def test_there_are_more_than_40_bugs_written_by_hand():
    assert len(BY_HAND) >= 40


@pytest.mark.parametrize("name", BY_HAND)
def test_a_bug_written_by_hand_is_caught_by_the_fitting_test(found, name):
    assert found[name] == bugs()[name].caught_by


@pytest.mark.parametrize("name", GENERATED)
def test_a_wrong_derivative_is_caught_by_the_test_of_its_operation(found, name):
    operation = max((op for op in OPS if name.startswith(f"{op}_")), key=len)
    assert found[name] == f"test_gradients_agree_with_50_digits[{operation}]"


@pytest.mark.parametrize("name", OPS)
def test_every_row_of_the_op_table_has_wrong_derivatives(name):
    assert any(bug.startswith(f"{name}_") for bug in GENERATED)


def test_the_page_of_bugs_is_what_was_measured(found):
    if not PAGE.parent.exists():
        pytest.skip("the documentation is not here")
    command = f"python -m rustygrad_conformance.bugs.table {PAGE}"
    assert PAGE.read_text(encoding="utf-8") == table.table(found), f"write it anew: {command}"


@pytest.mark.parametrize(
    "backend",
    [
        "python",
        "rustygrad_conformance.engine:loopback",
        "rustygrad_conformance.bugs.shortcuts:right",
    ],
)
def test_a_right_engine_passes_everything(backend):
    name, why = run(backend)
    assert name == "", why
