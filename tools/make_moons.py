"""Write the moons data set that rustygrad-core ships.

Run it with scikit-learn installed: ``python tools/make_moons.py``.
"""

from pathlib import Path

from sklearn.datasets import make_moons

TARGET = Path(__file__).parents[1] / "packages/rustygrad-core/src/rustygrad/data/moons.csv"

points, labels = make_moons(n_samples=100, noise=0.1, random_state=1337)
rows = [
    f"{x!r},{y!r},{2 * int(label) - 1}"
    for (x, y), label in zip(points.tolist(), labels, strict=True)
]
TARGET.write_text("x,y,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
print(f"{len(rows)} points written to {TARGET}")
