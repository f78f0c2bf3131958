"""Train a network of 337 scalars to tell two moons apart, as in micrograd's demo."""

import random

import rustygrad
from rustygrad import MLP, datasets, optim

random.seed(1337)
X, y = datasets.moons()
model = MLP(2, [16, 16, 1])
optimizer = optim.SGD(model.parameters(), lr=1.0)
print(model)
print(len(model.parameters()), "parameters on the backend", rustygrad.get_backend().name)

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
        print(f"step {step + 1}: loss {loss.data:.4f}, accuracy {correct}%")
