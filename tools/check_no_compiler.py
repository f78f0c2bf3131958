"""Check that a package in C, built where there is no compiler, says so in one line.

Usage: ``python tools/check_no_compiler.py PACKAGE``, with build, meson-python and ninja installed.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

MESSAGE = "needs a C compiler, and there is none. Debian, Ubuntu: apt install gcc;"

environment = {k: v for k, v in os.environ.items() if k not in ("CC", "CFLAGS", "LDFLAGS")}
environment["PATH"] = str(Path(sys.executable).parent)  # ninja is there, and no compiler
with tempfile.TemporaryDirectory() as target:
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", target]
    built = subprocess.run([*command, sys.argv[1]], capture_output=True, text=True, env=environment)
lines = [line for line in (built.stdout + built.stderr).splitlines() if MESSAGE in line]
if built.returncode == 0 or not lines:
    sys.exit(f"built without a compiler, or failed without a word:\n{built.stdout}{built.stderr}")
print(lines[-1])
