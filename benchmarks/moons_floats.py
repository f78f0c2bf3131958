"""F, the unit: the forward pass of the moons net on plain Python floats, in micrograd's style.

What a scalar program costs the interpreter before there is any gradient: the
same classes as in `moons_scalar`, with floats for Values.
"""

import random


class Neuron:
    def __init__(self, draw, nin, nonlin):
        self.w = [draw.uniform(-1, 1) for _ in range(nin)]
        self.b = 0.0
        self.nonlin = nonlin

    def __call__(self, x):
        act = sum((wi * xi for wi, xi in zip(self.w, x)), self.b)
        return max(act, 0.0) if self.nonlin else act


class Layer:
    def __init__(self, draw, nin, nout, nonlin):
        self.neurons = [Neuron(draw, nin, nonlin) for _ in range(nout)]

    def __call__(self, x):
        out = [n(x) for n in self.neurons]
        return out[0] if len(out) == 1 else out


class MLP:
    def __init__(self, draw, nin, nouts):
        sz = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(draw, sz[i], sz[i + 1], i != last) for i in range(len(nouts))]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def make_step(points):
    model = MLP(random.Random(1337), 2, [16, 16, 1])

    def step():
        return [model(point) for point in points]

    return step
