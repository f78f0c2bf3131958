"""The command `rustygrad`, in this process and as a program of its own."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import rustygrad
from rustygrad import cli, selection
from rustygrad.cli.app import app
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
ROWS = 40


def run(*arguments, **environment):
    """Run the program as from a shell, without a terminal."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RUSTYGRAD", "COV"))}
    return subprocess.run(
        [sys.executable, "-m", "rustygrad", *arguments],
        capture_output=True,
        text=True,
        env=clean | {"COLUMNS": "100"} | environment,
        timeout=60,
    )


def invoke(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_version_is_printed():
    result = invoke("--version")
    assert (result.exit_code, result.output) == (0, f"rustygrad {rustygrad.__version__}\n")


@pytest.mark.parametrize("command", [(), ("backends",), ("train",), ("conformance",)])
def test_every_command_has_help(command):
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_without_a_command_the_help_is_shown():
    assert "Commands" in invoke().output


def test_backends_lists_what_is_installed_and_what_is_selected():
    result = invoke("backends")
    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines()]
    assert rows[0] == ["kind", "name", "status", "distribution", "version", "why"]
    assert any(row[:3] == ["backend", "python", "selected"] for row in rows)
    assert any(row[:2] == ["exporter", "dot"] for row in rows)


def test_backends_shows_the_table_and_fails_where_the_selected_one_is_unknown():
    result = run("backends", RUSTYGRAD_BACKEND="pyton")
    assert result.returncode == 1
    assert "python" in result.stdout
    assert result.stderr.startswith("rustygrad: RUSTYGRAD_BACKEND='pyton': no such backend. ")
    assert result.stderr.endswith("Did you mean 'python'?\n")


def test_backends_is_readable_in_a_narrow_console():
    lines = run("backends", COLUMNS="40").stdout.splitlines()
    assert lines[:3] == [
        "backend python: selected",
        f"  rustygrad-core {rustygrad.__version__}",
        "  auto",
    ]
    assert max(map(len, lines)) <= 40
    assert "…" not in "".join(lines)


@pytest.mark.parametrize("columns", ["30", "40", "60", "72", "80", "100"])
def test_backends_cuts_nothing_off_at_any_width(monkeypatch, columns):
    name = "quite-a-long-name-of-a-distribution"
    row = selection.OfferStatus("plugin", "bad", rustygrad_plugin(name), "broken", "boom " * 30)
    monkeypatch.setattr("rustygrad.cli.backends.installed", lambda kind="backend": [row])
    monkeypatch.setenv("COLUMNS", columns)
    text = invoke("backends").output
    assert "…" not in text
    assert text.count("boom") == 30
    assert "".join(name) in "".join(text.split())


def test_backends_in_a_pipe_wraps_nothing(monkeypatch):
    reason = "a reason that is much longer than any line " * 5
    row = selection.OfferStatus("plugin", "bad", rustygrad_plugin("d"), "broken", reason)
    monkeypatch.setattr("rustygrad.cli.backends.installed", lambda kind="backend": [row])
    monkeypatch.delenv("COLUMNS", raising=False)
    assert reason.strip() in invoke("backends").output


def test_backends_shows_a_plugin_that_was_left_out(monkeypatch):
    broken = selection.OfferStatus("plugin", "bad", rustygrad_plugin("bad-dist"), "broken", "boom")
    monkeypatch.setattr("rustygrad.cli.backends.installed", lambda kind="backend": [broken])
    assert "boom" in invoke("backends").output


def rustygrad_plugin(distribution):
    from rustygrad.plugins import Plugin

    return Plugin("bad", distribution, "1.0")


def test_train_prints_a_line_a_step_and_a_grid_of_40_by_40():
    result = invoke("train", "--steps", "2")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "100 samples, 337 parameters"
    assert lines[1] == "backend 'python', the reference: pure Python, no faster one is in use"
    assert lines[2].startswith("step 1  loss ")
    assert lines[3].startswith("step 2  loss ")
    grid = [line for line in lines if set(line) <= set(".*ox ") and len(line) == 2 * ROWS - 1]
    assert len(grid) == ROWS
    assert all(len(line.split(" ")) == ROWS for line in grid)


def test_train_learns_the_moons():
    result = invoke("train", "--steps", "60")
    assert int(result.output.split("step 60")[1].split("accuracy")[1].split()[0]) >= 95


