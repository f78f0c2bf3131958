"""One contender in a process of its own: ``python contender.py NAME``.

For every line on standard input it runs steps for TURN seconds, one at least. It
answers with the mean seconds of a step, and with what the first step of all
returned.
"""

import gc
import sys
import time

import moons_floats
import moons_mlp
import moons_scalar
import rustygrad

#: A step alone, after other processes have had the caches, would measure the caches.
TURN = 0.05

points, labels = rustygrad.datasets.moons()


def micrograd():
    from micrograd.engine import Value

    return moons_scalar.make_step(Value, points, labels)


def pytorch():
    import moons_torch

    return moons_torch.make_step(points, labels)


CONTENDERS = {
    "F": lambda: moons_floats.make_step(points),
    "micrograd": micrograd,
    "PyTorch eager, whole batch": pytorch,
    "rustygrad python, micrograd-style": lambda: moons_scalar.make_step(
        rustygrad.get_backend("python").Value, points, labels
    ),
    "rustygrad python, MLP": lambda: moons_mlp.make_step("python", points, labels),
    "rustygrad c, micrograd-style": lambda: moons_scalar.make_step(
        rustygrad.get_backend("c").Value, points, labels
    ),
    "rustygrad c, MLP": lambda: moons_mlp.make_step("c", points, labels),
}

if __name__ == "__main__":
    name, collector = sys.argv[1:]
    if collector == "off":
        gc.disable()
    step = CONTENDERS[name]()
    first = step()
    for _ in sys.stdin:
        started, steps, seconds = time.perf_counter(), 0, 0.0
        while seconds < TURN:
            step()
            steps += 1
            seconds = time.perf_counter() - started
        print(seconds / steps, first if isinstance(first, float) else "nan", flush=True)
