"""Stepping through a graph: what each step shows is what the engine computed."""

import math
import random
import struct

import pytest
import rustygrad
from graphs import called, expression, mlp, moons, neuron, shared
from rustygrad import Graph, Value
from rustygrad_graphviz.page import page
from rustygrad_graphviz.playback import backward, local_derivatives


def test_the_play_goes_forward_then_backward_node_by_node(read):
    page = read(expression())
    told = [page.story]
    while not page.step.startswith("10 /"):
        page.press("ArrowRight")
        told.append(page.story)
    assert told == [
        "What is given",
        "v2 is computed", "v5 is computed", "v6 is computed", "L is computed",
        "L starts here", "L hands on", "v6 hands on", "v5 hands on", "v2 hands on",
        "Backward is complete",
    ]  # fmt: skip


def test_steps_back_show_what_steps_forward_did(read):
    page = read(expression())
    seen = []
    for _ in range(10):
        seen.append((page.step, page.text("#story"), page.texts("#right .card .grad")))
        page.press("ArrowRight")
    for before in reversed(seen):
        page.press("ArrowLeft")
        assert (page.step, page.text("#story"), page.texts("#right .card .grad")) == before


def test_data_appear_as_they_are_computed_and_gradients_as_they_are_handed_on(read):
    page = read(shared())
    assert page.texts("#right .card .data") == ["3.0", "", ""]
    page.press("ArrowRight", "ArrowRight")
    assert page.texts("#right .card .data") == ["3.0", "9.0", "18.0"]
    assert page.texts("#right .card .grad") == ["", "", ""]
    page.press("ArrowRight", "ArrowRight")
    assert page.texts("#right .card .grad") == ["0.0", "2.0", "1.0"]
    page.press("End")
    assert page.texts("#right .card .grad") == ["12.0", "2.0", "1.0"]


@pytest.mark.parametrize("make", [expression, shared, neuron, mlp])
def test_each_hand_over_shows_the_local_derivative_the_incoming_gradient_and_the_sum(read, make):
    value = make()
    graph = Graph.capture(value)
    record = backward(graph, graph.outputs[0], 1.0, ran=True)
    local = local_derivatives(graph)
    page = read(value)
    shown = []
    last = int(page.step.split(" / ")[1])
    for _ in range(last):
        page.press("ArrowRight")
        if page.story.endswith("hands on"):
            for block in page.page.locator(".handover").all():
                shown.append(block.locator("output").all_text_contents())
    expected = []
    for edge, product, total in zip(record.edges, record.products, record.sums, strict=True):
        owner = next(i for i in range(len(graph)) if graph.offsets[i + 1] > edge)
        numbers = (local[edge], graph.grad[owner], product, total)
        expected.append([repr(x) for x in numbers])
    assert shown == expected


@pytest.mark.parametrize("make", [expression, shared, neuron, mlp])
def test_every_node_shows_the_engines_numbers_to_the_last_digit(read, make):
    value = make()
    page = read(value)
    for node in Graph.capture(value):
        assert page.facts(node.index) == {"data": repr(node.data), "grad": repr(node.grad)}


def test_numbers_of_every_size_are_written_as_python_writes_them(read):
    random.seed(7)
    numbers = [struct.unpack("<d", random.randbytes(8))[0] for _ in range(600)]
    numbers += [random.uniform(-1, 1) * 10.0**e for e in range(-25, 25) for _ in range(4)]
    numbers += [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308]
    numbers += [1e16, 1e15, 123456789012345680.0, 9999999999999998.0, 1e-4, 1e-5, 0.1, 1e22, 2**53]
    page = read(rustygrad.sum([Value(x) for x in numbers]))
    while page.count("#story .more"):
        page.page.locator("#story .more").click()
    assert page.texts("#story .leaves output") == [repr(float(x)) for x in numbers]


def test_nan_and_inf_are_played_like_other_numbers(read):
    x = Value(0.0, label="x")
    y = x.log() * 0.0
    y.backward()
    page = read(y)
    graph = Graph.capture(y)
    for node in graph:
        assert page.facts(node.index) == {"data": repr(node.data), "grad": repr(node.grad)}
    page.press("End")
    assert "nan" in page.text("#story .leaves")
    assert page.texts("#right .card .is-odd") == ["nan", "-inf", "nan"]


