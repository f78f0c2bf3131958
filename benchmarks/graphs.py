"""Measure graphs of any size: ``python benchmarks/graphs.py [--nodes N] [--backend NAME]``.

A graph of N nodes is captured and worked on, and one of a tenth of N. Where the
time grows with the number of nodes, the last column is near 10.
"""

import argparse
import gc
import random
import tempfile
import time
from pathlib import Path

import rustygrad
from rustygrad import MLP, Graph


def wide_sum(make, nodes):
    return rustygrad.sum([make(1.0) for _ in range(nodes)])


def deep_chain(make, nodes):
    x, y = make(0.5), make(0.25)
    for _ in range(nodes // 2):
        x = (x + y).tanh()
    return x


def network(make, nodes):
    """Samples of a 2-16-16-1 network, which shares its parameters among them."""
    random.seed(1)
    model = MLP(2, [16, 16, 1], backend=make._backend.name)
    samples = max(1, nodes // 69)
    return rustygrad.mean([(model([0.5, i / samples]) - 1) ** 2 for i in range(samples)])


def scalar_network(make, nodes):
    """A layer's neurons in single additions and multiplications, as micrograd has them."""
    random.seed(1)
    xs = [make(random.uniform(-1, 1)) for _ in range(100)]
    total = make(0.0)
    for _ in range(nodes // 302):
        neuron = make(0.0)
        for x in xs:
            neuron = neuron + make(random.uniform(-1, 1)) * x
        total = total + neuron.tanh()
    return total


def many_dots(make, nodes):
    random.seed(1)
    rows = [make(random.uniform(-1, 1)) for _ in range(64)]
    while len(rows) < nodes:
        rows.append(rustygrad.dot(rows[-8:], rows[-16:-8], rows[-20]).tanh())
        rows.append(rustygrad.maximum(rows[-8:]))
    return rustygrad.logsumexp(rows[-64:])


SHAPES = [wide_sum, deep_chain, network, scalar_network, many_dots]


def work(graph, folder):
    """What is measured of a captured graph, by name."""
    path = folder / "graph.json"
    leaves = [node.index for node in graph.leaves("input")[:10]]
    return {
        "verify": graph.verify,
        "repr": lambda: repr(graph),
        "evaluate": graph.evaluate,
        "slice": lambda: graph.slice(*graph.outputs),
        "slice by depth": lambda: graph.slice(len(graph) // 2, depth=3, users=3),
        "fold": graph.fold,
        "collapse": graph.collapse,
        "expand": graph.expand,
        "differentiate": lambda: graph.differentiate(leaves),
        "save": lambda: graph.save(path),
        "load": lambda: Graph.load(path),
    }


def seconds(run):
    gc.collect()
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def measure(shape, backend, nodes, folder):
    root = shape(rustygrad.get_backend(backend).Value, nodes)
    times = {}
    root.backward()
    times["capture"], graph = seconds(lambda: Graph.capture(root))
    for name, run in work(graph, folder).items():
        times[name], _ = seconds(run)
    return len(graph), times


def table(shape, backend, nodes, folder):
    _, small = measure(shape, backend, nodes // 10, folder)
    count, large = measure(shape, backend, nodes, folder)
    print(f"\n{shape.__name__}, backend {backend}, {count} nodes\n")
    print("| what | seconds | times a tenth of the nodes |\n| --- | ---: | ---: |")
    for name, t in large.items():
        print(f"| {name} | {t:.3f} | {t / small[name]:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Measure graphs of any size.")
    parser.add_argument("--nodes", type=int, default=1_000_000, help="of the larger graph")
    parser.add_argument("--backend", action="append", help="one of those installed; all by default")
    parser.add_argument("--shape", action="append", choices=[s.__name__ for s in SHAPES])
    given = parser.parse_args()
    backends = given.backend or [b.name for b in rustygrad.backends() if b.status == "installed"]
    with tempfile.TemporaryDirectory() as folder:
        for backend in backends:
            for shape in SHAPES:
                if not given.shape or shape.__name__ in given.shape:
                    table(shape, backend, given.nodes, Path(folder))


if __name__ == "__main__":
    main()
