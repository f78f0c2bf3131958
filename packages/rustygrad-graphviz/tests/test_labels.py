"""Graphviz reads back what was written: labels of any text stay labels, and do nothing."""

import shutil
import subprocess
from xml.etree import ElementTree

import pytest
import rustygrad
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rustygrad import Graph, Value
from rustygrad_graphviz.dot import BANNER, dot

pytestmark = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")

#: As many texts as are parsed back, in one run of Graphviz, which takes a second for all.
CASES = 10_000
SVG = "{http://www.w3.org/2000/svg}"
PIECES = [
    *'{}|<>"\\&;#[]=-/ \n\r\t\x00\x1b\x85\xa0nlrGNETHL', "\\N", "\\G", "\\l", "&lt;", "&#160;", "&amp",
    '"];', "}\n}\ndigraph x {", "<b>", "</b>", "<BR/>", "<script>alert(1)</script>", "<!--", "]]>",
    "//", "/*", "ä", "漢", "🦀", "👩\u200d👩\u200d👧", "e\u0301", "שלום", "سلام", "\u202e", "\u200b", "\ufeff",
    "\uffff", "\ue000", "\ud800", "\udfff",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.characters(categories=None), max_size=20).map("".join)


def shown(text):
    """What a reader sees: control characters, and what stands alone of a pair, by their escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def pictures(dots):
    """The texts in the SVG of each of several graphs, all drawn by one process."""
    drawn = subprocess.run(
        ["dot", "-Tsvg"], input="".join(dots).encode(), capture_output=True, check=True, timeout=300
    )
    assert drawn.stderr == b""
    for part in drawn.stdout.decode().split("<svg ")[1:]:
        root = ElementTree.fromstring("<svg " + part.partition("</svg>")[0] + "</svg>")
        yield root, [t.text.replace("\xa0", " ") for t in root.iter(f"{SVG}text") if t.text]


def test_ten_thousand_labels_and_operation_names_are_shown_as_they_are():
    cases = []

    @settings(max_examples=CASES, database=None, deadline=None)
    @given(texts, texts)
    @example("a&lt;b", r"\N")
    @example(r"a\nb", "{a|<b>}")
    @example('say "hi"', "line\nbreak")
    @example("  two  spaces ", " ")
    @example("\\", "¡ 0")
    def collect(label, name):
        cases.append((label[:50], name[:50]))

    collect()
    assert len(cases) >= CASES / 2  # hypothesis leaves out repeats
    dots = [
        dot(Graph.capture(Value(1.0, (Value(2.0),), n, label=t)), legend=False) for t, n in cases
    ]
    count = 0
    for (label, name), (root, found) in zip(cases, pictures(dots), strict=True):
        count += 1
        banner, wanted = found[0], ["data 2.0000", "grad 0.0000"]
        assert banner == BANNER
        if label:
            wanted.append(shown(label))
        wanted += ["data 1.0000", "grad 0.0000"]
        name = shown(name) or "?"
        assert sorted(t for t in found[1:] if t != " ") == sorted(
            t for t in [*wanted, name] if t != " "
        ), (label, name)
        assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
            "svg", "g", "title", "polygon", "polyline", "ellipse", "path", "text",
        }  # fmt: skip
    assert count == len(cases)


def test_a_title_of_a_module_is_no_markup():
    class Nasty(rustygrad.Module):
        def forward(self, x):
            return x * 2

    class Outer(rustygrad.Module):
        def __init__(self):
            self.parts = {'<b>"];\\N': Nasty()}

        def forward(self, x):
            return self.parts['<b>"];\\N'](x)

    graph = Graph.capture(Outer()(Value(1.0)))
    ((_, found),) = pictures([dot(graph, fold=True)])
    assert 'parts.<b>"];\\N' in found
