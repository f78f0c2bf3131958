"""Steps of every kind leave nothing behind; the session `soak` takes a hundred thousand."""

import subprocess
import sys
from pathlib import Path


def test_steps_leave_nothing_behind():
    program = str(Path(__file__).parent / "soak.py")
    command = [sys.executable, "-X", "faulthandler", program, "--here", "--steps", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
