"""Files: written whole or not at all, with floats that keep their bits."""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "check_writable",
    "floats_from_json",
    "floats_to_json",
    "read_json",
    "read_text",
    "write_bytes",
    "write_text",
]


def floats_to_json(numbers: Iterable[float]) -> list[Any]:
    """Numbers as they are, and what JSON has no number for as text: 'nan', 'inf', '-inf'."""
    return [x if math.isfinite(x) else str(x) for x in numbers]


def floats_from_json(items: Iterable[Any]) -> list[float]:
    """What `floats_to_json` was given.

    Raises:
        ValueError: an item is neither a number that a float can hold nor one of
            the three words.
    """
    numbers = []
    for item in items:
        if type(item) not in (int, float) and item not in ("nan", "inf", "-inf"):
            raise ValueError(f"expected a number, not {item!r:.60}")
        try:
            numbers.append(float(item))
        except OverflowError:
            raise ValueError("expected a number, not an integer too large for a float") from None
    return numbers


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file beside its place, then move it there, so that no half of it is ever seen.

    A symbolic link stays, and what it points at is written. A file that is
    there keeps its permissions. What is no file, such as a pipe or
    ``/dev/null``, is written to as it is.

    Raises:
        PermissionError: the file is read-only.
        IsADirectoryError: `path` is a folder.
        OSError: the folder is missing or cannot be written to.
    """
    target = os.path.realpath(path)
    try:
        permissions = _permissions(target)
        if permissions is None:
            with open(target, "wb") as stream:
                stream.write(content)
        else:
            _replace(target, content, permissions)
    except OSError as error:
        if error.errno is None:
            raise
        # as `open` would say it: of the path that was given, not of one beside it
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def check_writable(path: str | Path) -> None:
    """Raise now what `write_bytes` would raise after long work, as far as can be told.

    Raises:
        OSError: see `write_bytes`.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    try:
        if _permissions(target) is not None:
            os.stat(folder)
            if not os.access(folder, os.W_OK):
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _permissions(target: str) -> int | None:
    """What to give the new file: those of the old one, -1 where none is there yet.

    None where what is there is no file, and cannot be replaced by one.
    """
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return -1
    if stat.S_ISDIR(old.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(old.st_mode):
        return None
    if not old.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return stat.S_IMODE(old.st_mode)


def _replace(target: str, content: bytes, permissions: int) -> None:
    # a short name of its own, because that of the target may be as long as a name can be
    beside = os.path.join(os.path.dirname(target), f".rustygrad-{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(beside, flags, 0o666)  # of which the umask takes away what it does
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        if permissions != -1:
            os.chmod(beside, permissions)
        os.replace(beside, target)
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


def read_json(path: str | Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON in UTF-8.
    """
    import json

    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None
