"""A real notebook, run by Jupyter on each backend. The session `notebooks` has what this needs."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from xml.etree import ElementTree

import pytest

pytestmark = [
    pytest.mark.skipif(not find_spec("nbconvert"), reason="nbconvert is not installed"),
    pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed"),
]
SVG = "image/svg+xml"
CELLS = {
    "before": """
        import rustygrad
        from rustygrad import MLP, Graph, Value
        rustygrad.set_backend({backend!r})
        from rustygrad import Value
        a, b = Value(2.0, label="a"), Value(-3.0, label="b")
        loss = (a * b + 10).relu()
        loss.label = "<loss>"
        loss
    """,
    "after": """
        loss.backward()
        loss
    """,
    "graph": "Graph.capture(loss)",
    "network": "MLP(2, [16, 16, 1])([1.0, 2.0])",
    "list": "[a, b]",
    "line": """
        y = Value(-1.0, label="y")
        with rustygrad.anomaly(raises=False): z = y.log() * 2
        rustygrad.explain(z)
    """,
    "without graphviz": """
        import os
        os.environ["PATH"] = ""
        loss
    """,
}


@pytest.fixture(scope="module", params=["python", "c"])
def shown(request, tmp_path_factory):
    """What each cell shows, by MIME type."""
    backend = request.param
    if backend == "c" and not find_spec("rustygrad_c"):
        pytest.skip("the backend 'c' is not installed")
    folder = tmp_path_factory.mktemp(backend)
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        | {
            "source": "\n".join(
                line.strip() for line in source.format(backend=backend).splitlines()
            )
        }
        for i, source in enumerate(CELLS.values())
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "in.ipynb").write_text(json.dumps(notebook))
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "in.ipynb"]
    done = subprocess.run(
        [*command, "--output", "out.ipynb"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    ran = json.loads((folder / "out.ipynb").read_text(encoding="utf-8"))
    found = {}
    for name, cell in zip(CELLS, ran["cells"], strict=True):
        (output,) = cell["outputs"]  # and so nothing that was printed, and no warning
        found[name] = {kind: "".join(text) for kind, text in output["data"].items()}
    return found


def texts(bundle):
    root = ElementTree.fromstring(bundle[SVG])
    return [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("cell", ["before", "after", "graph", "network"])
def test_values_and_graphs_show_a_picture_and_their_text(shown, cell):
    assert set(shown[cell]) == {"text/plain", SVG}


def test_the_text_is_what_a_terminal_shows(shown):
    assert shown["after"]["text/plain"] == "Value(data=4.0, grad=1.0)"


def test_the_picture_shows_labels_data_and_gradients(shown):
    assert {"<loss>", "data 4.0000", "grad 1.0000", "a", "grad -3.0000"} <= set(
        texts(shown["after"])
    )


def test_the_picture_says_where_backward_has_not_run(shown):
    banner = "every gradient is 0: backward() has not run, or handed nothing on"
    assert banner in texts(shown["before"])
    assert banner not in texts(shown["after"])


def test_a_value_and_its_graph_show_the_same_picture(shown):
    assert shown["graph"][SVG] == shown["after"][SVG]


def test_a_large_graph_is_folded(shown):
    assert "layers.1.neurons.15" in texts(shown["network"])


def test_the_picture_has_a_frame_that_a_page_can_scale(shown):
    root = ElementTree.fromstring(shown["after"][SVG])
    *_, width, height = map(float, root.get("viewBox").split())
    assert abs(float(root.get("width")) - width) < 1
    assert abs(float(root.get("height")) - height) < 1


def test_a_list_of_values_shows_text(shown):
    assert set(shown["list"]) == {"text/plain"}


def test_a_source_line_is_named_by_its_cell(shown):
    lines = shown["line"]["text/plain"].splitlines()
    assert lines[2].endswith("= mul(%1, %2)  nan  Cell In[6], line 2")
    assert lines[3].endswith("= log(%0)      nan  Cell In[6], line 2  <-- here")


def test_without_graphviz_the_text_stands_alone(shown):
    assert shown["without graphviz"] == {"text/plain": "Value(data=4.0, grad=1.0)"}
