"""Sameness of numbers: to the bit, or within what the backend promises."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

__all__ = ["Judge", "bits", "shown", "ulps_between"]


def bits(x: float) -> bytes:
    """The bits of a float; those of one nan for every nan."""
    return struct.pack("<d", x if x == x else math.nan)


def _ordinal(x: float) -> int:
    """Its position among the floats, so that neighbours differ by 1."""
    number: int = struct.unpack("<q", struct.pack("<d", x))[0]
    return number if number >= 0 else -(number & 0x7FFF_FFFF_FFFF_FFFF)


def ulps_between(x: float, y: float) -> float:
    """How many floats lie from one to the other; inf between nan and a number."""
    if x != x or y != y:
        return 0 if x != x and y != y else math.inf
    return abs(_ordinal(x) - _ordinal(y))


def shown(x: Any) -> str:
    """A number as a failure shows it."""
    return repr(x) if type(x) is float else f"{x!r}, a {type(x).__name__} and not a float"


class Judge:
    """Compares a backend's numbers with the right ones, as strictly as it promises.

    Args:
        ulps: what ``backend.numerics`` allows; 0 for the same bits.
    """

    def __init__(self, ulps: int) -> None:
        self.ulps = ulps

    def same(self, got: Any, right: float) -> bool:
        """Whether a number will do."""
        if type(got) is not float:
            return False
        if self.ulps:
            return ulps_between(got, right) <= self.ulps
        return bits(got) == bits(right)  # no distance: 0.0 and -0.0 are none apart, and differ

    def __call__(self, got: Any, right: float, what: str = "it") -> None:
        """Fail unless a number will do.

        Raises:
            AssertionError: saying which number it is and what it should be.
        """
        __tracebackhide__ = True
        if not self.same(got, right):
            limit = f", within {self.ulps} ulps" if self.ulps else ""
            raise AssertionError(f"{what} is {shown(got)} and should be {right!r}{limit}")

    def all(self, got: Sequence[Any], right: Sequence[float], what: str = "they") -> None:
        """Fail unless all of several numbers will do."""
        __tracebackhide__ = True
        assert len(got) == len(right), f"{what}: {len(got)} numbers, and should be {len(right)}"
        for i, (x, y) in enumerate(zip(got, right, strict=True)):
            self(x, y, f"{what}[{i}]")
