"""Train a network of 337 scalars to tell two moons apart, as in micrograd's demo."""

import random

import rustygrad
from rustygrad import MLP, datasets, optim

random.seed(1337)
X, y = datasets.moons()
model = MLP(2, [16, 16, 1])
optimizer = optim.SGD(model.parameters(), lr=1.0)
print(f"{len(model.parameters())} parameters on the backend {rustygrad.get_backend().name!r}")

for step in range(100):
    scores = [model(point) for point in X]
    penalty = 1e-4 * rustygrad.sum(p * p for p in model.parameters())
    loss = rustygrad.hinge(scores, y) + penalty

    optimizer.zero_grad()
    loss.backward()
    optimizer.lr = 1.0 - 0.9 * step / 100
    optimizer.step()

    correct = sum((score.data > 0) == (label > 0) for score, label in zip(scores, y, strict=True))
    if step % 10 == 9:
        print(f"step {step + 1:3}: loss {loss.data:.4f}, accuracy {correct}%")

# What it learned: each side of the boundary, with the samples on it.
COLUMNS, ROWS, LEFT, TOP, WIDE, HIGH = 56, 20, -1.5, 1.5, 4.0, 2.5
samples = {
    (int((x0 - LEFT) / WIDE * COLUMNS), int((TOP - x1) / HIGH * ROWS)): "x" if label > 0 else "o"
    for (x0, x1), label in zip(X, y, strict=True)
}
with rustygrad.no_grad():
    for row in range(ROWS):
        line = ""
        for column in range(COLUMNS):
            here = [LEFT + WIDE * (column + 0.5) / COLUMNS, TOP - HIGH * (row + 0.5) / ROWS]
            side = "." if model(here).data > 0 else " "
            line += samples.get((column, row), side)
        print(line.rstrip())
