"""The pytest plugin's door. It does nothing until a run names the suite.

pytest imports this module in every run of everyone who has the package
installed, so it imports nothing heavy, collects nothing and adds four options.
"""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["pytest_addoption", "pytest_collect_file", "pytest_configure"]

PACKAGE = Path(__file__).parent
SUITE = PACKAGE / "suite"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("rustygrad", "rustygrad backend conformance")
    group.addoption(
        "--rustygrad-backend",
        metavar="NAME",
        help="the backend to judge: an installed one's name, or module:attribute; "
        "by default what RUSTYGRAD_BACKEND says",
    )
    group.addoption(
        "--rustygrad-examples",
        metavar="N",
        type=int,
        default=150,
        help="how many random programs each property is tried on (%(default)s)",
    )
    group.addoption(
        "--rustygrad-depth",
        metavar="N",
        type=int,
        default=1_000_000,
        help="the length of the chain that must not overflow the stack (%(default)s)",
    )
    group.addoption(
        "--rustygrad-brief",
        action="store_true",
        help="show no more than the first failures of the first stage that is not done, and count "
        "the rest; `rustygrad conformance` gives this unless it is given -v or --tb",
    )


def asked_for(config: pytest.Config) -> bool:
    """Whether this run names the suite: ``--pyargs rustygrad_conformance``, or a path in it."""
    for argument in config.args:
        place = argument.partition("::")[0]
        if config.option.pyargs and place.partition(".")[0] == "rustygrad_conformance":
            return True
        if Path(place).resolve().is_relative_to(PACKAGE):
            return True
    return False


def pytest_configure(config: pytest.Config) -> None:
    """Load the rest of the suite where it was asked for."""
    if asked_for(config):
        from . import fixtures, session

        run = config.stash[session.SESSION] = session.Session(config)
        config.pluginmanager.register(run, "rustygrad-conformance-session")
        config.pluginmanager.register(fixtures, "rustygrad-conformance-fixtures")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect the files of the suite, which are named so that no other run does."""
    if file_path.parent != SUITE or file_path.name == "__init__.py":
        return None
    if file_path.suffix != ".py" or not asked_for(parent.config):
        return None
    if parent.session.isinitpath(file_path):  # named on the command line: pytest takes it itself
        return None
    module: pytest.Module = pytest.Module.from_parent(parent, path=file_path)
    return module


pytest.register_assert_rewrite("rustygrad_conformance.suite", "rustygrad_conformance.judge")
