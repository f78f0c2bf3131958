"""W1 as a user of rustygrad writes it: `MLP`, `hinge`, `SGD`."""

import random

import rustygrad


def make_step(backend, points, labels):
    random.seed(1337)
    model = rustygrad.MLP(2, [16, 16, 1], backend=backend)
    optimizer = rustygrad.optim.SGD(model.parameters(), lr=0.1)

    def step():
        scores = [model(point) for point in points]
        penalty = 1e-4 * rustygrad.sum(p * p for p in model.parameters())
        loss = rustygrad.hinge(scores, labels) + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.data

    return step
