"""What the tests of the suite share: pytest in a process and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_pytest(tmp_path: Path) -> Run:
    """Run pytest as a stranger would, in an empty folder."""

    def run(*arguments: str, backend: str = "") -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RUSTYGRAD")}
        if backend:
            environment["RUSTYGRAD_BACKEND"] = backend
        environment["PYTHONPATH"] = str(tmp_path)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def run_suite(run_pytest: Run) -> Run:
    """Run the suite, reduced."""

    def run(*arguments: str, backend: str = "") -> subprocess.CompletedProcess[str]:
        reduced = ["--rustygrad-examples=10", "--rustygrad-depth=20000"]
        return run_pytest(
            "--pyargs", "rustygrad_conformance", *reduced, *arguments, backend=backend
        )

    return run
