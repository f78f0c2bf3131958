"""An installation that is broken: `auto` takes the reference, and `c` by its name says what is wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rustygrad_c

OTHER_TABLE = "import rustygrad.ops as ops; ops.ADD.name = 'plus'\n"
FAILS = (
    f"the backend 'c' of rustygrad-c {rustygrad_c.__version__} is installed and fails to load: "
    "ImportError: "
)
MISSING = (
    f"rustygrad-c holds no module that was compiled for {sys.implementation.cache_tag}. "
    "Install it anew: pip install --force-reinstall --no-deps rustygrad-c"
)
MISMATCH = (
    "rustygrad-c was built for another op table: row 2 is 'plus', not 'add'. "
    "Install the versions of rustygrad-core and rustygrad-c that go together."
)


@pytest.fixture
def without_module(tmp_path):
    """A folder with the package as it is, but for the compiled module."""
    source = Path(rustygrad_c.__file__).parent
    skipped = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(source, tmp_path / "rustygrad_c", ignore=skipped)
    return tmp_path


def run(program, folder="", backend=""):
    """What a fresh interpreter prints, and the last line of what it says on standard error."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RUSTYGRAD")}
    environment |= {"PYTHONPATH": str(folder), "RUSTYGRAD_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    return done.stdout, done.stderr


PROGRAM = "import rustygrad; print(rustygrad.Value(1.0)._backend.name)"


def test_auto_warns_that_the_module_is_missing_and_takes_the_reference(without_module):
    out, err = run(PROGRAM, without_module)
    assert out == "python\n"
    assert f"fails to load, so the next one is taken: ImportError: {MISSING}" in err


def test_c_by_its_name_is_an_error_where_the_module_is_missing(without_module):
    out, err = run(PROGRAM, without_module, backend="c")
    assert out == ""
    assert err.endswith(f"BrokenPluginError: RUSTYGRAD_BACKEND='c': {FAILS}{MISSING}\n")


def test_auto_warns_of_another_op_table_and_takes_the_reference():
    out, err = run(OTHER_TABLE + PROGRAM)
    assert out == "python\n"
    assert f"fails to load, so the next one is taken: ImportError: {MISMATCH}" in err


def test_c_by_its_name_is_an_error_where_the_op_table_is_another():
    out, err = run(OTHER_TABLE + PROGRAM, backend="c")
    assert out == ""
    assert err.endswith(f"BrokenPluginError: RUSTYGRAD_BACKEND='c': {FAILS}{MISMATCH}\n")


def test_the_list_of_backends_says_why_c_is_broken(without_module):
    listing = (
        "import rustygrad; print([b for b in rustygrad.backends() if b.name == 'c'][0].status)"
    )
    assert run(listing, without_module)[0] == "broken\n"
