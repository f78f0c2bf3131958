"""The bug that a failure looks like."""

from typing import Any


def hint(program: Any, outcome: Any) -> str:
    """Nothing yet."""
    return ""
