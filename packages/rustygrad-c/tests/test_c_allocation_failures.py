"""Memory may end at any allocation: a MemoryError, never a crash, a loss or a wrong result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("_testcapi", reason="CPython's own test module is not installed")


def test_every_allocation_of_every_operation_may_fail():
    program = Path(__file__).parent / "allocation_failures.py"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(program)],
        capture_output=True, text=True, timeout=600, env=os.environ,
    )  # fmt: skip
    last = "\n".join(done.stderr.splitlines()[-12:])  # what it was about to do
    assert done.returncode == 0, f"{done.stdout}\n{last}"
    failures = int(done.stdout.split("operations, ")[1].split()[0])
    assert failures > 1000, f"only {failures} allocations failed"
