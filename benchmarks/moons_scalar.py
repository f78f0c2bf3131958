"""W1 in micrograd's style: one training step of the moons demo, every scalar operation written out.

The same file runs on every engine that has micrograd's Value.
"""

import random


class Neuron:
    def __init__(self, Value, nin, nonlin):  # noqa: N803
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x):
        act = sum((wi * xi for wi, xi in zip(self.w, x)), self.b)
        return act.relu() if self.nonlin else act

    def parameters(self):
        return [*self.w, self.b]


def make_step(Value, points, labels):  # noqa: N803
    random.seed(1337)
    sizes = [2, 16, 16, 1]
    layers = [
        [Neuron(Value, nin, nonlin=depth < 2) for _ in range(nout)]
        for depth, (nin, nout) in enumerate(zip(sizes, sizes[1:]))
    ]
    parameters = [p for layer in layers for neuron in layer for p in neuron.parameters()]

    def model(x):
        for layer in layers:
            x = [neuron(x) for neuron in layer]
        return x[0]

    def step():
        scores = [model([Value(x) for x in point]) for point in points]
        losses = [(1 + -label * score).relu() for label, score in zip(labels, scores)]
        total = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in parameters)
        for p in parameters:
            p.grad = 0
        total.backward()
        for p in parameters:
            p.data -= 0.1 * p.grad
        return total.data

    return step
