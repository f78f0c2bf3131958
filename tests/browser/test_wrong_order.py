"""The wrong orders beside the right one, with the numbers that the documentation derives."""

from itertools import pairwise

import pytest
import rustygrad
from graphs import called, early, expression, moons, shared
from rustygrad import Value


def gradients(page, side):
    """The table's numbers of one side, by the node's name."""
    names = page.texts(".verdict tr .node")
    return dict(zip(names, page.texts(f".verdict [data-{side}]"), strict=True))


def test_plain_recursion_gives_18_where_the_right_order_gives_12(read):
    page = read(shared())
    page.press("w", "End")
    assert gradients(page, "right") == {"a": "12.0", "b": "2.0", "c": "1.0"}
    assert gradients(page, "wrong") == {"a": "18.0", "b": "2.0", "c": "1.0"}
    assert page.texts("#wrong .card.is-wrong .name") == ["a"]
    assert page.count("#right .card.is-wrong") == 0


def test_it_shows_the_hand_over_that_spoils_the_sum(read):
    page = read(shared())
    page.press("w")
    spoilt = []
    for _ in range(6):
        page.press("ArrowRight")
        spoilt.append("Again" in page.text("#wrong-caption"))
    assert spoilt == [False, False, False, False, True, True]
    assert "b hands on all of its 2.0, though it has handed 1.0 on before" in page.text(
        "#wrong-caption"
    )


def test_visiting_each_node_once_gives_8_where_the_right_order_gives_16(read):
    page = read(early())
    page.press("w")
    page.page.get_by_role("button", name="Each node once").click()
    page.press("End")
    assert gradients(page, "right")["a"] == "16.0"
    assert gradients(page, "wrong")["a"] == "8.0"
    assert "a" in page.texts("#wrong .card.is-wrong .name")


def test_handing_on_too_early_is_named(read):
    page = read(early())
    page.press("w")
    page.page.get_by_role("button", name="Each node once").click()
    page.press("ArrowRight", "ArrowRight", "ArrowRight")
    assert "Too early: b has 1.0" in page.text("#wrong-caption")
    assert "becomes 3.0" in page.text("#wrong-caption")


def test_both_sides_show_the_same_graph(read):
    page = read(shared())
    page.press("w")
    assert page.texts("#right .card .name") == page.texts("#wrong .card .name")


def test_where_nothing_is_shared_nothing_comes_out_wrong(read):
    page = read(expression())
    page.press("w", "End")
    assert "Nothing comes out wrong here" in page.text("#story")
    assert page.count(".is-wrong") == 0


@pytest.mark.parametrize(
    ("times", "said"),
    [(16, "131,071 visits for 17 nodes"), (2000, "more visits than a float can count")],
)
def test_it_says_what_the_recursion_costs(read, times, said):
    x = Value(1.0, label="a")
    for _ in range(times):
        x = x + x
    page = read(x)
    page.press("w")
    assert said in page.text("#story")
    assert "The first 2,000 shares are played" in page.text("#story")


def test_a_record_that_is_cut_says_when_so_many_are_wrong(read):
    x = Value(1.0, label="a")
    for _ in range(16):
        x = x + x
    page = read(x)
    page.press("w")
    said = page.text("#story strong")
    assert said.endswith("are wrong after its first 2,000 shares.")
    assert page.text("#wrong-name").lower() == f"plain recursion: {said}".lower().rstrip(".")
    page.press("End")
    shown = page.count(".verdict .is-wrong")
    assert said.startswith(f"{shown} gradients of 17 ")


def test_a_cut_record_without_a_mistake_claims_nothing_of_the_rest(read):
    x, y = Value(1.0), Value(1.0)
    for _ in range(1001):
        y = y * x
    page = read(y)
    page.press("w")
    for kind in ("Plain recursion", "Each node once"):
        page.page.get_by_role("button", name=kind).click()
        assert page.text("#story strong") == "Nothing is wrong after its first 2,000 shares."
        assert "What comes after them is not played" in page.text("#story")
        assert page.text("#wrong-name").startswith(f"{kind}: nothing is wrong after")


def test_a_label_is_not_taken_for_the_name_of_a_node_without_one(read):
    v1 = Value(2.0, label="v1")
    square = v1 * v1
    page = read(square + square)
    page.press("w", "End")
    mistake = page.page.locator("#wrong-caption .mistake")
    assert mistake.inner_html().startswith('Again: <span class="is-made-up">v<sub>1</sub></span>')
    names = [card.get_attribute("aria-label") for card in page.page.locator("#right .card").all()]
    assert [name.split(",")[0] for name in names] == ["input v1", "v₁", "v₂"]


def test_the_way_back_to_stepping_keeps_its_place(read):
    page = read(shared())
    page.press("ArrowRight", "ArrowRight")
    before = page.step
    page.press("w", "End", "w")
    assert page.step == before
    assert page.count("#wrong:visible") == 0


# --- folded ---


def widths(page, selector):
    return [
        float(bar.get_attribute("width"))
        for bar in page.page.locator(f"#{selector} .folded:not(.constant) .back").all()
    ]


def wrong_inside(page):
    """How many are wrong in each folded card, as the cards say."""
    tallies = page.texts("#wrong .folded.is-wrong .tally")
    assert all(text.endswith(" wrong") for text in tallies)
    return [int(text.split(" of ")[0]) for text in tallies]


@pytest.mark.parametrize("kind", ["Plain recursion", "Each node once"])
def test_folded_cards_say_how_many_are_wrong_inside(read, kind):
    page = read(moons())
    page.press("w")
    page.page.get_by_role("button", name=kind).click()
    assert page.count(".is-wrong") == 0
    page.press("End")
    said = page.text("#story strong")
    shown = page.count("#wrong .card.is-wrong:not(.folded)")
    assert sum(wrong_inside(page)) + shown == int(said.split()[0])
    marked = page.page.locator("#wrong .folded.is-wrong").first
    assert marked.get_attribute("aria-label").endswith(marked.locator(".tally").text_content())
    assert marked.locator(".wrong").is_visible()
    assert page.count("#right .is-wrong") == 0
    page.press("Home")
    assert page.count(".is-wrong") == 0
    assert not any("wrong" in text for text in page.texts("#wrong .tally"))


def test_folded_cards_fill_as_their_nodes_receive(read):
    page = read(called("loss", rustygrad.mean([shared_input(i) for i in range(30)])))
    page.press("w")
    assert set(widths(page, "right")) == set(widths(page, "wrong")) == {0.0}
    seen = [widths(page, "right")]
    for _ in range(int(page.step.split(" / ")[1].replace(",", ""))):
        page.press("ArrowRight")
        seen.append(widths(page, "right"))
    assert all(a <= b for one, two in pairwise(seen) for a, b in zip(one, two, strict=True))
    room = float(page.page.locator("#right .groove").first.get_attribute("width"))
    assert set(seen[-1]) == {room} == set(widths(page, "wrong"))
    assert any(0 < width < room for width in seen[len(seen) // 2])


def shared_input(i):
    x = Value(float(i), label="x")
    return (x * x).tanh() + x
