"""What an engine looks at when it makes a node: `no_grad`, `anomaly` and the scope.

All three live in one immutable `Mode`, held by one context variable, so a
thread or an asyncio task sees its own, and an engine reads one thing a node.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

__all__ = [
    "PLAIN",
    "Mode",
    "anomaly",
    "current",
    "is_scope",
    "mode",
    "no_grad",
    "scope_id",
    "scope_path",
    "user_line",
]


class Mode:
    """How nodes are made from now on. There is one object of each kind, see `mode`.

    Attributes:
        scope: the number of the scope that nodes are stamped with, 0 for none.
        grad: whether operations record how they were made.
        anomaly: whether the first nan or inf raises.
        recording: whether nodes remember the user's line; always so with `anomaly`.
        special: whether a node needs more than its scope.
    """

    __slots__ = ("anomaly", "grad", "recording", "scope", "special")

    def __init__(self, scope: int, grad: bool, anomaly: bool, recording: bool = False) -> None:
        self.scope = scope
        self.grad = grad
        self.anomaly = anomaly
        self.recording = recording or anomaly
        self.special = self.recording or not grad


def mode(scope: int, grad: bool, anomaly: bool, recording: bool = False) -> Mode:
    """The mode of these attributes, always the same object."""
    return _known(scope, grad, anomaly, recording or anomaly)


_known = cache(Mode)


#: The mode that asks for nothing.
PLAIN: Final = mode(0, True, False)

#: The mode of this thread or task. Engines call ``current.get()`` for each node.
current: Final[ContextVar[Mode]] = ContextVar("rustygrad_mode", default=PLAIN)


def _switched(to: Mode) -> Iterator[None]:
    token = current.set(to)
    try:
        yield
    finally:
        current.reset(token)


@contextmanager
def no_grad() -> Iterator[None]:
    """A context in which operations give plain leaves, without a history.

    Example:
        >>> import rustygrad
        >>> w = rustygrad.Value(3.0)
        >>> with rustygrad.no_grad():
        ...     y = w * w
        >>> y._prev
        ()
    """
    now = current.get()
    yield from _switched(mode(now.scope, False, now.anomaly, now.recording))


@contextmanager
def anomaly(*, raises: bool = True) -> Iterator[None]:
    """A context in which the first nan or inf that finite operands make raises.

    The `AnomalyError` names the operation, its operands and the line of your
    program. Inside it each node also remembers the line that made it, so that
    `backward`, graphs and `explain` can name it too.

    Args:
        raises: False to remember the lines alone, and let every number pass. An
            `anomaly()` inside another one decides for itself.

    Example:
        >>> import rustygrad
        >>> with rustygrad.anomaly():
        ...     rustygrad.Value(0.0).log()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        rustygrad.errors.AnomalyError: log(0.0) gave -inf at ...
    """
    now = current.get()
    yield from _switched(mode(now.scope, now.grad, raises, True))


def user_line(*engines: str) -> str:
    """Where the innermost frame outside the library is: ``file.py:12``.

    In a notebook, as its tracebacks say it: ``Cell In[3], line 12``.

    Args:
        engines: packages to count as part of the library, such as the caller's own.
    """
    frame: Any = sys._getframe(1)
    inside = {"rustygrad", *engines}
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in inside:
        frame = frame.f_back
    filename = frame.f_code.co_filename
    cell = _cell(filename)
    return f"{cell}, line {frame.f_lineno}" if cell else f"{filename}:{frame.f_lineno}"


def _cell(filename: str) -> str:
    """Which cell of a notebook a file is, whose name nobody knows; '' if it is none."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    compiler = getattr(get_shell and get_shell(), "compile", None)
    named = getattr(compiler, "format_code_name", None)
    return " ".join((named and named(filename)) or ())


# --- scopes -----------------------------------------------------------------

_paths: list[str] = [""]
_ids: dict[str, int] = {"": 0}
_naming = threading.Lock()


def scope_id(path: str) -> int:
    """The number that stands for a scope path such as ``layers.0.neurons.3``."""
    number = _ids.get(path)
    if number is None:
        with _naming:  # a number that lost a race between two threads stays unused
            _paths.append(path)
            number = _ids.setdefault(path, len(_paths) - 1)
    return number


def is_scope(number: int) -> bool:
    """Whether `scope_id` gave this number."""
    return 0 <= number < len(_paths)


def scope_path(number: int) -> str:
    """The path that `scope_id` gave this number for."""
    return _paths[number]