def test_formulas_stand_beside_the_numbers(read):
    page = read(expression())
    page.press(*["ArrowRight"] * 6)
    formula = page.page.locator(".handover .local .formula").first
    assert formula.text_content() == "∂L∂v6 =2 ×v6"


def test_play_goes_on_by_itself_until_it_is_paused(read):
    page = read(shared())
    clock = page.page.clock
    clock.install()
    clock.pause_at(page.page.evaluate("Date.now()") + 1000)
    page.press("p")
    assert page.step == "0 / 6"
    clock.run_for(2000)
    assert page.step == "2 / 6"
    page.page.locator("#speed").select_option("20×")
    clock.run_for(50)
    assert page.step == "3 / 6"
    page.page.get_by_role("button", name="Pause").click()
    clock.run_for(60_000)
    assert page.step == "3 / 6"
    page.page.get_by_role("button", name="Play").click()
    clock.run_for(60_000)
    assert page.step == "6 / 6"
    assert page.page.get_by_role("button", name="Play").count() == 1


def test_leaves_that_added_up_over_two_backwards_show_both_numbers(read):
    a = Value(3.0, label="a")
    c = 2 * a * a
    c.backward()
    c.backward()
    page = read(c)
    index = Graph.capture(c).find("a").index
    assert page.facts(index) == {"data": "3.0", "grad": "12.0", "captured": "24.0"}
    page.press("End")
    assert "Some captured gradients are others" in page.text("#story")


def test_a_graph_before_backward_says_so_and_shows_what_it_would_give(read):
    a = Value(3.0, label="a")
    page = read(a * a)
    assert "backward() has not run, or handed nothing on" in page.text("#notice")
    assert page.facts(0)["grad"] == "6.0"


def test_a_slice_that_got_nothing_does_not_claim_that_backward_has_not_run(read):
    x, w, v = Value(2.0, label="x"), Value(-1.0, label="w"), Value(3.0, label="v")
    pre = x * w
    pre.label = "pre"
    out = pre.relu() + v * 3
    out.backward()
    graph = Graph.capture(out)
    page = read(graph.slice(graph.find("pre")))
    said = "Every gradient is 0: backward() has not run, or handed nothing on."
    assert page.text("#notice").startswith(said)
    page.press("ArrowRight", "ArrowRight")
    assert page.story == "pre starts here"
    assert "The gradient captured here is 0.0. What follows is what" in page.text("#story")


def test_a_graph_too_large_for_a_page_is_folded_and_can_be_played(read, monkeypatch):
    monkeypatch.setattr("rustygrad_graphviz.page.LARGEST", 400)
    page = read(moons())
    assert "nodes are too many for one page; modules are folded, fold=" in page.text("#notice")
    page.press("End")
    assert page.story == "Backward is complete"
    assert "× 100" in " ".join(page.texts("#right .card"))


def test_below_a_node_of_the_users_own_gradients_are_as_captured(read):
    a = Value(2.0, label="a")
    b = a * 3.0
    c = rustygrad.custom(lambda x: x * x, lambda g, out, x: (2 * x * g,), name="square")(b)
    c.backward()
    page = read(c)
    assert page.facts(0) == {"data": "2.0", "grad": "36.0"}
    page.press(*["ArrowRight"] * 4)
    assert "as captured: 12.0" in page.text("#story")
    page.press("w")
    assert "no other order can be played" in page.text("#toast")


def told(page):
    """What each step says, by its heading."""
    stories = {}
    for _ in range(int(page.step.split(" / ")[1])):
        page.press("ArrowRight")
        stories[page.story] = " ".join(page.text("#story").split())
    return stories


def test_a_folded_module_is_not_called_a_node_of_the_users_own(read):
    loss = mlp()
    page = read(Graph.capture(loss).fold())
    assert "is computed from them and from what is inside the folded modules" in page.text("#story")
    stories = told(page)
    assert not any("of your own" in story or "Python" in story for story in stories.values())
    assert "A module, folded" in stories["out is computed"]
    assert "operands receive is not shown" in stories["out hands on"]
    page.press("w")
    assert page.text("#toast").startswith("Modules are folded here, or nodes drawn together.")
    page.facts(Graph.capture(loss).fold().outputs[0])
    assert "folded module layers.1" in page.text("#inspector .facts")


