"""The bug that a failure looks like.

A program that differs is run on every engine with a known bug (`bugs`). One
that leaves behind exactly the numbers that the backend left has, very likely,
the backend's bug.
"""

from __future__ import annotations

from typing import Final

from .bugs import Bug, bugs
from .judge import Judge
from .programs import Outcome, Program

__all__ = ["failing_first", "hint"]

#: More candidates than these say nothing.
_AT_MOST: Final = 3


def hint(program: Program, got: Outcome | None) -> str:
    """What a program's failure looks like, in a line; '' if it looks like nothing known.

    Args:
        program: one that differs from the reference.
        got: what it left behind on the backend; None if it raised.
    """
    if got is None:
        return "Looks like: something is not written yet, or raises where it should give a number"
    wrong_type = [what for what, number in got.items() if type(number) is not float]
    if wrong_type:
        return f"Looks like: {wrong_type[0]} is not converted to float"
    found = [one for one in bugs().values() if _leaves(one, program, got)]
    if not found:
        return ""
    by_hand = [one for one in found if not one.generated]
    texts = [one.text for one in (by_hand or found)[:_AT_MOST]]
    return f"Looks like: {'; or '.join(texts)}"


def failing_first(test: str) -> str:
    """What engines do that fail this test before any other; '' if none is known."""
    texts = [one.text for one in bugs().values() if one.caught_by == test and not one.generated]
    if not 0 < len(texts) <= _AT_MOST:
        return ""
    return f"Engines that fail this first: {'; or '.join(texts)}"


def _leaves(one: Bug, program: Program, got: Outcome) -> bool:
    try:
        outcome = program.outcome(one.backend)
    except Exception:  # that bug shows in another way
        return False
    exactly = Judge(0)
    return all(
        type(outcome[what]) is float and exactly.same(number, outcome[what])
        for what, number in got.items()
    )
