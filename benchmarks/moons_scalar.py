"""W1 in micrograd's style: one training step of the moons demo, every scalar operation written out.

The same file runs on every engine that has micrograd's Value. Its classes are
those of micrograd's nn, with the generator `sum` of its first version.
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


class Layer:
    def __init__(self, Value, nin, nout, nonlin):  # noqa: N803
        self.neurons = [Neuron(Value, nin, nonlin) for _ in range(nout)]

    def __call__(self, x):
        out = [n(x) for n in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self):
        return [p for n in self.neurons for p in n.parameters()]


class MLP:
    def __init__(self, Value, nin, nouts):  # noqa: N803
        sz = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(Value, sz[i], sz[i + 1], i != last) for i in range(len(nouts))]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]


def make_step(Value, points, labels):  # noqa: N803
    random.seed(1337)
    model = MLP(Value, 2, [16, 16, 1])

    def step():
        inputs = [list(map(Value, point)) for point in points]
        scores = list(map(model, inputs))
        losses = [(1 + -label * score).relu() for label, score in zip(labels, scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        total = data_loss + 1e-4 * sum(p * p for p in model.parameters())
        for p in model.parameters():
            p.grad = 0
        total.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
        return total.data

    return step
