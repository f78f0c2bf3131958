"""Without node the package is built all the same, without the page, and says so."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]


@pytest.fixture
def copy(tmp_path):
    """The package's sources as they come from the repository."""
    pytest.importorskip("hatchling")
    ignored = shutil.ignore_patterns("node_modules", "viewer.html*", "__pycache__")
    return shutil.copytree(PACKAGE, tmp_path / "package", ignore=ignored)


def built(folder):
    """What the build says, and the files of the wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"]
    environment = {"PATH": str(folder / "nothing")}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    (wheel,) = (folder / "out").glob("*.whl")
    return done.stderr.decode() + done.stdout.decode(), zipfile.ZipFile(wheel).namelist()


def test_one_line_says_that_the_page_is_missing(copy):
    said, names = built(copy)
    assert "built without its page (.html files): node and npm are not on PATH" in said
    assert "rustygrad_graphviz/dot.py" in names
    assert "rustygrad_graphviz/viewer.html" not in names


def test_a_page_that_is_there_already_is_taken_as_it_is(copy):
    page = copy / "src/rustygrad_graphviz/viewer.html"
    page.write_text("the page", encoding="ascii")
    said, names = built(copy)
    assert "page" not in said
    assert "rustygrad_graphviz/viewer.html" in names
