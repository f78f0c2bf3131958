"""Small data sets that come with the library."""

from __future__ import annotations

import csv
from importlib import resources

__all__ = ["moons"]


def moons() -> tuple[list[list[float]], list[int]]:
    """Two interleaving half circles with noise: 100 points of the plane, labelled -1 or 1.

    Made by scikit-learn's ``make_moons(n_samples=100, noise=0.1, random_state=1337)``;
    the repository's ``tools/make_moons.py`` writes the file.

    Returns:
        The points, a list of [x, y], and their labels.
    """
    file = resources.files("rustygrad") / "data" / "moons.csv"
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    points = [[float(row["x"]), float(row["y"])] for row in rows]
    return points, [int(row["label"]) for row in rows]
