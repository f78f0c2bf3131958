"""What the sessions need of the system, beside Python: says what is missing, or installs it.

Usage: ``python tools/needs.py [--install]``. It installs with apt-get, where that is there and
this runs as root; elsewhere it says what to do. What stays missing is no failure: the sessions
and tests that need it are skipped, and say so.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Need(NamedTuple):
    """One thing that is needed.

    Attributes:
        here: what tells that it is there.
        packages: what installs it on Debian and Ubuntu.
        purpose: what goes without it where it is missing.
    """

    here: Callable[[], bool]
    packages: str
    purpose: str


def program(*names: str) -> Callable[[], bool]:
    """Whether one of some programs is on PATH."""
    return lambda: any(map(shutil.which, names))


def has_headers() -> bool:
    return (Path(sysconfig.get_path("include")) / "Python.h").exists()


def has_ensurepip() -> bool:
    return find_spec("ensurepip") is not None


NEEDS = {
    "virtual environments": Need(has_ensurepip, "python3-venv", "every session"),
    "git": Need(program("git"), "git", "the sdist of rustygrad-c"),
    "C compiler": Need(
        program("cc", "gcc", "clang", "cl"), "gcc libc6-dev", "the backend in C"
    ),
    "Python headers": Need(has_headers, "python3-dev", "the backend in C"),
    "Graphviz": Need(program("dot"), "graphviz", "the tests that draw pictures"),
    "browser": Need(
        program("chromium", "chromium-browser", "google-chrome"), "chromium",
        "the tests of pages in a browser",
    ),
    "node": Need(program("node", "nodejs"), "nodejs", "the page of the exporter html"),
    "npm": Need(program("npm"), "npm", "the page of the exporter html"),
}  # fmt: skip


def missing() -> list[str]:
    """The names of what is not there."""
    return [name for name, need in NEEDS.items() if not need.here()]


def advice(name: str) -> str:
    """One line about what is missing."""
    need = NEEDS[name]
    return f"missing: {name}, for {need.purpose}. Debian, Ubuntu: apt install {need.packages}"


def install(names: list[str]) -> None:
    """Install with apt-get, each on its own, so that one that is not to be had costs no other."""
    apt = ["apt-get", "--quiet", "--yes"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*apt, "update"], env=environment, stdout=subprocess.DEVNULL)
    for name in names:
        packages = NEEDS[name].packages.split()
        print("installing", *packages, flush=True)
        command = [*apt, "install", "--no-install-recommends", *packages]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)


def may_install() -> bool:
    return bool(shutil.which("apt-get")) and hasattr(os, "geteuid") and os.geteuid() == 0


def main(arguments: list[str]) -> None:
    names = missing()
    if names and "--install" in arguments and may_install():
        install(names)
        names = missing()
    for name in names:
        print(advice(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