def test_nodes_drawn_once_are_not_called_nodes_of_the_users_own(read):
    values = [Value(float(i)) * 3.0 - 1.0 for i in range(30)]
    page = read(Graph.capture(called("loss", rustygrad.sum([v**2 for v in values]))).collapse())
    assert page.texts("#right .badge text") == ["× × 30", "\N{MINUS SIGN} × 30", "x² × 30", "sum"]
    assert "from them, one node at a time" in page.text("#story")
    stories = told(page)
    assert not any("of your own" in story or "Python" in story for story in stories.values())
    once = "30 nodes that do the same, drawn once, with the numbers of the first."
    assert sum(once in story for story in stories.values()) == 6
    assert "Its operands stand for several nodes each" in stories["loss is computed"]


def test_below_a_node_of_the_users_own_gradients_are_unknown_before_backward(read):
    a = Value(2.0, label="a")
    c = rustygrad.custom(lambda x: x * x, lambda g, out, x: (2 * x * g,), name="square")(a * 3.0)
    assert read(c).facts(0) == {"data": "2.0", "grad": "?"}


def changed():
    a = Value(3.0, label="a")
    b = a * a
    loss = b + a
    loss.label = "l"
    loss.backward()
    a.data = 100.0
    return loss


def test_data_that_were_changed_after_they_were_used_are_no_equation(read):
    page = read(changed())
    assert "the data of 2 nodes (v₁, l) do not follow from the operands" in page.text("#notice")
    assert page.text("#notice").endswith(
        "Export before data is changed, that is before optimizer.step()."
    )
    told = []
    for _ in range(5):
        page.press("ArrowRight")
        said = "Data was changed after it was computed: its operands give 10000.0 now."
        told.append((page.story, said in page.text("#story"), said in page.text("#live")))
        if page.story == "v1 is computed":
            assert page.texts("#story .equation.numbers") == ["v1 ≠100.0 ×100.0"]
    assert told[0] == ("v1 is computed", True, True)
    assert told[4] == ("v1 hands on", True, False)


def test_data_that_were_not_changed_are_not_said_to_be(read):
    page = read(shared())
    assert page.count("#notice:visible") == 0
    page.press("ArrowRight")
    assert page.count("#story .mistake") == 0


def test_several_results_are_played_one_after_the_other(read):
    a = Value(2.0, label="a")
    p, q = a * 3.0, a * 5.0
    p.label, q.label = "p", "q"
    page = read(Graph.capture(p, q))
    assert page.facts(0)["grad"] == "3.0"
    page.page.locator("#root").select_option("q")
    assert page.facts(0)["grad"] == "5.0"


def test_a_single_leaf_is_a_graph_too(read):
    page = read(Value(2.0, label="a"))
    page.press("End")
    assert page.facts(0) == {"data": "2.0", "grad": "1.0"}
    page.press("w")
    assert "Nothing is handed on" in page.text("#toast")


def test_an_empty_graph_says_that_it_is_empty(read):
    record = Graph.capture(Value(1.0)).to_json()
    columns = {key: type(value)() for key, value in record.items() if key != "format"}
    reader = read(page(Graph.from_json({"format": record["format"]} | columns)))
    assert reader.text("#title") == "An empty graph"
    reader.press("ArrowRight", "w", "/")


def test_a_title_can_be_given(read):
    assert "My graph" in read(shared(), export={"title": "My graph"}).text("#title")


def test_ten_thousand_nodes_are_folded_and_played(read):
    loss = moons()
    graph = Graph.capture(loss)
    page = read(loss)
    assert page.cards() < 40
    page.press("End")
    assert page.texts("#right .card.output .data")[-1] == f"{loss.data:.4f}"
    for node in random.Random(1).sample(list(graph), 12):
        assert page.facts(node.index) == {"data": repr(node.data), "grad": repr(node.grad)}
    assert page.cards() <= 160
