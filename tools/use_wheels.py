"""Install wheels into an empty environment and use them as a stranger would.

Usage: ``python tools/use_wheels.py FOLDER WHEEL...``
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

folder = Path(sys.argv[1]).absolute()
wheels = [str(Path(name).absolute()) for name in sys.argv[2:]]
venv.create(folder, clear=True, with_pip=True)
python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "RUSTYGRAD"))}

PROGRAM = """
import rustygrad
from rustygrad import Value
a = Value(3.0, label="a"); b = (a * 2 + 1).relu(); b.backward()
assert (b.data, a.grad) == (7.0, 2.0), (b, a)
rustygrad.export(b, "b.dot")
assert open("b.dot").read().startswith("digraph")
from importlib.resources import files
if (files("rustygrad_graphviz") / "viewer.html").is_file():  # else it was built without node
    rustygrad.export(b, "b.html")
    assert open("b.html").read().startswith("<!doctype html>")
print(rustygrad.__version__, rustygrad.__file__)
"""


def run(*command: object) -> None:
    print("+", *command[1:4], flush=True)
    subprocess.run([*map(str, command)], check=True, cwd=folder, env=environment)


core = next(wheel for wheel in wheels if "rustygrad_core" in wheel)
quiet = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
run(python, *quiet, core)  # core alone first: it needs pluggy and nothing else
run(python, "-W", "error", "-c", "import rustygrad; print(rustygrad.MLP(2, [2, 1])([1.0, 2.0]))")
asked = subprocess.run(
    [python, "-c", "import rustygrad; rustygrad.get_backend('c')"],
    capture_output=True, text=True, cwd=folder, env=environment,
)  # fmt: skip
assert asked.stderr.endswith("Install it with: pip install rustygrad-c\n"), asked.stderr
listed = subprocess.check_output([python, "-m", "pip", "list", "--format=freeze"], text=True)
extra = {line.partition("==")[0] for line in listed.split()} - {"pip", "setuptools"}
assert extra == {"rustygrad-core", "pluggy"}, extra
others = [wheel for wheel in wheels if wheel != core]
run(python, *quiet, *others, f"{core}[cli]")
run(python, "-W", "error", "-c", PROGRAM)
run(python, "-W", "error", "-m", "rustygrad", "backends")
run(python, "-W", "error", "-m", "rustygrad", "train", "--steps", "2")
for backend in ["python", *["c"] * any("rustygrad_c-" in wheel for wheel in wheels)]:
    run(python, "-W", "error", "-m", "rustygrad", "conformance", backend, "-x", "-q")
