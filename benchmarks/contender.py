"""One contender in a process of its own: ``python contender.py NAME``.

It runs a step for every line on standard input, and answers with the seconds
it took and what the step returned.
"""

import gc
import sys
import time

import moons_floats
import moons_mlp
import moons_scalar
import rustygrad

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
    for _ in sys.stdin:
        started = time.perf_counter()
        result = step()
        seconds = time.perf_counter() - started
        print(seconds, result if isinstance(result, float) else "nan", flush=True)
