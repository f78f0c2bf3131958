"""A real browser for the pages that ``export(value, "g.html")`` writes.

Every page that a test opens must ask for nothing but its own file and say nothing on the
console. The browser is the chromium on PATH, or the one that CHROMIUM names.
"""

import os
import shutil
from pathlib import Path

import pytest
import rustygrad
from graphs import DESKTOP

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


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
    """Export a Value or graph, or take a page as text, and open it; a `Reader`."""
    contexts, complaints = [], []

    def open_page(value, *, size=DESKTOP, at="", export=None, **options):
        path = tmp_path / f"{len(contexts)}.html"
        if isinstance(value, str):
            path.write_text(value, encoding="ascii")
        else:
            rustygrad.export(value, path, **export or {})
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

    def wait_until_gone(self, selector):
        self.page.locator(selector).wait_for(state="detached")

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


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory):
    """Where pictures of the pages are kept: $SCREENSHOTS, or a folder of pytest's."""
    folder = os.environ.get("SCREENSHOTS")
    if not folder:
        return tmp_path_factory.mktemp("screenshots")
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)
