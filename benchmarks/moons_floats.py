"""F, the unit: the forward pass of the moons net on plain floats, in micrograd's style.

What a scalar program costs the interpreter before there is any gradient.
"""

import random


def make_step(points):
    draw = random.Random(1337).uniform
    sizes = [2, 16, 16, 1]
    layers = [
        [([draw(-1, 1) for _ in range(nin)], 0.0) for _ in range(nout)]
        for nin, nout in zip(sizes, sizes[1:])
    ]

    def step():
        for point in points:
            x = point
            for depth, layer in enumerate(layers):
                out = []
                for w, b in layer:
                    total = sum((wi * xi for wi, xi in zip(w, x)), b)
                    out.append(total if depth == 2 or total > 0 else 0.0)
                x = out

    return step
