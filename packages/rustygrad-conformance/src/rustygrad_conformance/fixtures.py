"""What the tests of the suite are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rustygrad import get_backend

from . import target
from .judge import Judge
from .lifetime import Report
from .programs import Program
from .session import SESSION

__all__ = ["backend", "check", "deep", "judge", "other", "reference", "value"]


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Any:
    """The backend under test."""
    return request.config.stash[SESSION].backend


@pytest.fixture(scope="session")
def value(backend: Any) -> Any:
    """Its class of Values."""
    found = getattr(backend, "Value", None)
    if found is None:
        pytest.fail("the backend has no attribute Value, its class of Values")
    return found


@pytest.fixture(scope="session")
def reference() -> Any:
    """The backend that is right by definition."""
    return get_backend("python")


@pytest.fixture(scope="session")
def other() -> Any:
    """A correct backend that is not the one under test, to mix with it."""
    return target.load("rustygrad_conformance.engine:other")


@pytest.fixture(scope="session")
def judge(backend: Any) -> Judge:
    """Compares numbers as strictly as the backend promises."""
    return Judge(getattr(getattr(backend, "numerics", None), "ulps", 0))


@pytest.fixture(scope="session")
def check(request: pytest.FixtureRequest) -> Callable[[Program], None]:
    """Runs a `Program` on both backends, and fails where they differ."""
    session = request.config.stash[SESSION]

    def check(program: Program) -> None:
        __tracebackhide__ = True
        program.check(session.name, session.backend)

    return check


@pytest.fixture(scope="session")
def deep(request: pytest.FixtureRequest) -> Report:
    """What became of a chain of a million nodes, in a process of its own."""
    return request.config.stash[SESSION].start_child().report()
