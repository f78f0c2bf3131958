"""tools/needs.py on systems that have nothing: it says so, or installs it."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "tools" / "needs.py"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no apt-get on Windows")

# It writes down how it was called, and lets the programs of a package appear on PATH.
APT_GET = """#!/bin/sh
echo "$@" >> "$0.log"
case "$*" in *graphviz) echo > "${0%/*}/dot"; /bin/chmod +x "${0%/*}/dot";; esac
case "$*" in *gcc*) exit 100;; esac
"""


@pytest.fixture
def needs():
    spec = importlib.util.spec_from_file_location("needs", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """The only folder on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def with_apt_get(folder, monkeypatch, user):
    program = folder / "apt-get"
    program.write_text(APT_GET)
    program.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: user)


def test_what_is_missing_is_named_with_the_command_that_installs_it(needs, empty, capsys):
    needs.main([])
    lines = capsys.readouterr().out.splitlines()
    assert (
        "missing: C compiler, for the backend in C. Debian, Ubuntu: apt install gcc libc6-dev"
        in lines
    )
    assert len([line for line in lines if line.startswith("missing: ")]) == len(lines) >= 6


def test_what_is_there_is_not_named(needs, empty, capsys):
    (empty / "dot").write_text("")
    (empty / "dot").chmod(0o755)
    needs.main([])
    assert "Graphviz" not in capsys.readouterr().out


def test_root_installs_with_apt_get_and_one_failure_costs_no_other(
    needs, empty, monkeypatch, capsys
):
    with_apt_get(empty, monkeypatch, user=0)
    needs.main(["--install"])
    calls = (empty / "apt-get.log").read_text().splitlines()
    assert calls[0] == "--quiet --yes update"
    assert "--quiet --yes install --no-install-recommends gcc libc6-dev" in calls
    said = capsys.readouterr().out
    assert "missing: C compiler" in said  # its installation failed
    assert "missing: Graphviz" not in said


@pytest.mark.parametrize(("user", "arguments"), [(1000, ["--install"]), (0, [])])
def test_nothing_is_installed_by_others_than_root_or_unasked(
    needs, empty, monkeypatch, capsys, user, arguments
):
    with_apt_get(empty, monkeypatch, user=user)
    needs.main(arguments)
    assert not (empty / "apt-get.log").exists()
    assert "missing: Graphviz" in capsys.readouterr().out
