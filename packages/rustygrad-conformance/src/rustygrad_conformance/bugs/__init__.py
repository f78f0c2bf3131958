"""Engines that are wrong on purpose: the bugs that real projects of this family had.

Each is a copy of the reference engine with one thing changed, and says which
test of the suite catches it. They serve three ends: the suite is tested on them
(a suite that lets one pass is broken), the hints are found by running a failing
program on them, and an author can look at what a failure looks like:
``--rustygrad-backend rustygrad_conformance.bugs:relu_slope_at_0``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

from ..engine import Engine

__all__ = ["Bug", "bug", "bugs"]

#: The files of bugs written by hand, in the order of the stages that catch them.
SUBJECTS: Final = ("objects", "arithmetic", "rules", "flow", "habits", "records", "shortcuts")


class Bug:
    """One way to be wrong.

    Attributes:
        name: an identifier, and the name of the backend that has it.
        text: what the engine does, as a sentence without its full stop.
        caught_by: the name of the test that fails first.
        generated: whether it was made from the op table.
    """

    def __init__(
        self,
        name: str,
        text: str,
        caught_by: str,
        change: Callable[[Engine], Any],
        generated: bool = False,
    ) -> None:
        self.name = name
        self.text = text
        self.caught_by = caught_by
        self.generated = generated
        self._change = change
        self._backend: Any = None

    @property
    def backend(self) -> Any:
        """The backend that has this bug, made at the first use."""
        if self._backend is None:
            engine = Engine(self.name)
            self._change(engine)
            self._backend = engine.backend
        return self._backend

    def __repr__(self) -> str:
        return f"<bug {self.name}>"


_found: list[Bug] = []


def bug(text: str, caught_by: str) -> Callable[[Callable[[Engine], Any]], Callable[[Engine], Any]]:
    """Add a bug; the decorated function puts it into an engine, and names it."""

    def add(change: Callable[[Engine], Any]) -> Callable[[Engine], Any]:
        _found.append(Bug(change.__name__, text, caught_by, change))
        return change

    return add


@cache
def bugs() -> dict[str, Bug]:
    """All bugs by name, those written by hand first."""
    for subject in SUBJECTS:
        import_module(f"{__name__}.{subject}")
    derivatives = import_module(f"{__name__}.derivatives")
    every = [*_found, *derivatives.generated()]
    found = {one.name: one for one in every}
    assert len(found) == len(every), "two bugs have one name"
    return found


def __getattr__(name: str) -> Any:
    """The backend that has the bug of this name, for ``rustygrad_conformance.bugs:NAME``."""
    if name.startswith("__") or name not in bugs():
        raise AttributeError(f"no bug is called {name!r}")
    return bugs()[name].backend
