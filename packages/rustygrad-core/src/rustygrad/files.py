"""Files: written whole or not at all, with floats that keep their bits."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["floats_from_json", "floats_to_json", "read_text", "write_bytes", "write_text"]


def floats_to_json(numbers: Iterable[float]) -> list[Any]:
    """Numbers as they are, and what JSON has no number for as text: 'nan', 'inf', '-inf'."""
    return [x if math.isfinite(x) else str(x) for x in numbers]


def floats_from_json(items: Iterable[Any]) -> list[float]:
    """What `floats_to_json` was given.

    Raises:
        ValueError: an item is neither a number nor one of the three words.
    """
    numbers = []
    for item in items:
        if isinstance(item, (bool, str)) and item not in ("nan", "inf", "-inf"):
            raise ValueError(f"expected a number, not {item!r}")
        numbers.append(float(item))
    return numbers


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file beside its place, then move it there, so that no half of it is ever seen.

    Raises:
        OSError: the folder is missing or cannot be written to.
    """
    import tempfile  # costs more to import than all of this module

    folder, name = os.path.split(path)
    handle, beside = tempfile.mkstemp(dir=folder or ".", prefix=f".{name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(beside, 0o666 & ~umask)  # mkstemp makes it private
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def write_text(path: str | Path, content: str) -> None:
    """`write_bytes`, of text in UTF-8."""
    write_bytes(path, content.encode("utf-8"))


def read_text(path: str | Path) -> str:
    """The content of a file in UTF-8.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    with open(path, encoding="utf-8") as stream:
        return stream.read()
