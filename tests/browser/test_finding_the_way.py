"""Keyboard, screen readers, search, folding, colours and small screens."""

import pytest
from graphs import DESKTOP, PHONE, expression, mlp, moons, neuron, shared
from rustygrad import Graph, Value


def test_all_controls_can_be_reached_with_the_tab_key_in_the_order_of_the_page(read):
    page = read(mlp())
    seen = []
    for _ in range(40):
        page.press("Tab")
        seen.append(
            page.page.evaluate(
                "(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent).trim()"
            )
        )
        if seen[-1] == "1×" or "speed" in seen[-1]:
            break
    wanted = [
        "Skip to the step",
        "Step through",
        "Why the order matters",
        "Find a node",
        "Zoom in",
        "First step",
        "Step back",
        "Play",
        "Step forward",
        "Last step",
        "Step",
    ]
    assert [label for label in seen if label in wanted] == wanted


def test_focus_can_be_seen(read):
    page = read(mlp())
    page.press("Tab", "Tab")
    assert page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_whole_walk_with_the_keyboard(read):
    page = read(mlp())
    page.press("ArrowRight", "ArrowRight")
    assert page.step == "2 / 12"
    page.press("End")
    assert page.step == "12 / 12"
    page.press("Home", "g", "ArrowDown", "ArrowDown", "Enter")
    index = page.page.evaluate("document.activeElement.getAttribute('data-item')")
    assert page.text("#inspector h2").endswith(f"%{index}")
    page.press("Escape")
    assert page.count("#inspector:visible") == 0
    page.press("/")
    page.page.keyboard.type("x1")
    page.press("Enter")
    assert "x1" in page.text("#inspector h2")
    page.press("?")
    assert page.count("dialog[open]") == 1
    page.press("Escape")
    page.wait_until_gone("dialog[open]")


def test_letters_can_be_switched_off(read):
    page = read(shared())
    page.press("?")
    page.page.locator("#letters").uncheck()
    page.press("Escape")
    page.wait_until_gone("dialog[open]")
    page.press("w")
    assert page.count("#wrong:visible") == 0
    page.press("ArrowRight")
    assert page.step == "1 / 6"


def test_keys_work_at_once_when_the_dialog_has_closed(read):
    page = read(shared())
    page.page.evaluate(
        """() => {
          const [dialog, letters] = ["keys", "letters"].map((id) => document.getElementById(id));
          dialog.showModal();
          letters.focus();
          dialog.close();  // the focus is taken from the box when the page is drawn, and not yet
          const key = new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true });
          document.activeElement.dispatchEvent(key);
          letters.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
        }"""
    )
    assert page.step == "2 / 6"


def test_space_presses_the_button_that_has_the_focus(read):
    page = read(shared())
    page.page.get_by_role("button", name="Step forward").focus()
    page.press("Space")
    assert page.step == "1 / 6"


def test_each_step_is_said_aloud(read):
    page = read(shared())
    assert page.page.locator("#live").get_attribute("aria-live") == "polite"
    page.press("ArrowRight")
    assert page.text("#live") == "b is computed: × of a, a is 9.0."
    page.press("End", "ArrowLeft")
    assert page.text("#live").startswith(
        "b hands its gradient 2.0 on. to a: 3.0 times 2.0 is 6.0; sum 6.0."
    )
    assert (
        page.page.locator("#slider").get_attribute("aria-valuetext").startswith("Backward: b hands")
    )


def test_nodes_have_names_and_numbers_for_screen_readers(read):
    page = read(shared())
    page.press("End")
    assert page.page.get_by_role("button", name="b, made by ×, data 9.0, gradient 2.0").count() == 1
    assert page.page.get_by_role("button", name="input a, data 3.0, gradient 12.0").count() == 1


def test_neighbours_lead_from_node_to_node(read):
    page = read(expression())
    page.facts(7)
    page.page.locator("#inspector .neighbours button").first.click()
    assert page.text("#inspector h2").endswith("%6")
    page.page.locator("#inspector .neighbours button", has_text="L").click()
    assert page.text("#inspector h2").endswith("%7")


def test_a_click_on_a_node_shows_it(read):
    page = read(expression())
    page.page.locator("#right .card", has_text="b").first.click()
    assert "b" in page.text("#inspector h2")
    assert page.count("#right .card.is-selected") == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [("b", 1), ("%2", 1), ("v2", 1), ("input", 4), ("+", 2), ("21.0", 1), ("zebra", 0)],
)
def test_search_finds_by_label_index_role_operation_and_number(read, text, found):
    page = read(expression())
    page.page.locator("#search").fill(text)
    assert page.count("#hits [role=option]") == found


@pytest.mark.parametrize(
    ("at", "selected"), [("#%", 0), ("#%zz", 0), ("#%9", 0), ("#%2", 1), ("#2", 1)]
)
def test_an_address_selects_a_node_and_any_other_does_nothing(read, at, selected):
    page = read(shared(), at=at)
    assert page.count("#inspector:visible") == selected
    page.press("ArrowRight")
    assert page.step == "1 / 6"


def test_search_unfolds_what_hides_a_node(read):
    page = read(moons())
    page.page.locator("#search").fill("layers.1.neurons.7.w.3")
    page.press("Enter")
    assert page.text("#inspector h2").startswith("layers.1.neurons.7.w.3")
    assert page.count("#right .card.is-selected") == 1


