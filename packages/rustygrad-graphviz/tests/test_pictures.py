"""Files that Graphviz draws: svg, png and pdf; and what happens where it cannot."""

import io
import itertools
import math
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rustygrad
from rustygrad import MLP, Graph, Value
from rustygrad.errors import ArgumentError, ExportError, OptionError, UnknownNameError
from rustygrad_graphviz import layout, render
from rustygrad_graphviz.dot import dot
from rustygrad_graphviz.render import PictureExporter

needs_graphviz = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
needs_posix = pytest.mark.skipif(os.name == "nt", reason="a shell script stands for dot")
STARTS = {"dot": b"digraph", "svg": b"<svg ", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-"}
PICTURES = ["svg", "png", "pdf"]


def value():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    loss = (a * b + 10).relu()
    loss.label = "loss"
    loss.backward()
    return loss


def texts(svg):
    root = ElementTree.fromstring(svg)
    return [t.text.replace("\xa0", " ") for t in root.iter("{http://www.w3.org/2000/svg}text")]


# --- export() ---


@needs_graphviz
@pytest.mark.parametrize("suffix", STARTS)
@pytest.mark.parametrize("of", [value, lambda: Graph.capture(value())], ids=["Value", "Graph"])
def test_the_suffix_picks_what_is_drawn(tmp_path, suffix, of):
    path = rustygrad.export(of(), tmp_path / f"g.{suffix.upper()}")
    assert path.read_bytes().startswith(STARTS[suffix])
    assert list(tmp_path.iterdir()) == [path]


@needs_graphviz
@pytest.mark.parametrize("suffix", STARTS)
def test_every_format_has_the_same_options(tmp_path, suffix):
    options = {"rankdir": "TB", "digits": 2, "expand": True, "fold": 1, "page": 9}
    options |= {"legend": False, "timeout": 50}
    path = rustygrad.export(value(), tmp_path / f"g.{suffix}", **options)
    assert path.read_bytes().startswith(STARTS[suffix])


@needs_graphviz
@pytest.mark.parametrize("suffix", STARTS)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.8e308])
def test_every_format_draws_any_number(tmp_path, suffix, number):
    x = Value(number, label="x")
    y = x * number
    y.backward()
    path = rustygrad.export(y, tmp_path / f"g.{suffix}")
    assert path.read_bytes().startswith(STARTS[suffix])


@needs_graphviz
@pytest.mark.parametrize("suffix", STARTS)
@pytest.mark.parametrize("label", ["\ud800", "\x00", "🦀", "שלום", "\uffff", "<b>", "x" * 10**5])
def test_every_format_draws_any_label(tmp_path, suffix, label):
    path = rustygrad.export(Value(1.0, label=label), tmp_path / f"g.{suffix}")
    assert path.read_bytes().startswith(STARTS[suffix])


@needs_graphviz
def test_an_svg_shows_what_the_text_says():
    svg = drawn("svg", Graph.capture(value()))
    found = [t for t in texts(svg) if t != " "]
    for text in ["loss", "data 4.0000", "grad 1.0000", "ReLU", "data -6.0000", "grad -3.0000"]:
        assert text in found


def drawn(suffix, graph, **options):
    stream = io.BytesIO()
    PictureExporter(suffix).export(graph, stream, **options)
    return stream.getvalue()


@needs_graphviz
def test_an_svg_shrinks_to_the_page_that_holds_it():
    head = drawn("svg", Graph.capture(value())).partition(b">")[0].decode()
    width, height = (
        float(re.search(rf' {side}="([\d.]+)"', head)[1]) for side in ("width", "height")
    )
    x, y, *box = map(float, re.search(r'viewBox="(.*?)"', head)[1].split())
    assert [x, y] == [0.0, 0.0]
    assert box == [pytest.approx(width, abs=1), pytest.approx(height, abs=1)]
    assert f'style="max-width: 100%; min-width: {0.7 * width:.0f}px; height: auto"' in head


@needs_graphviz
def test_everything_in_an_svg_lies_inside_its_frame():
    root = ElementTree.fromstring(drawn("svg", Graph.capture(value())))
    *_, width, height = map(float, root.get("viewBox").split())
    (group,) = root.findall("{http://www.w3.org/2000/svg}g")
    left, top = map(float, re.search(r"translate\((\S+) (\S+)\)", group.get("transform")).groups())
    for shape in group.iter():
        for x, y in re.findall(
            r"(-?[\d.]+),(-?[\d.]+)", shape.get("points") or shape.get("d") or ""
        ):
            assert -0.5 <= float(x) + left <= width + 0.5
            assert -0.5 <= float(y) + top <= height + 0.5


