"""A real browser for the pages that ``export(value, "g.html")`` writes.

Every page that a test opens must ask for nothing but its own file and say nothing on the
console. The browser is the chromium on PATH, or the one that CHROMIUM names.
"""

import os
import random
import shutil
from pathlib import Path

import pytest
import rustygrad
from rustygrad import MLP, Neuron, Value

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP, PHONE = (1440, 900), (390, 844)


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium here: set CHROMIUM to the path of one")
    try:
        rustygrad.get_exporter("html")
    except rustygrad.errors.BrokenPluginError as error:
        pytest.skip(str(error))
    with playwright.sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def read(chromium, tmp_path):
    """Export a Value or graph and open its page; a `Reader`."""
    contexts, complaints = [], []

    def open_page(value, *, size=DESKTOP, at="", export=None, **options):
        path = rustygrad.export(value, tmp_path / f"{len(contexts)}.html", **export or {})
        width, height = size
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        asked = []
        context.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri() + at)
        context.asked = asked
        return Reader(page)

    yield open_page
    asked = [url for context in contexts for url in context.asked]
    for context in contexts:
        context.close()
    assert complaints == []
    assert all(url.startswith(tmp_path.as_uri()) for url in asked), asked
    assert len(asked) == len(contexts)


class Reader:
    """What a reader does on a page, and sees there."""

    def __init__(self, page):
        self.page = page

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector):
        return self.page.locator(selector).first.inner_text()

    def texts(self, selector):
        return self.page.locator(selector).all_text_contents()

    def count(self, selector):
        return self.page.locator(selector).count()

    @property
    def step(self):
        return self.text("#count")

    @property
    def story(self):
        return " ".join(self.text("#story h2").split())

    def facts(self, i):
        """Data and gradient of a node, as its panel shows them."""
        self.page.evaluate(f"location.hash = '#{i}'")
        self.page.locator("#inspector h2", has_text=f"%{i}").wait_for()
        return {
            what: self.page.locator(f"#inspector [data-what={what}]").inner_text()
            for what in ("data", "grad", "captured")
            if self.count(f"#inspector [data-what={what}]")
        }

    def cards(self):
        return self.count("#right .card")


# --- graphs to look at ---


def expression():
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    c, d = Value(3.0, label="c"), Value(4.0, label="d")
    return called("L", ((a + b) * (c + d)) ** 2)


def shared():
    a = Value(3.0, label="a")
    b = a * a
    b.label = "b"
    return called("c", b + b)


def early():
    a = Value(2.0, label="a")
    b = a * a
    c = b * a
    b.label, c.label = "b", "c"
    return called("d", b + c)


def neuron():
    random.seed(1337)
    return called("out", labelled(Neuron(2))(inputs()))


def mlp():
    random.seed(1337)
    return called("out", labelled(MLP(2, [2, 1]))(inputs()))


def moons():
    """The loss over the moons: about 10,000 nodes."""
    random.seed(1337)
    model = labelled(MLP(2, [16, 16, 1]))
    xs, ys = rustygrad.datasets.moons()
    losses = [(1 - y * model(x)).relu() for x, y in zip(xs, ys, strict=True)]
    decay = 1e-4 * rustygrad.sum(p * p for p in model.parameters())
    return called("loss", rustygrad.mean(losses) + decay)


def inputs():
    return [Value(1.0, label="x0"), Value(-2.0, label="x1")]


def labelled(model):
    for path, parameter in model.named_parameters():
        parameter.label = path
    return model


def called(label, result):
    result.label = label
    result.backward()
    return result


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory):
    """Where pictures of the pages are kept: $SCREENSHOTS, or a folder of pytest's."""
    folder = os.environ.get("SCREENSHOTS")
    if not folder:
        return tmp_path_factory.mktemp("screenshots")
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)