def test_modules_fold_and_unfold(read):
    page = read(mlp())
    whole = page.cards()
    assert page.page.locator(".frame").count() == 4
    page.facts(Graph.capture(mlp()).outputs[0])
    page.press("f")
    assert page.cards() < whole
    assert page.text("#inspector h2") == "layers.1"
    page.press("f")
    assert page.cards() == whole
    page.page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.texts("#right .folded .name") == ["layers.0", "layers.1"]
    page.page.get_by_role("button", name="Unfold what fits").click()
    assert page.cards() == whole


def test_folding_all_selects_what_hides_the_node_that_was_selected(read):
    page = read(mlp())
    page.facts(Graph.capture(mlp()).find("layers.0.neurons.1.b").index)
    page.page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.text("#inspector h2") == "layers.0"
    assert page.texts("#inspector .folds button") == ["Unfold into 2 items"]
    assert page.count("#right .card.is-selected") == 1


def test_a_folded_module_is_one_step_with_the_last_of_its_nodes(read):
    page = read(mlp())
    page.page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.step == "0 / 6"
    page.press("ArrowRight")
    assert "4 nodes in layers.0 are computed" in page.text("#story")


def test_the_mouse_folds_and_unfolds(read):
    page = read(mlp())
    page.page.locator(".frame .handle").first.click()
    assert page.count("#right .folded") == 1
    page.page.locator("#right .folded .handle").click()
    assert page.count("#right .folded") == 0


def settle(page, condition):
    """Wait for what an animation ends in."""
    for _ in range(600):
        if condition():
            return
        page.page.wait_for_timeout(50)
    raise AssertionError("it did not come to that")


def test_zoom_and_pan_move_the_drawing(read):
    page = read(neuron())
    world = page.page.locator("#right .world")
    before = world.get_attribute("transform")
    page.press("+")
    settle(page, lambda: world.get_attribute("transform") != before)
    page.press("0")
    settle(page, lambda: world.get_attribute("transform") == before)
    page.page.mouse.move(200, 800)
    page.page.mouse.down()
    page.page.mouse.move(260, 780)
    page.page.mouse.up()
    assert world.get_attribute("transform") != before


def background(page):
    return page.page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_colours_follow_the_system_until_they_are_switched(read):
    light = background(read(shared(), color_scheme="light"))
    page = read(shared(), color_scheme="dark")
    dark = background(page)
    assert light != dark
    page.press("t")
    assert background(page) == light
    page.page.reload()
    page.page.context.asked.pop()
    assert background(page) == light
    page.press("t")
    assert background(page) == dark


def test_nothing_moves_where_less_motion_is_asked_for(read):
    page = read(shared(), reduced_motion="reduce")
    page.press("End", "ArrowLeft")
    assert (
        page.page.evaluate("getComputedStyle(document.querySelector('.flows')).animationName")
        == "none"
    )


@pytest.mark.parametrize("size", [DESKTOP, PHONE, (320, 640)])
@pytest.mark.parametrize("make", [expression, mlp, moons])
def test_no_screen_is_too_narrow(read, make, size):
    page = read(make(), size=size)
    for keys in (["End"], ["ArrowLeft"], ["w", "End"]):
        page.press(*keys)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= size[0]


def contrast(page, selector, behind):
    """The contrast of a text with what is behind it, as WCAG 2 defines it."""
    return page.page.evaluate(
        """([selector, behind]) => {
          const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
          const light = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
          const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
          const style = (s) => getComputedStyle(document.querySelector(s));
          const of = (s) => (style(s).fill === 'none' || !document.querySelector(s).closest('svg')) ? style(s).color : style(s).fill;
          const under = (s) => document.querySelector(s).closest('svg') ? style(s).fill : style(s).backgroundColor;
          const [a, b] = [luminance(rgb(of(selector))), luminance(rgb(under(behind)))];
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        }""",
        [selector, behind],
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(read, scheme):
    page = read(mlp(), color_scheme=scheme)
    page.press("End", "ArrowLeft")
    pairs = [
        ("#summary", "body"), ("#story p", "aside"), (".handover dt", ".handover"),
        (".handover .local output", ".handover"), (".handover .sum output", ".handover"),
        ("#right .card.inner .data", "#right .card.inner .paper"),
        ("#right .card.parameter .data", "#right .card.parameter .paper"),
        ("#right .card.parameter .hint", "#right .card.parameter .paper"),
        ("#right .card.output .grad", "#right .card.output .paper"),
        ("#right .card.input .grad", "#right .card.input .paper"),
    ]  # fmt: skip
    weak = {pair: round(contrast(page, *pair), 2) for pair in pairs if contrast(page, *pair) < 4.5}
    assert weak == {}


def test_a_source_line_is_shown_where_it_is_known(read, monkeypatch):
    graph = Graph.capture(Value(2.0) * 3.0)
    monkeypatch.setattr(Graph, "sources", {2: "<model>.py:12"}, raising=False)
    page = read(graph)
    page.facts(2)
    assert page.text("#inspector .facts code") == "<model>.py:12"
    page.facts(0)
    assert page.count("#inspector .facts code") == 0
