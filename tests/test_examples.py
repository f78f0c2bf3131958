"""Each example runs as it stands, in a clean environment, and prints what it promises."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *arguments, cwd, status=0):
    kept = ("PATH", "SYSTEMROOT", "PYTHONPATH", "VIRTUAL_ENV")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    environment |= {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=environment,
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    assert status or not done.stderr
    return done.stdout if status == 0 else done.stderr


def test_every_example_is_tested_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert {path.name for path in EXAMPLES.glob("*.py")} <= set(re.findall(r'"(\w+\.py)"', text))


def test_engine_prints_the_three_numbers(tmp_path):
    assert run("engine.py", cwd=tmp_path) == "24.7041\n138.8338\n645.5773\n"


def test_mlp_learns_the_moons_and_draws_the_boundary(tmp_path):
    lines = run("mlp.py", cwd=tmp_path).splitlines()
    assert re.fullmatch(r"337 parameters on the backend '\w+'", lines[0])
    # nothing here depends on the machine's libm, so the numbers hold everywhere
    assert lines[1:11] == [
        "step  10: loss 0.2705, accuracy 91%",
        "step  20: loss 0.1845, accuracy 93%",
        "step  30: loss 0.0878, accuracy 96%",
        "step  40: loss 0.0523, accuracy 98%",
        "step  50: loss 0.0483, accuracy 99%",
        "step  60: loss 0.0208, accuracy 100%",
        "step  70: loss 0.0339, accuracy 99%",
        "step  80: loss 0.0117, accuracy 100%",
        "step  90: loss 0.0110, accuracy 100%",
        "step 100: loss 0.0110, accuracy 100%",
    ]
    picture = lines[11:]
    assert len(picture) == 20
    assert max(map(len, picture)) <= 56
    assert set("".join(picture)) == set(" .xo")


def test_the_readme_shows_what_mlp_prints(tmp_path):
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    printed = run("mlp.py", cwd=tmp_path).splitlines()
    shown = re.search(r"```text\n(step 100: .*?)```", readme, re.DOTALL)
    assert shown
    assert [line for line in shown[1].splitlines() if line] == [
        line for line in printed[10:] if line
    ]


def edges(text):
    return re.findall(r"(n\d+(?:op)?) -> (n\d+(?:op)?)", text)


@pytest.mark.parametrize(
    ("picture", "labels", "operations"),
    [
        ("value", {"a", "b", "c", "d", "result"}, ["*", "**2", "+", "+"]),
        ("neuron", {"x0", "x1", "w.0", "w.1", "b", "result"}, ["ReLU", "dot"]),
        (
            "mlp",
            {"x0", "x1", "result"}
            | {f"layers.0.neurons.{i}.{p}" for i in (0, 1) for p in ("w.0", "w.1", "b")}
            | {f"layers.1.neurons.0.{p}" for p in ("w.0", "w.1", "b")},
            ["ReLU", "ReLU", "dot", "dot", "dot"],
        ),
    ],
)
def test_graphviz_prints_a_picture(tmp_path, picture, labels, operations):
    text = run("graphviz.py", picture, cwd=tmp_path)
    assert text.startswith("digraph rustygrad {\n")
    assert text.endswith("}\n")
    assert set(re.findall(r'label="\{ (\S+) \| data', text)) == labels
    assert sorted(re.findall(r'shape=ellipse.* label="([^"]+)"', text)) == operations
    nodes = set(re.findall(r"^  (n\d+(?:op)?) \[", text, re.MULTILINE))
    assert {end for edge in edges(text) for end in edge} == nodes
    assert "has not run" not in text


def test_graphviz_value_has_the_gradients_of_the_chain_rule(tmp_path):
    text = run("graphviz.py", "value", cwd=tmp_path)
    assert "{ a | data 1.0000 | grad 294.0000 }" in text
    assert "{ d | data 4.0000 | grad 126.0000 }" in text
    assert "{ result | data 441.0000 | grad 1.0000 }" in text


def texts(svg):
    root = ElementTree.fromstring(svg)
    return [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
@pytest.mark.parametrize("picture", ["value", "neuron", "mlp"])
def test_the_documentation_shows_what_graphviz_draws(tmp_path, picture):
    assert run("graphviz.py", picture, "out.svg", cwd=tmp_path) == "out.svg\n"
    drawn = (tmp_path / "out.svg").read_text(encoding="utf-8")
    shown = EXAMPLES.parent / "docs" / "_static" / f"{picture}.svg"
    # places differ from one version of Graphviz to the next
    assert sorted(texts(drawn)) == sorted(texts(shown.read_text(encoding="utf-8")))


@pytest.mark.parametrize("arguments", [[], ["tree"], ["value", "a.dot", "b.dot"]])
def test_graphviz_asked_for_no_known_picture_says_how_to_call_it(tmp_path, arguments):
    message = run("graphviz.py", *arguments, cwd=tmp_path, status=1)
    assert message == "usage: python graphviz.py value|neuron|mlp [FILE]\n"
