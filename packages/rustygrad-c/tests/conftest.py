"""What the tests of the C engine share."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def run_clean():
    """Run a program in a fresh interpreter; it must end well and say nothing."""

    def run(program):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RUSTYGRAD")}
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-W", "error", "-c", program],
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    return run
