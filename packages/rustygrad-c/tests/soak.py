"""Training steps by the hundred thousand, and what they leave behind: nothing.

``python soak.py [SCENARIO ...] --steps 100000`` runs each scenario in a process of its
own, and compares memory and reference counts after a tenth of the steps and at the end.
"""

import argparse
import contextlib
import copy
import gc
import pickle
import subprocess
import sys
import time
import tracemalloc
import weakref
from pathlib import Path

import rustygrad
from rustygrad import modes
from rustygrad_c import _engine, backend, helpers

Value = rustygrad.get_backend("c").Value
SCENARIOS = {}


def scenario(prepare):
    """Add a scenario: what it prepares is the function of one step."""
    SCENARIOS[prepare.__name__] = prepare
    return prepare


@scenario
def micrograd_style():
    ws = [Value(0.1 * i) for i in range(8)]

    def step():
        loss = sum((w * 0.5 + i).relu() ** 2 for i, w in enumerate(ws)) / 8
        for w in ws:
            w.grad = 0
        loss.backward()
        for w in ws:
            w.data -= 0.01 * w.grad

    return step


def _model(optimiser):
    model = rustygrad.MLP(2, [4, 1], backend="c")
    optimiser = optimiser(model.parameters())

    def step():
        optimiser.zero_grad()
        rustygrad.mse([model([0.3, -0.2]), model([1.0, 2.0])], [0.5, 1.0]).backward()
        optimiser.step()

    return step


@scenario
def mlp_and_sgd():
    return _model(lambda ps: rustygrad.optim.SGD(ps, lr=0.01, momentum=0.9))


@scenario
def mlp_and_adam():
    return _model(rustygrad.optim.Adam)


@scenario
def closures():
    def step():
        a, b = Value(2.0), Value(3.0)
        out = Value(6.0, (a, b), "*")

        def pull():
            a.grad += b.data * out.grad

        out._backward = pull
        (out * 2.0).backward()

    return step


@scenario
def free_attributes():
    def step():
        leaf = Value(1.0, label="x")
        leaf.m, leaf.name = 0.0, "w"
        middle = leaf * 2.0
        leaf.best = middle + leaf
        vars(leaf)["seen"] = [middle]

    return step


@scenario
def custom_operations():
    def step():
        kept = []
        blend = rustygrad.custom(lambda x, y: x * y, lambda g, out, x, y: (y * g, len(kept) * g))
        node = blend(Value(1.0), 2.0) * 3.0
        kept.append(node)
        node.backward()

    return step


@scenario
def pickling_and_copying():
    def step():
        a = Value(1.0, label="a")
        node = (a * 2.0 + a).tanh()
        node.tag = [a]
        twin, _ = pickle.loads(pickle.dumps((node, a)))
        copy.deepcopy(twin).backward()
        copy.copy(node).backward()

    return step


@scenario
def capturing():
    def step():
        a = Value(1.0, label="a")
        graph = rustygrad.Graph.capture((a * 2.0 + a).tanh())
        rustygrad.differentiate(graph, [0])

    return step


@scenario
def errors():
    a, b = Value(1.0), Value(2.0)
    other = rustygrad.get_backend("python").Value(1.0)
    attempts = [
        lambda: a + None, lambda: (1.0,) * a, lambda: a**other, lambda: a < "x", lambda: Value("x"),
        lambda: Value(1.0, (2.0,)), lambda: Value(), lambda: Value(10**400), lambda: pow(a, 2, 3),
        lambda: setattr(a, "data", None), lambda: delattr(a, "grad"), lambda: a.missing,
        lambda: setattr(a, "_role", "x"), lambda: setattr(a, "_backward", 3),
        lambda: a.backward("x"), lambda: a.backward(1, 2), lambda: rustygrad.sum([a, None]),
        lambda: _engine.apply(rustygrad.ops.ADD, [a]), lambda: _engine.apply(a, [a]),
        lambda: _engine.apply(rustygrad.ops.POW, [a], "x"), lambda: _engine.columns([a, 3]),
        lambda: _engine.opaque(None, [a, "x"], 1.0), lambda: _engine.make_opaque(a, None, [3]),
        lambda: _engine.rebuild(Value, 2, (a,), 0.0, 0.0, None, 0),
        lambda: _engine.rebuild(Value, 0, (), 0.0, 0.0, 9, 0), lambda: a.__setstate__(3),
        lambda: f"{a:x}", lambda: Value(1.0, (a,), "f")._hand_down(3),
    ]  # fmt: skip

    def raising():
        node = Value(1.0, (a, b), "f")
        node._backward = lambda: 1 / 0
        (node * 2.0).backward()

    def step():
        for attempt in (*attempts, raising):
            with contextlib.suppress(Exception):
                attempt()

    return step