@needs_graphviz
@pytest.mark.parametrize("rankdir", ["LR", "TB"])
def test_the_numbers_of_operands_do_not_lie_on_each_other(rankdir):
    a, b, c = Value(2.0), Value(-3.0), Value(1.0)
    pairs = [(a - b) * (b - a), a / b, b / a, a**b, rustygrad.where(c, a, b)]
    svg = drawn("svg", Graph.capture(rustygrad.sum(pairs)), rankdir=rankdir)
    places = {}
    for edge in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}g"):
        for text in edge.findall("{http://www.w3.org/2000/svg}text"):
            if edge.get("class") == "edge":
                to = edge.findtext("{http://www.w3.org/2000/svg}title").partition("->")[2]
                place = complex(float(text.get("x")), float(text.get("y")))
                places.setdefault(to, []).append(place)
    assert [len(found) for found in places.values()] == [2, 2, 2, 2, 2, 3]
    for found in places.values():
        assert all(abs(x - y) > 8 for x, y in itertools.combinations(found, 2))


@needs_graphviz
def test_a_picture_is_the_same_whenever_it_is_drawn():
    graph = Graph.capture(value())
    assert drawn("svg", graph) == drawn("svg", graph)


@needs_graphviz
def test_a_bitmap_has_no_more_pixels_than_viewers_open():
    x = Value(1.0)
    for _ in range(400):
        x = x.sin()
    png = drawn("png", Graph.capture(x), fold=False)
    width, height = struct.unpack(">II", png[16:24])
    assert 5000 < width < 10_000
    assert height < 1000


# --- what cannot be drawn ---


@needs_graphviz
def test_hundreds_of_thousands_of_nodes_are_drawn_as_an_excerpt(tmp_path):
    graph = long_chain(200_000)
    path = rustygrad.export(graph, tmp_path / "g.png")
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    assert width < 10_000
    assert height < 10_000


def long_chain(count):
    """The graph of so many additions, written without making a Value for each."""
    from rustygrad.building import Builder
    from rustygrad.ops import ADD, LEAF, MUL

    builder = Builder()
    builder.add(LEAF, (), 1.0, role="input")
    for i in range(1, count):
        builder.add(MUL if i % 3 else ADD, (i - 1, 0), float(i + 1))
    return builder.build([count - 1])


def test_more_than_graphviz_can_draw_is_refused_before_it_is_tried(tmp_path):
    graph = long_chain(100_000)
    with pytest.raises(ExportError) as caught:
        rustygrad.export(graph, tmp_path / "g.png", fold=False)
    assert str(caught.value) == (
        "100,000 nodes and 199,998 edges are too many for Graphviz, which is given no more than "
        "50,000 of both: draw less, with fold=None or fold=1 or a part that Graph.slice gives, "
        "or write a .dot or .html file, which needs no layout"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts a shell script in the place of Graphviz's program."""

    def put(script):
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "dot"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return put


@needs_posix
def test_a_layout_that_takes_too_long_is_ended_with_all_its_processes(tmp_path, stand_in):
    stand_in(f"sleep 1000 & echo $! > {tmp_path}/started; wait")
    with pytest.raises(ExportError) as caught:
        rustygrad.export(value(), tmp_path / "g.svg", timeout=1.5)
    assert str(caught.value) == (
        "the layout took longer than 1.5 s: raise the limit, timeout=..., or draw less, with "
        "fold=None or fold=1 or a part that Graph.slice gives, or write a .dot or .html file, "
        "which needs no layout"
    )
    assert not (tmp_path / "g.svg").exists()
    assert is_gone(int((tmp_path / "started").read_text()))


def is_gone(process):
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True
        )
        if state.stdout.strip().startswith("Z"):  # dead, and nobody has asked yet
            return True
        time.sleep(0.05)
    return False


@needs_posix
def test_what_graphviz_says_is_passed_on(tmp_path, stand_in):
    stand_in("echo first >&2; echo 'Format: \"svg\" not recognized' >&2; exit 1")
    with pytest.raises(ExportError) as caught:
        rustygrad.export(value(), tmp_path / "g.svg")
    assert str(caught.value) == (
        'Graphviz could not draw the .svg file: Format: "svg" not recognized'
    )


@needs_posix
def test_a_graphviz_that_dies_silently_is_an_error_too(tmp_path, stand_in):
    stand_in("kill -9 $$")
    with pytest.raises(ExportError) as caught:
        rustygrad.export(value(), tmp_path / "g.svg")
    assert str(caught.value) == "Graphviz could not draw the .svg file: it said nothing"


