"""A chain of a million nodes, built, run, printed, copied and freed in a process of its own.

An engine that recurses somewhere in C dies there, and would take pytest with
it. So a child process goes through the phases and says which one it enters;
where it dies is the finding.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

__all__ = ["PHASES", "Child", "Report"]


class Report:
    """What became of each phase: '' if it is right, else what went wrong."""

    def __init__(self, found: dict[str, str], death: str) -> None:
        self.found = found
        self.death = death

    def problem(self, phase: str) -> str:
        """What went wrong in a phase, in words."""
        if phase in self.found:
            return self.found[phase]
        entered = PHASES[len(self.found)] if len(self.found) < len(PHASES) else "the end"
        if phase == entered:
            return self.death
        return f"not reached, because of {entered}: {self.death}"


class _Deep:
    """The phases, in order; each leaves behind what the next one needs."""

    def __init__(self, backend: Any, depth: int) -> None:
        self.Value = backend.Value
        self.backend = backend
        self.depth = depth
        self.leaf: Any = None
        self.root: Any = None
        self.pickled = b""

    def build(self) -> None:
        self.leaf = x = self.Value(1.0, label="leaf")
        for _ in range(self.depth // 2):
            x = -(x * self.leaf)
        self.root = x
        right = (-1.0) ** (self.depth // 2)
        assert x.data == right, f"the chain should end in {right}, not {x.data}"

    def backward(self) -> None:
        self.root.backward(2.0)
        right = (-1.0) ** (self.depth // 2) * 2.0 * (self.depth // 2 + 1)
        assert self.leaf.grad == right, f"the leaf's gradient is {self.leaf.grad}, not {right}"

    def print(self) -> None:
        assert repr(self.root.data) in repr(self.root), f"its repr is {self.root!r}"

    def capture(self) -> None:
        count = len(self.backend.capture([self.root]))
        right = 1 + 2 * (self.depth // 2)
        assert count == right, f"the graph has {count} nodes, not {right}"

    def pickle(self) -> None:
        import pickle

        self.pickled = pickle.dumps((self.root, self.leaf))

    def unpickle(self) -> None:
        import pickle

        root, leaf = pickle.loads(self.pickled)
        self.pickled = b""
        before = leaf.grad
        root.backward(2.0)
        right = before + 2.0 * (-1.0) ** (self.depth // 2) * (self.depth // 2 + 1)
        assert leaf.grad == right, f"the copy's gradient is {leaf.grad}, not {right}"

    def copy(self) -> None:
        """A tenth of the depth will do: what recurses dies there too."""
        import copy

        x = self.Value(1.0)
        for _ in range(self.depth // 10):
            x = -x
        assert copy.deepcopy(x).data == x.data

    def free(self) -> None:
        import weakref

        trouble: list[Any] = []
        sys.unraisablehook = trouble.append
        gone = weakref.ref(self.leaf)
        self.root = self.leaf = None
        assert not trouble, f"freeing the graph raised {trouble[0].exc_value!r}"
        assert gone() is None, "the graph is still there with the garbage collector off"


#: What is tried, in order.
PHASES: Final = ("build", "backward", "print", "capture", "pickle", "unpickle", "copy", "free")


class Child:
    """The child process that goes through all phases.

    Args:
        name: the backend, see `target.load`.
        depth: how many operations the chain is long.
    """

    def __init__(self, name: str, depth: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, name, str(depth)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def report(self) -> Report:
        """What became of it, once it has ended."""
        output, errors = self._process.communicate(timeout=600)
        found = {}
        for line in output.splitlines():
            phase, tab, problem = line.partition("\t")
            if tab and phase in PHASES:
                found[phase] = problem
        return Report(found, _death(self._process.returncode, errors))

    def stop(self) -> None:
        """End it, if nobody has waited for it."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()


def _death(status: int, errors: str) -> str:
    if status < 0:
        name = signal.Signals(-status).name
        return f"the process died of {name}; most often that is recursion in C"
    last = errors.strip().splitlines()[-1:] or ["no message"]
    return f"the process ended with status {status}: {last[0]}"


def _main(name: str, depth: int) -> None:
    from .target import load

    gc.disable()  # the graph must be freed without it, and it takes half of the time
    deep = _Deep(load(name), depth)
    for phase in PHASES:
        work: Callable[[], None] = getattr(deep, phase)
        try:
            work()
            problem = ""
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        sys.stdout.write(f"{phase}\t{' '.join(problem.split())}\n")
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
