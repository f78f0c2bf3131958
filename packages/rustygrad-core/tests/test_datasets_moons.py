import math
from importlib import resources
from pathlib import Path

import pytest
from rustygrad import datasets


def test_moons_is_100_labelled_points():
    points, labels = datasets.moons()
    assert len(points) == len(labels) == 100
    assert {len(p) for p in points} == {2}
    assert sorted(labels) == [-1] * 50 + [1] * 50
    assert all(math.isfinite(x) for p in points for x in p)


def test_moons_gives_lists_of_the_callers_own():
    points, _ = datasets.moons()
    points[0][0] = 99.0
    assert datasets.moons()[0][0][0] != 99.0


def test_the_file_is_what_the_committed_script_writes(tmp_path):
    pytest.importorskip("sklearn")
    script = Path(__file__).parents[3] / "tools" / "make_moons.py"
    place = tmp_path / "packages" / "rustygrad-core" / "src" / "rustygrad" / "data"
    place.mkdir(parents=True)
    twin = tmp_path / "tools" / "make_moons.py"
    twin.parent.mkdir()
    twin.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    exec(
        compile(twin.read_text(encoding="utf-8"), str(twin), "exec"),
        {"__file__": str(twin), "__name__": "__main__"},
    )
    shipped = resources.files("rustygrad") / "data" / "moons.csv"
    assert (place / "moons.csv").read_bytes() == shipped.read_bytes()
