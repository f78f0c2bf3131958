"""Pictures of the pages, for people to look at: kept where $SCREENSHOTS says."""

import pytest
from graphs import DESKTOP, PHONE, early, expression, mlp, moons, neuron, shared

STEPS = {
    "given": [],
    "forward": ["ArrowRight"] * 2,
    "backward": ["End", "ArrowLeft", "ArrowLeft"],
    "wrong": ["w", "End", "ArrowLeft"],
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("make", [expression, shared, early, neuron, mlp, moons])
def test_pictures_are_taken(read, screenshots, make, size, scheme):
    page = read(make(), size=size, color_scheme=scheme, reduced_motion="reduce")
    for name, keys in STEPS.items():
        page.press("Home", *keys)
        device = "desktop" if size == DESKTOP else "phone"
        path = screenshots / f"{make.__name__}-{name}-{device}-{scheme}.png"
        page.page.screenshot(path=path)
        assert path.stat().st_size > 5_000
