"""The pytest plugin: inert unless asked, clear when misused, and a coach."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from rustygrad_conformance.stages import STAGES

LOOPBACK = "rustygrad_conformance.engine:loopback"


def test_a_strangers_run_collects_nothing_of_the_suite(run_pytest, tmp_path):
    (tmp_path / "test_mine.py").write_text("def test_mine(): pass\n")
    done = run_pytest()
    assert done.returncode == 0
    assert "1 passed" in done.stdout
    assert "rustygrad conformance" not in done.stdout
    assert "rustygrad backend:" not in done.stdout


def test_a_strangers_run_imports_nothing_of_the_suite(run_pytest, tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import sys\n"
        "def test_mine():\n"
        "    found = {n.partition('.')[0] for n in sys.modules}\n"
        "    assert not found & {'rustygrad', 'mpmath', 'numpy'}\n"
        "    loaded = {n for n in sys.modules if n.startswith('rustygrad_conformance')}\n"
        "    assert loaded <= {'rustygrad_conformance', 'rustygrad_conformance._version',\n"
        "                      'rustygrad_conformance.plugin'}\n"
    )
    done = run_pytest("-p", "no:hypothesispytest")
    assert done.returncode == 0, done.stdout


def test_the_option_alone_does_not_start_the_suite(run_pytest, tmp_path):
    (tmp_path / "test_mine.py").write_text("def test_mine(): pass\n")
    done = run_pytest("--rustygrad-backend", "python")
    assert "1 passed" in done.stdout
    assert done.returncode == 0


def test_a_folder_that_holds_the_package_is_not_searched_for_it(run_pytest):
    from rustygrad_conformance import plugin

    done = run_pytest(str(plugin.PACKAGE.parent), "--collect-only", "-q")
    assert "rustygrad_conformance/suite" not in done.stdout


def test_no_backend_named_is_a_usage_error(run_suite):
    done = run_suite()
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "which backend? Say --rustygrad-backend NAME, or set RUSTYGRAD_BACKEND" in done.stderr
    assert "'python'" in done.stderr


def test_an_unknown_backend_is_a_usage_error(run_suite):
    done = run_suite("--rustygrad-backend", "pyhton")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no such backend" in done.stderr
    assert "Did you mean 'python'?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["no_such_module:backend", f"{LOOPBACK}_not"])
def test_a_backend_that_is_not_where_it_should_be_is_a_usage_error(run_suite, name):
    done = run_suite("--rustygrad-backend", name)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in done.stderr


def test_the_backend_may_be_named_by_the_environment(run_suite):
    done = run_suite("-k", "test_data_is_a_float", backend="python")
    assert done.returncode == 0
    assert "rustygrad backend: python (exact)" in done.stdout


def test_the_option_wins_over_the_environment(run_suite):
    done = run_suite("-k", "test_data_is_a_float", "--rustygrad-backend", "python", backend="nope")
    assert done.returncode == 0, done.stderr


def test_one_stage_can_be_run_alone(run_pytest):
    done = run_pytest(
        "--pyargs", "rustygrad_conformance.suite.construct", "--rustygrad-backend", "python"
    )
    assert done.returncode == 0
    assert re.search(r"1 construct +\d+ passed", done.stdout)
    assert re.search(r"2 forward +not selected", done.stdout)


def test_stages_run_in_order_and_all_of_them_pass_on_a_right_engine(run_suite):
    done = run_suite("--rustygrad-backend", LOOPBACK)
    assert done.returncode == 0, done.stdout
    names = re.findall(r"^ *\d+ (\w+) +\d+ passed", done.stdout, re.MULTILINE)
    assert names == [stage.name for stage in STAGES]
    assert "All that ran is right." in done.stdout
    files = re.findall(r"suite/(\w+)\.py", done.stdout)
    assert list(dict.fromkeys(files)) == names


def test_names_of_tests_are_unique(run_suite):
    done = run_suite("--rustygrad-backend", "python", "--collect-only", "-q")
    names = [line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert len(names) > 500
    assert len(names) == len(set(names))


def test_a_failure_ends_in_advice(run_suite):
    bug = "rustygrad_conformance.bugs:gradient_overwritten"
    done = run_suite("--rustygrad-backend", bug, "-x")
    assert done.returncode == 1
    assert re.search(r"2 forward +\d+ passed", done.stdout)
    assert re.search(r"3 backward +1 failed, \d+ passed, \d+ not reached", done.stdout)
    assert re.search(r"4 programs +not reached", done.stdout)
    assert "Next: backward, 1 to mend. Follow each row's vjp" in done.stdout
    assert "Begin with test_a_product_of_a_leaf_with_itself_adds_both_gradients" in done.stdout
    assert "gradients are stored with = where they should be added with +=" in done.stdout


def test_a_failure_prints_a_program_that_runs_and_differs(run_pytest):
    # a bug that no choice of random programs can miss
    bug = "rustygrad_conformance.bugs:gradient_overwritten"
    done = run_pytest(
        "--pyargs", "rustygrad_conformance.suite.programs", "--rustygrad-backend", bug, "-x"
    )
    assert "Looks like: gradients are stored with = where they should be added" in done.stdout
    listing = done.stdout.partition("This program differs from the reference:")[2]
    lines = [line[1:].strip() for line in listing.splitlines()]
    start = lines.index("from math import inf, nan")
    program = lines[start : lines.index("", start)]
    problem = next(line for line in lines if " and should be " in line)
    what, _, number = problem.partition(" and should be ")
    expression, _, wrong = what.partition(" is ")
    again = subprocess.run(
        [sys.executable, "-c", "\n".join([*program, f"print(repr({expression}))"])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout.strip() == wrong != number


HALF_WRITTEN = """
from rustygrad.interfaces import exact

