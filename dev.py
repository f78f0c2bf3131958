"""Set up what the repository needs, and run it: ``python3 dev.py demo``, ``python3 dev.py test``.

This needs Python 3.11 or newer and a network, nothing else. It makes a virtual
environment for nox, once, and hands over to it; `noxfile.py` knows the rest. Before
``test`` it looks for what the sessions need of the system (`tools/needs.py`): as root
on Debian and Ubuntu it installs what is missing, elsewhere it says what that is.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HELP = """\
usage: python3 dev.py COMMAND [argument ...]

  demo            train a small network and draw what it learned
  test            run the whole test-suite: every session that CI runs
  bench           measure, beside the peers
  needs           say what the sessions need of the system and is missing
  list            list the sessions
  SESSION         run one session; arguments after -- go to its tool
"""
ROOT = Path(__file__).resolve().parent
NOX = ROOT / ".nox" / "bootstrap"
INTERRUPTED = 130  # what shells give for Ctrl-C
REQUIREMENTS = ["nox>=2025.2.9", "uv>=0.6"]


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):
        sys.exit(f"dev.py needs Python 3.11 or newer, and this is {sys.version.split()[0]}")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    command, *rest = arguments
    needs = [sys.executable, str(ROOT / "tools" / "needs.py")]
    if command == "needs":
        return call([*needs, *rest])
    if command == "test":
        run([*needs, "--install"], "look for what the system has")
        options = []
    elif command == "list":
        options = ["--list"]
    else:
        options = ["--session", command]
    program = nox()
    return call([program, "--noxfile", str(ROOT / "noxfile.py"), *options, *rest])


def nox() -> Path:
    """The nox program, installed at the first call; a half-made installation is made anew."""
    folder = "Scripts" if sys.platform == "win32" else "bin"
    program = NOX / folder / "nox"
    stamp = NOX / "complete"
    wanted = hashlib.sha256(repr((sys.executable, REQUIREMENTS)).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return program
    shutil.rmtree(NOX, ignore_errors=True)
    print("setting up nox in .nox/bootstrap ...", flush=True)
    run([sys.executable, "-m", "venv", str(NOX)], "make a virtual environment")
    pip = [str(NOX / folder / "python"), "-m", "pip", "install", "--quiet"]
    run([*pip, "--disable-pip-version-check", *REQUIREMENTS], "install nox")
    stamp.write_text(wanted)
    return program


def call(command: list[str]) -> int:
    """Run a program; Ctrl-C reaches it too, and this waits until it has ended."""
    interrupted = False
    with subprocess.Popen(command) as child:
        while True:
            try:
                status = child.wait()
            except KeyboardInterrupt:
                interrupted = True
            else:
                return INTERRUPTED if interrupted else status


def run(command: list[str], purpose: str) -> None:
    status = call(command)
    if status == INTERRUPTED:
        sys.exit(INTERRUPTED)
    if status != 0:
        hint = " (on Debian and Ubuntu: apt install python3-venv)" if "venv" in command else ""
        sys.exit(f"dev.py could not {purpose}{hint}; the reason stands above")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
