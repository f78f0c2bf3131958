"""The options that all pictures have, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from rustygrad.errors import ArgumentError

__all__ = ["DIRECTIONS", "Options"]

#: Where results may lie as seen from their operands: right, below, left, above.
DIRECTIONS: Final = ("LR", "TB", "RL", "BT")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the pictures ``dot``, ``svg``, ``png`` and ``pdf`` can be asked for.

    Args:
        rankdir: the direction in which results follow operands: 'LR' (left to
            right), 'TB' (top to bottom), 'RL' or 'BT'.
        digits: decimals of the numbers, from 0 to 17. Numbers too large or too
            small for that notation get an exponent.
        expand: whether `sum`, `mean` and `dot` are written out in ``+``, ``*``
            and ``/``.
        fold: None to draw a graph as it is where it fits on a page, and else
            modules as one box each, or what repeats once, or what is nearest to
            the results. True to fold modules in any case, a whole number from 1 up
            to keep so many parts of their paths, False to draw every node.
        page: how many nodes are too many for a page, from 1 up.
        legend: whether a line above the picture says what the colours mean.
        timeout: how many seconds the layout may take. Text needs no layout.

    Raises:
        ArgumentError: an option has a value that makes no sense.
    """

    rankdir: str = "LR"
    digits: int = 4
    expand: bool = False
    fold: bool | int | None = None
    page: int = 100
    legend: bool = True
    timeout: float = 20.0

    def __post_init__(self) -> None:
        if self.rankdir not in DIRECTIONS:
            raise ArgumentError(f"rankdir is one of {', '.join(DIRECTIONS)}, not {self.rankdir!r}")
        if not (_is_whole(self.digits) and 0 <= self.digits <= 17):
            raise ArgumentError(f"digits is a whole number from 0 to 17, not {self.digits!r}")
        for name in ("expand", "legend"):
            if not isinstance(getattr(self, name), bool):
                raise ArgumentError(f"{name} is True or False, not {getattr(self, name)!r}")
        if not (
            self.fold is None
            or isinstance(self.fold, bool)
            or (_is_whole(self.fold) and self.fold >= 1)
        ):
            raise ArgumentError(
                f"fold is None, True, False or a whole number from 1 up, not {self.fold!r}"
            )
        if not (_is_whole(self.page) and self.page >= 1):
            raise ArgumentError(f"page is a whole number from 1 up, not {self.page!r}")
        if not (isinstance(self.timeout, (int, float)) and 0 < self.timeout < math.inf):
            raise ArgumentError(f"timeout is a number of seconds above 0, not {self.timeout!r}")


def _is_whole(x: Any) -> bool:
    return hasattr(type(x), "__index__")
