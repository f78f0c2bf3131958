"""Real installed distributions, each in a folder of its own, and programs run over some of them.

Every wheel is built once a session. A program runs in a new interpreter that
sees the standard library and the folders it is given, and an environment made
from scratch.
"""

import importlib.metadata
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = Path(__file__).parent / "distributions"

# One interpreter builds all, through the hook that pip would call in one each.
BUILD = """
import os, sys
from hatchling.build import build_wheel
target, *projects = sys.argv[1:]
for project in projects:
    os.chdir(project)
    print(project, build_wheel(target), sep="\\t")
"""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """The built wheels of core and of every fixture distribution, by the name of the folder."""
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("wheels")
    core = ROOT / "packages" / "rustygrad-core"
    projects = [core, *sorted(path.parent for path in SOURCES.glob("*/pyproject.toml"))]
    command = [sys.executable, "-c", BUILD, str(target), *map(str, projects)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    lines = (line.split("\t") for line in built.stdout.splitlines() if "\t" in line)
    return {Path(project).name: target / wheel for project, wheel in lines}


@pytest.fixture(scope="session")
def installed(wheels, tmp_path_factory):
    """Folders to put on the path: each wheel unpacked, and pluggy, as an installer leaves them."""
    folders = {}
    for name, wheel in wheels.items():
        folders[name] = tmp_path_factory.mktemp(name)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folders[name])
    folders["pluggy"] = tmp_path_factory.mktemp("pluggy")
    for file in importlib.metadata.files("pluggy"):
        if ".." not in file.parts and "__pycache__" not in file.parts:
            copy = folders["pluggy"] / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.locate().read_bytes())
    return folders


class Outcome:
    """What a program printed, what it warned of, and how it ended."""

    def __init__(self, finished):
        self.code = finished.returncode
        self.out = finished.stdout.splitlines()
        self.err = finished.stderr

    @property
    def warnings(self):
        """The text of each warning shown, which begins with its class."""
        lines = [line.partition(": ")[2] for line in self.err.splitlines()]
        return [line for line in lines if line.startswith("PluginWarning: ")]

    @property
    def error(self):
        """The last line of the traceback: the class and the text of the exception."""
        return self.err.splitlines()[-1] if self.code else ""


@pytest.fixture
def run(installed, tmp_path):
    """Runs a program over core and the named distributions."""

    def run(program, *distributions, env=(), options=()):
        folders = [installed[name] for name in ("rustygrad-core", "pluggy", *distributions)]
        environment = {
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            **dict(env),
        }
        if "SYSTEMROOT" in os.environ:  # without it Windows has no sockets and no randomness
            environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
        command = [sys.executable, "-S", *options, "-c", textwrap.dedent(program)]
        finished = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return Outcome(finished)

    return run
