"""Everything can be read: numbers whole and free, nothing under anything else, on every screen."""

import pytest
import rustygrad
from graphs import (
    DESKTOP,
    PHONE,
    called,
    chain,
    crowd,
    expression,
    fan,
    labelled,
    layers,
    mlp,
    moons,
    neuron,
    shared,
)
from rustygrad import MLP, Graph, Value

BOX = "(e) => { const {left, right, top, bottom} = e.getBoundingClientRect(); return {left, right, top, bottom}; }"


def box(page, selector):
    return page.page.locator(selector).first.evaluate(BOX)


def boxes(page, selector):
    return page.page.locator(selector).evaluate_all(f"(all) => all.map({BOX})")


def apart(a, b):
    return (
        a["right"] <= b["left"] + 0.5
        or b["right"] <= a["left"] + 0.5
        or a["bottom"] <= b["top"] + 0.5
        or b["bottom"] <= a["top"] + 0.5
    )


def within(a, b):
    return (
        a["left"] >= b["left"] - 0.5
        and a["right"] <= b["right"] + 0.5
        and a["top"] >= b["top"] - 0.5
        and a["bottom"] <= b["bottom"] + 0.5
    )


def scale(page, drawing="#right"):
    return page.page.locator(f"{drawing} .world").evaluate("(e) => e.getCTM().a")


# --- cards ---


def large():
    a, b = Value(1210.2864, label="a"), Value(-1234.5678, label="b")
    c = a * b + Value(-98765.4321, label="a_rather_long_name_for_a_number")
    d = c * Value(1.7e300, label="d")
    return called("e", d * Value(-3.5e-9) + Value(-8.54321e14, label="f") * Value(-3.5e9))


def shares(values, grad):
    """A sum whose gradient is large and long on its operands."""
    result = rustygrad.sum([Value(x) for x in values])
    result.backward(grad)
    return result


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("keys", [["End"], ["w", "End"]])
@pytest.mark.parametrize(
    "value",
    [
        large,
        lambda: shares([1210.2864, -3.5e9, 1.7e308], -1234.5678),
        lambda: shares([1.0, -1.0], -98765.4321),
        lambda: shares([1.0, -1.0], -1.7e-300),
    ],
)
def test_numbers_on_cards_stand_beside_what_they_are(read, value, keys, size):
    page = read(value(), size=size, reduced_motion="reduce")
    page.press(*keys)
    cards = page.page.locator("#right .card:has(.hint)")
    assert cards.count() > 1
    for card in cards.all():
        paper = card.locator(".paper").evaluate(BOX)
        texts = card.locator("text.hint, text.data, text.grad").evaluate_all(
            f"(all) => all.map({BOX})"
        )
        texts = [text for text in texts if text["right"] > text["left"]]
        assert len(texts) == 4
        assert all(within(text, paper) for text in texts)
        # glyph boxes of neighbouring lines touch, so only what shares a line has to be apart
        lines = [texts[k] for k in (0, 2)], [texts[k] for k in (1, 3)]
        assert all(label["right"] < number["left"] for label, number in lines)


def test_a_name_that_is_too_long_is_cut_and_whole_in_its_tooltip(read):
    name = "W" * 60
    page = read(called("out", Value(1.0, label=name) * 2.0))
    card = page.page.locator("#right .card.input")
    assert set(card.locator(".name").text_content()) == set("W…")
    assert card.locator("title").text_content() == name
    assert within(card.locator(".name").evaluate(BOX), card.locator(".paper").evaluate(BOX))


def deep():
    """Two parameters with long paths that differ at their ends, in a module with one too."""

    class Outer(rustygrad.Module):
        def __init__(self):
            self.encoder_of_everything = {"first_half_of_it": MLP(2, [1, 1])}

        def forward(self, x):
            return self.encoder_of_everything["first_half_of_it"](x)

    return called("out", labelled(Outer())([Value(1.0, label="x0"), Value(-2.0, label="x1")]))


def test_of_long_names_the_ends_are_shown_which_tell_them_apart(read):
    page = read(deep())
    frames = page.texts("#right .frame .hint")
    assert len(frames) == len(set(frames)) > 1
    page.press("ArrowRight")
    named = page.page.locator("#story .equation").first.text_content()
    for end in ("w.0", "w.1", "b"):
        assert f"neurons.0.{end}" in named
        chip = page.page.locator(".neighbours .node, #story p .node", has_text=f"neurons.0.{end}")
        assert chip.evaluate("(e) => e.scrollWidth <= e.clientWidth")
    assert "…" in named


