"""Which operations have fed which: a table for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rustygrad.ops import LEAF, OPAQUE, OPS

__all__ = ["PAIRS", "table"]

_FED: Final = [OPAQUE.name, *OPS]
_FEEDING: Final = [LEAF.name, *_FED]
#: Every pair of an operation and one that takes its result.
PAIRS: Final = [(below, above) for below in _FEEDING for above in _FED]


def table(pairs: Counter[tuple[str, str]]) -> Iterator[str]:
    """The counts, line by line: a row an operation, a column one that takes its result.

    Args:
        pairs: how often each pair was seen with a gradient flowing through it.
    """
    missing = [pair for pair in PAIRS if not pairs[pair]]
    yield (
        f"pairs of operations with a gradient between them: {len(PAIRS) - len(missing)} "
        f"of {len(PAIRS)}"
    )
    width = max(map(len, _FEEDING))
    for depth in range(width):
        letters = [name.rjust(width)[depth] for name in _FED]
        yield f"{'':>{width}} {' '.join(letters)}"
    for below in _FEEDING:
        yield f"{below:>{width}} {' '.join(_digit(pairs[below, above]) for above in _FED)}"
    yield "a digit is the number of digits of the count; a dot is none"
    (below, above) = min(PAIRS, key=lambda pair: pairs[pair])
    yield f"the rarest: {below} into {above}, {pairs[below, above]} times"


def _digit(count: int) -> str:
    return str(len(str(count))) if count else "."
