"""The documentation as text: what it links to, what it is made of, what it may not say.

Its code is run by the session `docs`, which needs tools that this file does without.
"""

import re
import sys
from pathlib import Path

import pytest
from rustygrad import Graph, errors, hookspecs, ops

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("packages/*/README.md"), *DOCS.rglob("*.md")]
    if page.relative_to(ROOT).parts[:2] not in {("docs", "_build"), ("docs", "_generated")}
)
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
# What docs/_ext/snippets.py runs, and what is for people only.
LANGUAGES = {"python", "output", "console", "sh", "text", "toml", ""}
DIRECTIVES = {"{toctree}", "{code-block}", "{eval-rst}", "{include}"}


def fences(text):
    """The language of each fenced block."""
    opening = True
    for line in re.findall(r"^```(.*)$", text, re.MULTILINE):
        if opening:
            yield line
        opening = not opening


@EACH_PAGE
def test_a_block_is_of_a_kind_that_is_run_or_known_not_to_be(page):
    for language in fences(page.read_text(encoding="utf-8")):
        assert language in LANGUAGES or language.split()[0] in DIRECTIVES, language


@EACH_PAGE
def test_a_page_with_blocks_to_run_is_run(page):
    runner = (DOCS / "_ext" / "snippets.py").read_text(encoding="utf-8")
    patterns = re.findall(r'"([^"]+)"', re.search(r"patterns=\[(.*)\]", runner)[1])
    if {"python", "output", "console"} & set(fences(page.read_text(encoding="utf-8"))):
        assert any(page in ROOT.glob(pattern) for pattern in patterns)


@EACH_PAGE
def test_what_a_page_links_to_exists(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"\w+:", target):
            path = target.partition("#")[0]
            assert (page.parent / path).exists(), target


@EACH_PAGE
def test_a_page_names_no_place_of_one_machine(page):
    found = re.findall(r"/(?:home|root|tmp|work|Users)/\S*", page.read_text(encoding="utf-8"))
    assert not found


@EACH_PAGE
def test_an_output_block_follows_a_program(page):
    languages = [x for x in fences(page.read_text(encoding="utf-8")) if x in ("python", "output")]
    for before, language in zip(["", *languages], languages, strict=False):
        assert (before, language) not in {("", "output"), ("output", "output")}


def test_the_loss_over_all_moons_has_as_many_nodes_as_its_pages_and_its_picture_say():
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        import pages
    finally:
        sys.path.pop(0)
    count = f"{len(Graph.capture(pages.moons())):,}"
    step_through = (DOCS / "how-to" / "step-through-backward.md").read_text(encoding="utf-8")
    assert f"the loss over all moons</a>, of {count} nodes" in step_through
    draw = (DOCS / "how-to" / "draw-a-graph.md").read_text(encoding="utf-8")
    assert f"```output\n{count.replace(',', '')} nodes\n```" in draw
    picture = (DOCS / "_static" / "moons.svg").read_text(encoding="utf-8")
    assert f"{count} nodes are too many for one page" in picture


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """The pages that are made from the code, by name."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        import generated
    finally:
        sys.path.pop(0)
    target = tmp_path_factory.mktemp("generated")
    generated.write_all(target)
    return {path.stem: path.read_text(encoding="utf-8") for path in target.iterdir()}


@pytest.mark.parametrize("op", ops.OPS.values(), ids=lambda op: op.name)
def test_every_operation_is_printed_with_its_forward_and_its_rule(generated, op):
    section = generated["ops"].partition(f"(op-{op.name})=")[2].partition("\n(op-")[0]
    assert re.search(r"^forward = \S", section, re.MULTILINE)
    assert re.search(r"^vjp = \S", section, re.MULTILINE)
    assert f"| [{op.name}](#op-{op.name}) |" in generated["ops"]


@pytest.mark.parametrize("hook", [n for n in vars(hookspecs) if n.startswith("rustygrad_")])
def test_every_hook_is_printed_with_its_arguments(generated, hook):
    code = getattr(hookspecs, hook).__code__
    arguments = code.co_varnames[: code.co_argcount]
    (signature,) = re.findall(rf"^def {hook}\((.*)\) -> \w+$", generated["hookspecs"], re.MULTILINE)
    assert [part.partition(":")[0] for part in signature.split(", ") if part] == list(arguments)


@pytest.mark.parametrize("name", [n for n in vars(errors) if n.endswith(("Error", "Warning"))])
def test_every_error_is_listed_with_its_meaning(generated, name):
    assert re.search(rf"^\| .*`{name} <.* \| .+ \| \S.*\. \|$", generated["errors"], re.MULTILINE)


@pytest.mark.parametrize("command", ["backends", "train", "conformance"])
def test_every_command_is_listed_with_its_help(generated, command):
    assert f"## rustygrad {command}\n" in generated["cli"]
    assert f"Usage: rustygrad {command} " in generated["cli"]
