"""Labels are shown, and do nothing: 10,000 of them through a real parser of HTML."""

import json
import unicodedata

import rustygrad
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rustygrad import Value

PIECES = st.sampled_from(
    ["<script>hit=1</script>", "</script>", "<!--", "-->", '"];', "'", "&lt;", "&", "\u2028", "\x00",
     "<img src=x onerror=hit=1>", "]]>", "\\", "{{", "@GRAPH@", "\u202e", "\ud800", "\r\n", "🦀", "ß"]
)  # fmt: skip
LABELS = (
    st.lists(st.one_of(PIECES, st.text(max_size=8)), min_size=1, max_size=4)
    .map("".join)
    .filter(bool)
)
COUNT, A_PAGE = 10_000, 1_000


def drawn():
    labels = []

    @settings(
        max_examples=COUNT // 20, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(LABELS, min_size=20, max_size=20))
    def collect(some):
        labels.extend(some)

    collect()
    return labels[:COUNT]


def shown(text):
    """As the page shows it: control and direction characters by their codes."""

    def code(c):
        n = ord(c)
        return f"\\x{n:02x}" if n < 256 else f"\\u{n:04x}" if n < 65536 else f"\\U{n:08x}"

    return "".join(
        code(c)
        if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")
        else c
        for c in text
    )


def assigned(text):
    """Without characters that a newer Unicode may have given a meaning."""
    return all(unicodedata.category(c) != "Cn" for c in text)


def test_ten_thousand_labels_come_out_as_they_went_in(read):
    labels = drawn()
    assert len(labels) == COUNT
    for start in range(0, COUNT, A_PAGE):
        some = labels[start : start + A_PAGE]
        page = read(rustygrad.sum([Value(1.0, label=label) for label in some]))
        held = json.loads(
            page.page.evaluate(
                "JSON.stringify(JSON.parse(document.querySelector('#graph').textContent).labels)"
            )
        )
        assert [held[str(i)] for i in range(A_PAGE)] == some
        while page.count("#story .more"):
            page.page.locator("#story .more").click()
        seen = page.texts("#story .leaves .node")
        for text, label in zip(seen, some, strict=True):
            assert text == shown(label) or not assigned(label)
        assert page.page.evaluate("[document.scripts.length, typeof hit]") == [3, "undefined"]
        page.page.close()


def test_a_label_names_the_page_and_the_operation_too(read):
    text = '<b>"];</script><script>hit=1</script>'
    value = Value(1.0, (Value(2.0, label=text),), text)
    value.label = text
    page = read(value)
    page.press("ArrowRight", "w")
    page.facts(1)
    assert text in page.text("#title")
    assert page.page.title().startswith(text)
    assert page.page.evaluate("[document.scripts.length, typeof hit]") == [3, "undefined"]


def test_the_policy_of_the_page_forbids_the_network(read):
    page = read(Value(1.0))
    policy = page.page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
