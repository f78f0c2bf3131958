"""What an engine looks at when it makes a node: `no_grad`, `anomaly` and the scope.

All three live in one immutable `Mode`, held by one context variable, so a
thread or an asyncio task sees its own, and an engine reads one thing a node.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

__all__ = [
    "PLAIN",
    "Mode",
    "anomaly",
    "current",
    "no_grad",
    "scope_id",
    "scope_path",
    "user_line",
]


class Mode:
    """How nodes are made from now on.

    Attributes:
        scope: the number of the scope that nodes are stamped with, 0 for none.
        grad: whether operations record how they were made.
        anomaly: whether the first nan or inf raises.
    """

    __slots__ = ("_scoped", "anomaly", "grad", "scope")

    def __init__(self, scope: int = 0, grad: bool = True, anomaly: bool = False) -> None:
        self.scope = scope
        self.grad = grad
        self.anomaly = anomaly
        self._scoped: dict[int, Mode] = {}

    def within(self, scope: int) -> Mode:
        """The same mode in another scope."""
        mode = self._scoped.get(scope)
        if mode is None:
            mode = self._scoped[scope] = Mode(scope, self.grad, self.anomaly)
        return mode


#: The mode that asks for nothing.
PLAIN: Final = Mode()

#: The mode of this thread or task. Engines call ``current.get()`` for each node.
current: Final[ContextVar[Mode]] = ContextVar("rustygrad_mode", default=PLAIN)


@contextmanager
def _switched(mode: Mode) -> Iterator[None]:
    token = current.set(mode)
    try:
        yield
    finally:
        current.reset(token)


def no_grad() -> Any:
    """A context in which operations give plain leaves, without a history.

    Example:
        >>> import rustygrad
        >>> w = rustygrad.Value(3.0)
        >>> with rustygrad.no_grad():
        ...     y = w * w
        >>> y._prev
        ()
    """
    mode = current.get()
    return _switched(Mode(mode.scope, False, mode.anomaly))


def anomaly() -> Any:
    """A context in which the first nan or inf that finite operands make raises.

    The `AnomalyError` names the operation, its operands and the line of your
    program. Inside it each node also remembers the line that made it, so that
    `backward` can name it too.

    Example:
        >>> import rustygrad
        >>> with rustygrad.anomaly():
        ...     rustygrad.Value(0.0).log()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        rustygrad.errors.AnomalyError: log(0.0) gave -inf at ...
    """
    mode = current.get()
    return _switched(Mode(mode.scope, mode.grad, True))


def user_line() -> str:
    """Where the innermost frame outside the library is: ``file.py:12``."""
    frame: Any = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("rustygrad"):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


# --- scopes -----------------------------------------------------------------

_paths: list[str] = [""]
_ids: dict[str, int] = {"": 0}


def scope_id(path: str) -> int:
    """The number that stands for a scope path such as ``layers.0.neurons.3``."""
    number = _ids.get(path)
    if number is None:
        # setdefault decides which of two racing threads names the path; a
        # number that lost the race stays unused.
        _paths.append(path)
        number = _ids.setdefault(path, _paths.index(path))
    return number


def scope_path(number: int) -> str:
    """The path that `scope_id` gave this number for."""
    return _paths[number]