def test_train_gives_the_same_numbers_for_the_same_seed():
    outputs = {invoke("train", "--steps", "1").output.splitlines()[2] for _ in range(2)}
    assert len(outputs) == 1
    assert invoke("train", "--steps", "1", "--seed", "7").output.splitlines()[2] not in outputs


def test_train_in_a_terminal_shows_live_progress(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    output = invoke("train", "--steps", "2").output
    assert "2/2" in output
    assert "step 1  loss" not in output


def test_train_in_a_pipe_prints_no_colours():
    assert "\x1b" not in run("train", "--steps", "1").stdout


@pytest.mark.parametrize(("columns", "gap"), [("79", " "), ("78", ""), ("40", "")])
def test_the_grid_fits_the_console(columns, gap):
    output = run("train", "--steps", "1", COLUMNS=columns).stdout
    grid = [line for line in output.splitlines() if line and set(line) <= set(".*ox# ")]
    assert [len(line) for line in grid] == [ROWS + (ROWS - 1) * len(gap)] * ROWS


def test_samples_of_both_classes_in_one_place_are_both_shown():
    from rustygrad.cli.train import _picture

    model = rustygrad.MLP(2, [1])
    points = [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    text = _picture(model, points, [1, -1, 1, 1, -1, -1], "").plain
    assert {mark: text.count(mark) for mark in "#xo"} == {"#": 1, "x": 1, "o": 2}


def test_the_legend_explains_a_place_of_both_classes(monkeypatch):
    assert "is both" not in invoke("train", "--steps", "0").output
    points = [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    monkeypatch.setattr("rustygrad.datasets.moons", lambda: (points, [1, -1, 1]))
    assert "x and * are 1, # is both" in invoke("train", "--steps", "0").output


INTERRUPT = """
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen, pressed = b"", False
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if not pressed and b"loss" in seen:
        os.write(terminal, b"\\x03")
        pressed = True
print(seen.decode())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def in_a_terminal(*command):
    """What a program printed to a terminal, where Ctrl-C was pressed, and its exit status."""
    pytest.importorskip("pty")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RUSTYGRAD", "COV"))}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPT, sys.executable, *command],
        capture_output=True,
        text=True,
        env=clean | {"TERM": "xterm", "COLUMNS": "80"},
        timeout=60,
        check=True,
    )
    *lines, status = done.stdout.split("\n")[:-1]
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", "\n".join(lines)), int(status)


def test_ctrl_c_ends_the_training_with_one_line():
    output, status = in_a_terminal("-m", "rustygrad", "train", "--steps", "1000000")
    assert status == 130
    assert output.rstrip().splitlines()[-1].strip() == "interrupted"
    assert "Traceback" not in output
    assert "Abort" not in output


def test_dev_py_waits_for_what_it_started_and_gives_130():
    program = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("dev", {str(ROOT / "dev.py")!r})
dev = importlib.util.module_from_spec(spec)
spec.loader.exec_module(dev)
sys.exit(dev.call([sys.executable, "-m", "rustygrad", "train", "--steps", "1000000"]))
"""
    output, status = in_a_terminal("-c", program)
    assert status == 130
    assert output.rstrip().splitlines()[-1].strip() == "interrupted"
    assert "Traceback" not in output


def test_ctrl_c_while_the_commands_are_imported_is_one_line(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_ctrl_c_in_a_command_is_one_line_and_130(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rustygrad.cli.train._training", interrupted)
    result = invoke("train")
    assert result.exit_code == 130
    assert result.output.splitlines()[-1] == "interrupted"


def test_train_names_another_backend_than_the_reference(monkeypatch):
    monkeypatch.setattr(rustygrad.get_backend("python"), "name", "other", raising=False)
    from rustygrad.cli.train import _engine

    assert _engine(rustygrad.get_backend("python")) == "backend 'other'"


def test_train_saves_the_parameters(tmp_path):
    path = tmp_path / "moons.json"
    result = invoke("train", "--steps", "1", "--save", str(path))
    assert f"parameters written to {path}" in result.output.replace("\n", "")
    assert len(json.loads(path.read_text())) == 337


def test_train_refuses_a_missing_folder_before_it_trains(tmp_path):
    result = run("train", "--save", str(tmp_path / "missing" / "moons.json"))
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.endswith("missing does not exist\n")


def test_train_refuses_a_folder_before_it_trains(tmp_path):
    result = run("train", "--save", str(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"rustygrad: --save {tmp_path}: this is a folder; give the name of a file in it\n"
    )


def test_train_names_the_folder_that_is_no_file(tmp_path):
    with pytest.raises(rustygrad.errors.ArgumentError, match="this is a folder"):
        invoke("train", "--save", str(tmp_path))


def test_train_refuses_a_folder_that_cannot_be_written_to(monkeypatch, tmp_path):
    def refused(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    path = tmp_path / "moons.json"
    with pytest.raises(rustygrad.errors.ArgumentError) as caught:
        invoke("train", "--save", str(path))
    assert str(caught.value) == f"--save {path}: it cannot be written: Permission denied"


def test_train_refuses_a_file_that_cannot_be_written(monkeypatch, tmp_path):
    def refused(self, mode):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "moons.json"
    path.write_text("{}")
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(rustygrad.errors.ArgumentError, match="cannot be written"):
        invoke("train", "--save", str(path))


def test_train_overwrites_a_file_and_takes_a_device(tmp_path):
    path = tmp_path / "moons.json"
    path.write_text("old")
    assert invoke("train", "--steps", "0", "--save", str(path)).exit_code == 0
    assert len(json.loads(path.read_text())) == 337
    assert invoke("train", "--steps", "0", "--save", os.devnull).exit_code == 0


def test_train_names_the_missing_folder(tmp_path):
    with pytest.raises(rustygrad.errors.ArgumentError, match="does not exist"):
        invoke("train", "--save", str(tmp_path / "missing" / "moons.json"))


def test_an_unknown_backend_is_one_line_and_a_failure():
    result = run("train", "--backend", "nope")
    assert result.returncode == 1
    assert result.stderr == ("rustygrad: --backend nope: no such backend. Installed: 'python'.\n")


@pytest.mark.parametrize("arguments", [("train", "--steps", "-1"), ("nonsense",), ("train", "--x")])
def test_bad_usage_exits_with_2(arguments):
    assert invoke(*arguments).exit_code == 2


def test_conformance_of_an_unknown_backend_fails_before_pytest_starts():
    result = run("conformance", "nope")
    assert result.returncode == 1
    assert result.stderr.startswith("rustygrad: conformance nope: no such backend.")


def test_conformance_without_the_suite_says_what_to_install(monkeypatch):
    monkeypatch.setattr("rustygrad.cli.conformance.find_spec", lambda name: None)
    with pytest.raises(rustygrad.errors.ArgumentError, match="pip install rustygrad-conformance"):
        invoke("conformance", "python")


SUITE = ["--pyargs", "rustygrad_conformance", "--rustygrad-backend", "python"]


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        ([], ["--rustygrad-brief", "--tb=short"]),
        (["-x", "-k", "add"], ["--rustygrad-brief", "--tb=short", "-x", "-k", "add"]),
        (["-v"], ["--tb=short", "-v"]),
        (["-vv"], ["--tb=short", "-vv"]),
        (["--verbose"], ["--tb=short", "--verbose"]),
        (["--tb=long"], ["--tb=short", "--tb=long"]),
        (["--tb", "line"], ["--tb=short", "--tb", "line"]),
    ],
)
def test_conformance_passes_its_arguments_and_status_on(monkeypatch, given, passed_on):
    seen = []
    monkeypatch.setattr(pytest, "main", lambda arguments: seen.append(arguments) or 3)
    monkeypatch.setattr("rustygrad.cli.conformance.find_spec", lambda name: True)
    assert invoke("conformance", "python", *given).exit_code == 3
    assert seen == [[*SUITE, *passed_on]]


def test_main_runs_a_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rustygrad", "--version"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"rustygrad {rustygrad.__version__}\n"


def test_the_package_runs_as_a_program(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rustygrad", "--version"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("rustygrad", run_name="__main__")
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("rustygrad ")


def test_main_turns_an_error_into_one_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["rustygrad", "train", "--backend", "nope"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert str(stop.value).startswith("rustygrad: --backend nope: no such backend")


def test_main_without_the_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in [n for n in sys.modules if n.startswith("rustygrad.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(cli, "app", raising=False)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == (
        "rustygrad: the command line needs: pip install 'rustygrad-core[cli]'"
    )


def test_main_does_not_hide_another_missing_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "rustygrad.cli.train", None)
    monkeypatch.delitem(sys.modules, "rustygrad.cli.app", raising=False)
    monkeypatch.delattr(cli, "app", raising=False)
    with pytest.raises(ModuleNotFoundError):
        cli.main()


def test_the_program_is_installed():
    program = Path(sys.executable).with_name("rustygrad")
    assert subprocess.check_output([program, "--version"], text=True).startswith("rustygrad ")