def test_numbers_on_parallel_lines_lie_beside_each_other(read):
    for size in (DESKTOP, PHONE):
        page = read(shared(), size=size, reduced_motion="reduce")
        page.press(*["ArrowRight"] * 4)
        first, second = boxes(page, "#right .chip rect")
        assert apart(first, second)


# --- beside the graph ---


@pytest.mark.parametrize("size", [DESKTOP, PHONE, (900, 700)])
@pytest.mark.parametrize("keys", [[], ["End"], ["End", "ArrowLeft"], ["w", "End"]])
def test_numbers_are_never_broken_nor_cut(read, keys, size):
    page = read(mlp(), size=size)
    page.press(*keys)
    story = box(page, "#story")
    assert page.count("#story output") > 0
    lines = page.page.locator("#story output").evaluate_all(
        "(all) => all.map((e) => e.getClientRects().length)"
    )
    assert set(lines) == {1}
    assert all(number["right"] <= story["right"] for number in boxes(page, "#story output"))
    for row in page.page.locator("#story .leaves li, #story .verdict tr").all():
        inside = row.locator(".node, output").evaluate_all(f"(all) => all.map({BOX})")
        assert all(apart(a, b) for k, a in enumerate(inside) for b in inside[:k])


def wide():
    """Long names, long numbers, and long formulas of both."""
    a = Value(-0.7312715117751976, label="some_name_" * 6)
    b = Value(0.6948674738744653e-200, label="a_long_name " * 40)
    c = rustygrad.dot([a, b, a], [a, a, b]) + (a * b) ** 2 + a / b
    return called("the_label_of_the_result_is_long_too", c.sigmoid() * a)


TOO_WIDE = """(panel) => [...panel.querySelectorAll("*")].filter((e) => {
  const beyond = e.getBoundingClientRect().right > panel.getBoundingClientRect().right + 0.5;
  return beyond || (e instanceof HTMLElement && e.clientWidth && e.scrollWidth > e.clientWidth);
}).map((e) => `${e.localName}.${e.className}: ${e.textContent}`)"""


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("make", [wide, deep, moons])
def test_nothing_beside_the_graph_is_cut_at_its_edge(read, make, size):
    value = make()
    page = read(value, size=size)
    page.facts(0)
    for keys in ([], ["ArrowRight"], ["End"], *[["ArrowLeft"]] * 10, ["w"], ["End"]):
        page.press(*keys)
        assert page.page.locator("#story").evaluate(TOO_WIDE) == []
        assert page.page.locator("#inspector").evaluate(TOO_WIDE) == []


def test_both_numbers_of_a_comparison_stand_on_one_line(read):
    page = read(mlp())
    page.press("w", "End")
    right, wrong = boxes(page, ".verdict [data-right]"), boxes(page, ".verdict [data-wrong]")
    assert len(right) == len(wrong) > 10
    assert [r["top"] for r in right] == [w["top"] for w in wrong]


# --- formulas ---

LOOK = "(e) => { const s = getComputedStyle(e); return [s.fontFamily, s.fontStyle, s.fontWeight]; }"


def test_a_node_without_a_label_looks_the_same_everywhere(read):
    page = read(expression())
    page.press(*["ArrowRight"] * 7)
    assert page.story == "v6 hands on"
    places = ["#story p .is-made-up", "#story math .is-made-up", "#story .handover h3 .is-made-up"]
    looks = [page.page.locator(place).first.evaluate(LOOK) for place in places]
    card = page.page.locator("#right .card .is-made-up").first.evaluate(LOOK)
    assert [look[:2] for look in looks] == [card[:2]] * 3
    for place in places:
        letter, index = box(page, place), box(page, f"{place} sub")
        assert index["bottom"] > letter["bottom"] - 1


def test_a_negative_number_after_a_sign_is_bracketed(read):
    page = read(Value(-1.0, label="a").sigmoid())
    page.press("ArrowRight")
    assert page.texts("#story .equation.numbers")[0].endswith("exp(\N{MINUS SIGN}(-1.0))")


def test_the_spaces_around_a_sign_are_even(read):
    page = read(expression())
    page.press("ArrowRight")
    assert page.story == "v2 is computed"
    sign = page.page.locator("#story .equation mo", has_text="+").first
    before, after = sign.evaluate(
        """(sign) => {
          const range = document.createRange();
          const edges = (node) => { range.selectNodeContents(node); return range.getBoundingClientRect(); };
          const all = [...sign.closest(".equation").querySelectorAll("bdi")];
          const at = edges(sign);
          return [at.left - edges(all[0]).right, edges(all[1]).left - at.right];
        }"""
    )
    assert 2 < before < 9
    assert abs(before - after) < 1.5