@scenario
def weak_references():
    def step():
        told = []
        a = Value(1.0)
        node = a * 2.0
        watch = weakref.ref(node, told.append)
        cache = weakref.WeakValueDictionary(a=a, node=node)
        del node
        assert watch() is None
        assert len(told) == 1
        assert list(cache) == ["a"]

    return step


@scenario
def subclasses():
    class Slotted(Value):
        __slots__ = ("best",)

    class Free(Value):
        def __del__(self):
            self.data += 1.0

    def step():
        leaf, free = Slotted(1.0), Free(2.0)
        leaf.best = leaf * free
        free.more = Free(1.0, [leaf, free], "f")
        changed = Free(1.0)
        changed.__class__ = Value
        leaf.best.backward()
        leaf.__init__(2.0, (leaf.best,), "again")

    return step


@scenario
def modes_of_all_kinds():
    def step():
        a = Value(0.0)
        with rustygrad.no_grad():
            (a * 2.0).tanh().backward()
        with contextlib.suppress(rustygrad.errors.AnomalyError), rustygrad.anomaly():
            (a + 1.0).log().backward()
            a.log()

    return step


def shared():
    """The reference counts of what all nodes share."""
    things = {
        "the type": Value, "the backend": backend.backend, "Pull": helpers.Pull,
        "the plain mode": modes.PLAIN, "the helpers": helpers,
    }  # fmt: skip
    things |= {op.name: op for op in rustygrad.ops.OPS.values()}
    counts = {name: sys.getrefcount(thing) for name, thing in things.items()}
    if hasattr(sys, "gettotalrefcount"):  # a debug build of Python
        counts["all objects"] = sys.gettotalrefcount()
    return counts


def _resident():
    """The memory of this process in KiB, where the system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * 4


def measure(name, steps, told):
    """What a scenario leaves behind, in words; and a line of numbers.

    Args:
        name: the scenario.
        steps: how many; as many as a tenth, and 500 at least, come before the first look.
        told: where to write the progress.
    """
    step = SCENARIOS[name]()
    gc.disable()  # so that as much waits for it each time

    def run(count, done):
        for i in range(count):
            step()
            if i % 500 == 499:
                gc.collect()
                told.write(f"\r{name}: {done + i + 1:,} of {steps:,} steps ")
                told.flush()
        gc.collect()

    run(max(steps // 10, 500), 0)
    counts, blocks, resident = shared(), sys.getallocatedblocks(), _resident()
    run(steps - steps // 10, steps // 10)
    more_blocks, grown = sys.getallocatedblocks() - blocks, _resident() - resident
    slack = 600  # Python's own free lists and caches
    problems = [
        f"{name}: {shared()[what] - count:+} references to {what}"
        for what, count in counts.items()
        if shared()[what] - count > (slack if what == "all objects" else 2)
    ]
    if more_blocks > slack:
        problems.append(f"{name}: {more_blocks:+} blocks of memory")
    if grown > 2048 and steps >= 10_000:  # fewer say more of the system than of the engine
        problems.append(f"{name}: {grown:+} KiB resident")
    if problems:
        problems += _where(step)
    numbers = f"{name:22} {steps:>9,} steps {more_blocks:>+5} blocks {grown:>+6} KiB resident"
    return problems, numbers


def _where(step):
    """The lines whose memory grows most, of a thousand more steps."""
    tracemalloc.start(5)
    step()
    before = tracemalloc.take_snapshot()
    for _ in range(1000):
        step()
    gc.collect()
    grown = tracemalloc.take_snapshot().compare_to(before, "lineno")
    tracemalloc.stop()
    return [f"    {line}" for line in grown[:5]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--steps", type=int, default=100_000, help="of each (%(default)s)")
    parser.add_argument("--here", action="store_true", help="in this process")
    chosen = parser.parse_args()
    names = chosen.scenarios or [*SCENARIOS]
    if not chosen.here:
        command = [sys.executable, __file__, "--here", "--steps", str(chosen.steps)]
        return max([subprocess.run([*command, name]).returncode for name in names])
    found = []
    for name in names:
        begin = time.monotonic()
        problems, numbers = measure(name, chosen.steps, sys.stderr)
        found += problems
        sys.stderr.write("\r" + " " * 78 + "\r")
        print(f"{numbers}, {time.monotonic() - begin:.0f} s", *problems, sep="\n", flush=True)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
