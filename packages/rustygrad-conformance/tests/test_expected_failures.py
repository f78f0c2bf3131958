"""Failures that a backend's plugin declares: strict, and their names are checked."""

from __future__ import annotations

import pytest

ENGINE = """
from rustygrad_conformance.engine import Engine

engine = Engine("declared")
backend = engine.backend
{change}
backend.expected_failures = {failures!r}
"""
BROKEN = "engine.Value.__bool__ = lambda v: v._data != 0.0"
TEST = "test_every_value_is_true[0.0]"


def write(tmp_path, failures, change=""):
    (tmp_path / "declared.py").write_text(ENGINE.format(change=change, failures=failures))


def test_a_declared_failure_is_expected(run_suite, tmp_path):
    write(tmp_path, {TEST: "0 is false here"}, BROKEN)
    done = run_suite("--rustygrad-backend", "declared:backend", "-k", "every_value_is_true", "-rx")
    assert done.returncode == 0, done.stdout
    assert "1 xfailed" in done.stdout
    assert "0 is false here" in done.stdout
    assert "1 expected to fail" in done.stdout


def test_a_declared_failure_that_passes_fails_the_run(run_suite, tmp_path):
    write(tmp_path, {TEST: "0 was false once"})
    done = run_suite("--rustygrad-backend", "declared:backend", "-k", "every_value_is_true")
    assert done.returncode == 1
    assert "XPASS(strict)" in done.stdout


def test_only_the_declared_parameter_is_expected_to_fail(run_suite, tmp_path):
    write(tmp_path, {"test_every_value_is_true[1.0]": "not this one"}, BROKEN)
    done = run_suite("--rustygrad-backend", "declared:backend", "-k", "every_value_is_true")
    assert done.returncode == 1
    assert "2 failed" in done.stdout


def test_a_name_that_no_test_has_is_a_usage_error(run_suite, tmp_path):
    write(tmp_path, {"test_gone": "renamed since"})
    done = run_suite("--rustygrad-backend", "declared:backend")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "expected_failures of 'declared:backend' names tests that do not exist" in done.stderr
    assert "test_gone" in done.stderr
