"""One contender in a process of its own: ``python nodes.py NAME SHAPE SIZE``.

For every line on standard input it makes a graph of about SIZE nodes, runs
backward and drops it. It answers with the nanoseconds that each took, by node,
and with the bytes by which the process had grown, by node. (Only in the first
round do they tell anything: later ones find memory that was used before.)
"""

import gc
import os
import sys
import time

#: So many turns follow each other, so that recursive engines can go back through them.
TURNS = 200


def products(Value, size):  # noqa: N803
    """``c = a * b + c``: two nodes a turn."""
    a, b = Value(1.5), Value(0.5)
    ends = []
    for _ in range(size // (2 * TURNS)):
        c = Value(0.25)
        for _ in range(TURNS):
            c = a * b + c
        ends.append(c)
    return in_a_tree(ends), 2 + len(ends) * (2 * TURNS + 2) - 1


def sums(Value, size):  # noqa: N803
    """``c = c + a``: one node a turn, and nothing else."""
    a = Value(1.5)
    ends = []
    for _ in range(size // TURNS):
        c = Value(0.25)
        for _ in range(TURNS):
            c = c + a
        ends.append(c)
    return in_a_tree(ends), 1 + len(ends) * (TURNS + 2) - 1


def in_a_tree(values):
    """The sum of the values, added up by twos."""
    while len(values) > 1:
        last = values[len(values) // 2 * 2 :]
        values = [x + y for x, y in zip(values[::2], values[1::2])] + last
    return values[0]


def value_class(name):
    if name == "float":
        return float
    if name == "micrograd":
        from micrograd.engine import Value

        return Value
    import rustygrad

    return rustygrad.get_backend(name).Value


def memory():
    """The bytes of memory that the process uses."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    name, shape, size = sys.argv[1], globals()[sys.argv[2]], int(sys.argv[3])
    sys.setrecursionlimit(100_000)
    Value = value_class(name)
    shape(Value, 2 * TURNS)
    gc.disable()  # micrograd's graphs make it walk all nodes, again and again
    for _ in sys.stdin:
        before = memory()
        times = [time.perf_counter()]
        root, count = shape(Value, size)
        times.append(time.perf_counter())
        grown = memory() - before
        if name != "float":
            root.backward()
        times.append(time.perf_counter())
        del root
        if name == "micrograd":
            gc.collect()
        times.append(time.perf_counter())
        spans = [1e9 * (b - a) / count for a, b in zip(times, times[1:])]
        print(*spans, grown / count, flush=True)
