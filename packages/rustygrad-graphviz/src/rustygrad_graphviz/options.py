"""The options of pictures, and what each of them, and of the page's, can be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Final

from rustygrad.convert import as_whole
from rustygrad.errors import ArgumentError

__all__ = ["DAY", "DIRECTIONS", "Options", "check"]

#: Where results may lie as seen from their operands: right, below, left, above.
DIRECTIONS: Final = ("LR", "TB", "RL", "BT")
#: The most seconds that a layout may be given; what waits for it can count about 25 days.
DAY: Final = 86_400


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
        timeout: how many seconds the layout may take, no more than a day. Text needs
            no layout.

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
        for field in fields(self):
            check(field.name, getattr(self, field.name))


def check(name: str, given: Any) -> None:
    """Refuse a value that an option cannot have.

    Raises:
        ArgumentError: naming the option, and what it can be.
    """
    fits, expected = _EXPECTED[name]
    if not fits(given):
        raise ArgumentError(f"{name} is {expected}, not {given!r:.60}")


def _is_whole(x: Any, least: int, most: float = math.inf) -> bool:
    whole = as_whole(x)
    return whole is not None and least <= whole <= most


def _is_real(x: Any) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


def _is_bool(x: Any) -> bool:
    return isinstance(x, bool)


#: By option, whether a value is one that it can have, and what that is in words.
_EXPECTED: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "rankdir": (
        lambda x: isinstance(x, str) and x in DIRECTIONS,
        f"one of {', '.join(DIRECTIONS)}",
    ),
    "digits": (lambda x: _is_whole(x, 0, 17), "a whole number from 0 to 17"),
    "expand": (_is_bool, "True or False"),
    "fold": (
        lambda x: x is None or _is_bool(x) or _is_whole(x, 1),
        "None, True, False or a whole number from 1 up",
    ),
    "page": (lambda x: _is_whole(x, 1), "a whole number from 1 up"),
    "legend": (_is_bool, "True or False"),
    "timeout": (
        lambda x: _is_real(x) and 0 < x <= DAY,
        f"a number of seconds above 0 and up to {DAY:,}, a day",
    ),
    "title": (lambda x: isinstance(x, str), "text"),
}
