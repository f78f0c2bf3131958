"""Which test catches which bug: measured, by running the suite on every one.

A worker process runs many: it imports and collects much faster the second time.
"""

from __future__ import annotations

import contextlib
import contextvars
import gc
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pytest

__all__ = ["first_failures", "run"]

#: Small, because only the first failure counts.
_REDUCED: Final = ("--rustygrad-examples=20", "--rustygrad-depth=20000")


class _Watcher:
    """Notes the first test that fails."""

    def __init__(self) -> None:
        self.first = ""
        self.why = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.first:
            self.first = report.nodeid.partition("::")[2]
            self.why = report.longreprtext


def run(backend: str, *options: str) -> tuple[str, str]:
    """Run the suite, reduced, up to the first failure.

    Args:
        backend: its name, see `target.load`.
        options: more of pytest's.

    Returns:
        The name of the test that failed and its report; two empty texts if none did.
    """
    watcher = _Watcher()
    gc.collect()
    gc.freeze()  # or each collection of the suite walks through all that runs before it left
    arguments = ["--pyargs", "rustygrad_conformance", "--rustygrad-backend", backend, "-x"]
    arguments += ["-p", "no:cacheprovider", "-p", "no:terminal", "-c", os.devnull]
    arguments += ["-p", "no:unraisableexception", "-p", "no:faulthandler"]
    with contextlib.redirect_stdout(io.StringIO()):
        # A copy, so that a backend that leaks a mode does not leave it to the next one.
        status = contextvars.copy_context().run(
            pytest.main, [*arguments, *_REDUCED, *options], [watcher]
        )
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"the suite did not run on {backend}: {status!r}")
    return watcher.first, watcher.why


def first_failures(names: Iterable[str], workers: int | None = None) -> dict[str, str]:
    """The first test that fails, by bug; '' for a bug that none catches."""
    todo = list(names)
    count = workers or os.cpu_count() or 1
    children = [_Worker(todo[i::count]) for i in range(count)]
    found: dict[str, str] = {}
    for child in children:
        found.update(child.results())
    return {name: found[name] for name in todo}


class _Worker:
    """A process that runs the suite on some of the bugs, one after another."""

    def __init__(self, names: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(names))
        self._process.stdin.close()
        self._process.stdin = None

    def results(self) -> dict[str, str]:
        """What it found, once it has ended."""
        output, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"a worker ended with status {self._process.returncode}: {output}")
        return dict(json.loads(line) for line in output.splitlines())


def _main() -> None:
    output: Any = sys.stdout
    for name in json.load(sys.stdin):
        first, _ = run(f"rustygrad_conformance.bugs:{name}")
        output.write(json.dumps([name, first]) + "\n")
        output.flush()


if __name__ == "__main__":
    _main()
