"""Where the commands print."""

from __future__ import annotations

import os

from rich.console import Console

__all__ = ["console"]

#: Wide enough for any line.
_UNLIMITED = 10_000


def console() -> Console:
    """The standard output, as wide as the terminal, or as COLUMNS says; a pipe has no width."""
    found = Console(highlight=False)
    if not found.is_terminal and "COLUMNS" not in os.environ:
        found.width = _UNLIMITED
    return found