# --- where it opens ---


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize(
    "make", [expression, shared, neuron, mlp, moons, chain, fan, layers, crowd]
)
def test_it_opens_large_enough_to_read_and_fit_shows_all(read, make, size):
    page = read(make(), size=size, reduced_motion="reduce")
    assert scale(page) >= 0.649
    drawing = box(page, "#right")
    assert sum(within(card, drawing) for card in boxes(page, "#right .card")) >= 2
    page.press("0")
    assert all(within(card, drawing) for card in boxes(page, "#right .card"))
    assert all(within(link, drawing) for link in boxes(page, "#right .link"))


def test_a_result_is_to_be_seen_where_its_operands_are_in_runs(read):
    page = read(crowd())
    assert page.texts("#right .card.output .name") == ["total"]
    first, *_, last = boxes(page, "#right .card.folded")
    assert page.texts("#right .folded .name")[0].startswith("v₀ ")
    assert first["top"] < last["top"]


@pytest.mark.parametrize("make", [chain, mlp])
def test_stepping_leads_to_what_is_out_of_sight(read, make):
    page = read(make(), size=PHONE, reduced_motion="reduce")
    for _ in range(12):
        page.press("ArrowRight")
        if page.count("#right .is-now"):
            assert within(box(page, "#right .is-now .paper"), box(page, "#right"))
    assert scale(page) >= 0.649


# --- nothing lies over anything else ---


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("make", [shared, neuron, mlp])
def test_nothing_lies_over_the_drawings(read, make, size):
    page = read(make(), size=size, reduced_motion="reduce")
    above = "header, footer, .zoom, .pane-name, .caption, aside"
    drawings = ["#right"]
    for keys in ([], ["w"], ["End"]):
        page.press(*keys)
        if keys == ["w"]:
            drawings.append("#wrong")
        for drawing in drawings:
            here = box(page, drawing)
            assert here["bottom"] - here["top"] > 130
            others = page.page.locator(above).filter(visible=True)
            assert all(
                apart(here, other) for other in others.evaluate_all(f"(all) => all.map({BOX})")
            )


def test_on_a_phone_the_sentence_that_says_what_happens_is_on_the_screen(read):
    page = read(shared(), size=PHONE, reduced_motion="reduce")
    limit = box(page, "footer")["top"]
    for _ in range(6):
        page.press("ArrowRight")
        assert box(page, "#story p")["bottom"] < limit
    page.press("w")
    assert page.text("#wrong-name") == "Plain recursion: 1 gradient of 3 comes out wrong"
    for _ in range(6):
        page.press("ArrowRight")
        assert max(b["bottom"] for b in boxes(page, "#wrong-name, #wrong-caption")) < limit
    assert "Again: b hands on" in page.text("#wrong-caption")


def test_on_a_phone_the_search_is_a_button_until_it_is_used(read):
    page = read(mlp(), size=PHONE)
    title = page.page.locator("#title")
    assert title.evaluate("(e) => e.scrollWidth <= e.clientWidth")
    assert box(page, ".search")["right"] - box(page, ".search")["left"] < 44
    page.page.locator("#search").click()
    field = page.page.locator("#search")
    assert field.evaluate("(e) => e.clientWidth") > 300
    field.fill("x1")
    assert within(box(page, "#hits"), {"left": 0, "top": 0, "right": PHONE[0], "bottom": PHONE[1]})
    page.press("Enter")
    assert "x1" in page.text("#inspector h2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chosen_mode_stands_out_from_the_other(read, scheme):
    page = read(shared(), color_scheme=scheme)
    chosen, frame = page.page.locator("#mode-steps").evaluate(
        "(e) => { const s = getComputedStyle(e); return [s.backgroundColor, s.boxShadow]; }"
    )
    other = page.page.locator("#mode-wrong").evaluate("(e) => getComputedStyle(e).backgroundColor")
    assert chosen != other
    assert "0px 0px 0px 1px" in frame


def test_counts_are_written_in_one_way(read):
    x = Value(1.0, label="a")
    for _ in range(16):
        x = x + x
    page = read(called("b", x))
    page.press("w")
    assert page.step == "0 / 2,000"
    assert "131,071 visits" in page.text("#story")


def test_what_was_drawn_together_is_counted(read, monkeypatch):
    monkeypatch.setattr("rustygrad_graphviz.page.LARGEST", 400)
    loss = moons()
    leaves = sum(node.op.symbol == "" and not node.operands for node in Graph.capture(loss))
    page = read(loss)
    given = page.text("#story p")
    assert given.startswith(f"{leaves} numbers are given, drawn as ")
