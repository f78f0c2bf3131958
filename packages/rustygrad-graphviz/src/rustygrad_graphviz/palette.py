"""Colours: the kind of a node by hue, the size of its gradient by shade."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

__all__ = ["COLOURS", "KINDS", "TROUBLE", "fill", "largest"]

#: What boxes are called by their colour: the roles of leaves, and results.
KINDS: Final = ("input", "parameter", "constant", "output")

#: Fill colours of each kind, from a gradient of 0 to the largest of the picture. Black text
#: is legible on all of them. Eyes that mix red and green see blue, tan, grey, yellow and, for
#: what lies between, a light grey; borders tell the kinds apart where hues do not.
COLOURS: Final = {
    "input": ("#e3f0fd", "#6cb2ee"),
    "parameter": ("#e2f6ec", "#3fbf90"),
    "constant": ("#f1f1f1", "#b4b4b4"),
    "output": ("#fff3bf", "#f5c518"),
    "": ("#ffffff", "#f1b3c0"),
}

#: The border of a node whose data or gradient is nan or infinite.
TROUBLE: Final = "#c1121f"

#: How many powers of ten below the largest gradient still have a shade of their own.
_DECADES: Final = 3.0


def largest(gradients: Iterable[float]) -> float:
    """The largest finite size among gradients, 0.0 if there is none."""
    return max((abs(g) for g in gradients if math.isfinite(g)), default=0.0)


def fill(kind: str, gradient: float, largest: float) -> str:
    """The fill colour of a node, ``#rrggbb``."""
    pale, deep = (_channels(colour) for colour in COLOURS[kind])
    t = _shade(abs(gradient), largest)
    return "#" + "".join(f"{round(a + t * (b - a)):02x}" for a, b in zip(pale, deep, strict=True))


def _shade(size: float, largest: float) -> float:
    """From 0 to 1, by powers of ten: sizes of gradients spread too far for a linear scale."""
    if size == 0.0 or math.isnan(size):
        return 0.0
    if size >= largest:
        return 1.0
    return max(0.15, 1.0 + (math.log10(size) - math.log10(largest)) / _DECADES)


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