class Value:
    def __init__(self, data, _children=(), _op="", label=""):
        self.data = float(data)
        self.grad = 0.0
        self._prev, self._op, self.label = tuple(_children), _op, label

class Engine:
    name = "half"
    numerics = exact
    Value = Value

backend = Engine()
Value._backend = backend
"""


def test_a_half_written_backend_gets_failures_and_no_crash(run_suite, tmp_path):
    (tmp_path / "half.py").write_text(HALF_WRITTEN)
    done = run_suite("--rustygrad-backend", "half:backend", "--tb=line")
    assert done.returncode == 1
    assert "INTERNALERROR" not in done.stdout
    assert "errors during collection" not in done.stdout
    assert re.search(r"1 construct +\d+ failed, \d+ passed", done.stdout)
    assert "Next: construct" in done.stdout


def after_the_list_of_failures(output):
    """What follows pytest's last line about a failure."""
    lines = output.splitlines()
    last = max(i for i, line in enumerate(lines) if line.startswith("FAILED "))
    return "\n".join(lines[last + 1 :])


def test_the_report_is_last(run_suite, tmp_path):
    (tmp_path / "half.py").write_text(HALF_WRITTEN)
    done = run_suite("--rustygrad-backend", "half:backend", "--tb=line")
    assert "rustygrad conformance of 'half:backend'" in after_the_list_of_failures(done.stdout)
    assert re.search(r"\d+ failed", done.stdout.splitlines()[-1])
    assert len(done.stdout.splitlines()) > 600


def test_a_brief_run_shows_the_first_failures_of_the_first_stage_alone(run_suite, tmp_path):
    (tmp_path / "half.py").write_text(HALF_WRITTEN)
    done = run_suite("--rustygrad-backend", "half:backend", "--rustygrad-brief", "--tb=short")
    failed = re.findall(r"^FAILED \S*suite/(\w+)\.py::", done.stdout, re.MULTILINE)
    assert failed == ["construct"] * 20
    assert len(re.findall(r"^_{3,} test\S* _{3,}$", done.stdout, re.MULTILINE)) == 20
    report = after_the_list_of_failures(done.stdout)
    hidden = int(re.match(r"\.\.\. and (\d+) more, which -v shows\.\n", report)[1])
    assert int(re.search(r"(\d+) failed", done.stdout.splitlines()[-1])[1]) == hidden + 20
    assert "Next: construct" in report


def test_a_brief_run_of_a_right_engine_hides_nothing(run_suite):
    done = run_suite("--rustygrad-backend", LOOPBACK, "--rustygrad-brief", "-k", "construct")
    assert done.returncode == 0
    assert "more, which" not in done.stdout


def test_values_that_do_not_know_their_backend_are_the_first_advice(run_suite, tmp_path):
    source = HALF_WRITTEN.replace("Value._backend = backend", "")
    (tmp_path / "half.py").write_text(source)
    done = run_suite("--rustygrad-backend", "half:backend", "--tb=line")
    report = after_the_list_of_failures(done.stdout)
    assert re.search(r"First: set Value\._backend = backend\. .*\nNext: construct", report)
    assert "First: " not in run_suite("--rustygrad-backend", LOOPBACK, "-k", "add").stdout


@pytest.mark.parametrize("left_out", ["Value", "numerics", "name"])
def test_a_backend_without_an_attribute_is_told_so(run_suite, tmp_path, left_out):
    source = HALF_WRITTEN + f"\ndel Engine.{left_out}\n"
    if left_out == "name":
        source += "Engine.name = None\n"
    (tmp_path / "half.py").write_text(source)
    done = run_suite("--rustygrad-backend", "half:backend", "--tb=line")
    assert "INTERNALERROR" not in done.stdout
    assert done.returncode in (1, pytest.ExitCode.USAGE_ERROR)
    assert left_out in done.stdout + done.stderr


def test_an_engine_that_kills_its_process_fails_the_phase_it_was_in(run_suite, tmp_path):
    (tmp_path / "deadly.py").write_text(
        "import os, signal\n"
        "from rustygrad_conformance.engine import Engine\n"
        "engine = Engine('deadly')\n"
        "backend = engine.backend\n"
        "right = engine.value.backward_order\n"
        "def order(root, zero):\n"
        "    found = right(root, zero)\n"
        "    if len(found) > 15000:\n"
        "        os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    return found\n"
        "engine.value.backward_order = order\n"
    )
    done = run_suite("--rustygrad-backend", "deadly:backend", "-k", "million", "--tb=line")
    assert "the process died of SIGSEGV; most often that is recursion in C" in done.stdout
    assert "not reached, because of backward" in done.stdout
    assert "1 passed" in done.stdout  # it was built