def test_a_process_that_does_not_start_is_an_error_too(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    with pytest.raises(
        ExportError, match=r"the process that draws could not draw the \.svg file: "
    ):
        rustygrad.export(value(), tmp_path / "g.svg")


@pytest.mark.parametrize(
    ("platform", "advice"),
    [
        ("linux", "apt install graphviz (Debian, Ubuntu), dnf install graphviz (Fedora)"),
        ("darwin", "brew install graphviz"),
        ("win32", "winget install Graphviz.Graphviz"),
        ("sunos", "https://graphviz.org/download"),
    ],
)
def test_where_there_is_no_graphviz_the_error_says_how_to_install_it(
    tmp_path, monkeypatch, platform, advice
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(
            render, "sys", type("sys", (), {"platform": platform, "executable": sys.executable})
        )
        with pytest.raises(ExportError) as caught:
            rustygrad.export(value(), tmp_path / "g.png")
    assert str(caught.value) == (
        "a .png file is drawn by Graphviz, and there is no program `dot` on the PATH: "
        f"{advice}. Files that end in .dot or .html need no Graphviz."
    )
    assert list(tmp_path.iterdir()) == []


def test_text_needs_neither_graphviz_nor_its_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "graphviz", None)  # so that importing it fails
    path = rustygrad.export(value(), tmp_path / "g.dot")
    assert path.read_text(encoding="utf-8") == dot(Graph.capture(value()))


@needs_graphviz
def test_a_script_of_that_name_is_not_taken_for_the_package(tmp_path, monkeypatch):
    (tmp_path / "graphviz.py").write_text("raise SystemExit('the script')")
    monkeypatch.chdir(tmp_path)
    assert rustygrad.export(value(), "g.svg").exists()


@needs_graphviz
def test_the_file_that_was_there_survives_what_fails(tmp_path, monkeypatch):
    path = tmp_path / "g.svg"
    path.write_text("old")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExportError):
        rustygrad.export(value(), path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("suffix", PICTURES)
def test_an_option_that_makes_no_sense_leaves_the_old_file(tmp_path, suffix):
    path = tmp_path / f"g.{suffix}"
    path.write_text("old")
    with pytest.raises(ArgumentError):
        rustygrad.export(value(), path, rankdir="up")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_an_option_that_does_not_exist_is_refused():
    with pytest.raises(
        OptionError, match=r"a \.svg file has no option 'colour'\. It has: rankdir, "
    ):
        drawn("svg", Graph.capture(value()), colour="red")


def test_a_layout_that_is_interrupted_is_ended(monkeypatch):
    ended = []

    def interrupted(self, *args):
        raise KeyboardInterrupt

    def end(child):
        ended.append(child)
        original(child)

    original = render._end
    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    monkeypatch.setattr(render, "_end", end)
    with pytest.raises(KeyboardInterrupt):
        drawn("svg", Graph.capture(value()))
    assert ended[0].returncode is not None


# --- the plugin ---


def test_a_suffix_that_nobody_offers_is_answered_with_those_that_are(tmp_path):
    with pytest.raises(UnknownNameError) as caught:
        rustygrad.export(value(), tmp_path / "g.docx")
    for suffix in STARTS:
        assert repr(suffix) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", STARTS)
def test_the_plugin_is_known_by_its_distribution(name):
    (status,) = [s for s in rustygrad.backends("exporter") if s.name == name]
    assert status.distribution == "rustygrad-graphviz"
    assert status.status in ("installed", "loaded")
    assert rustygrad.get_exporter(name).name == name


def test_finding_the_plugin_imports_nothing_for_it():
    program = (
        "import sys, rustygrad; rustygrad.backends('exporter');"
        "print([m for m in sys.modules if m.startswith(('graphviz', 'rustygrad_graphviz.'))])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout == "['rustygrad_graphviz._version', 'rustygrad_graphviz.plugin']\n"


def test_the_process_that_draws_imports_nothing_of_rustygrads():
    text = Path(layout.__file__).read_text(encoding="utf-8")
    assert re.findall(r"^\s*(?:from|import) (\S+)", text, re.MULTILINE) == [
        "__future__", "sys", "typing", "graphviz",
    ]  # fmt: skip


# --- notebooks ---


@needs_graphviz
def test_a_value_and_its_graph_show_a_picture_in_notebooks():
    for shown in (value(), Graph.capture(value())):
        bundle = shown._repr_mimebundle_()
        assert bundle["text/plain"] == repr(shown)
        assert "loss" in texts(bundle["image/svg+xml"])


@needs_graphviz
def test_a_large_graph_is_folded_in_notebooks():
    bundle = MLP(2, [16, 16, 1])([1.0, 2.0])._repr_mimebundle_()
    assert any("too many for one page" in text for text in texts(bundle["image/svg+xml"]))


def test_without_graphviz_a_value_shows_its_text_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert value()._repr_mimebundle_() == {"text/plain": "Value(data=4.0, grad=1.0)"}
