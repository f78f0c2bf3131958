"""A program on a backend and on the reference, and many of them."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import rustygrad

from ..programs import Program
from .writing import write

__all__ = ["Fuzzer", "difference"]

_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
#: What the reference's operands and results are counted by: an operation that feeds another.
Pairs = Counter[tuple[str, str]]


def _run(program: Program, backend: Any) -> tuple[dict[str, Any], str]:
    """The variables that a program leaves behind, and the error that ended it, if one did."""
    variables = program.start(backend)
    random.seed(0)
    try:
        with rustygrad.use_backend(backend.name), np.errstate(all="ignore"):
            exec(program.code, variables)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        text = text.replace(f"{backend.Value.__module__}.Value", "Value")
        return variables, _ADDRESS.sub("", text)
    return variables, ""


def _outcome(program: Program, variables: dict[str, Any], error: str) -> dict[str, str]:
    """What is compared: each variable in full, wiring included, and the error."""
    kept = {name: variables[name] for name in program.names if name in variables}
    known = {id(x): name for name, x in kept.items()}
    found = {"error": error}
    for name, x in kept.items():
        if hasattr(x, "_prev"):
            below = ", ".join([known.get(id(y)) or f"Value({y.data!r})" for y in x._prev])
            found[name] = (
                f"data={x.data!r} grad={x.grad!r} {type(x).__name__} {x._op!r} of ({below}) "
                f"{x.label!r} {x._role}"
            )
        else:
            found[name] = repr(x)
    return found


def difference(program: Program, backend: Any, pairs: Pairs | None = None) -> list[str]:
    """What a program leaves behind that the reference does not, in words; nothing if it is right.

    Args:
        program: to be run on both.
        backend: the backend under test.
        pairs: where to count the operations that fed another one, and got a gradient from it.
    """
    variables, error = _run(program, rustygrad.get_backend("python"))
    right = _outcome(program, variables, error)
    if pairs is not None:
        pairs.update(_pairs(variables[name] for name in right if name in variables))
    got = _outcome(program, *_run(program, backend))
    if right["error"].startswith("RecursionError") and got["error"].startswith("RecursionError"):
        return []  # how far they come depends on the frames that each has
    return [
        f"{name} is {got.get(name, 'missing')}\n    and should be {right.get(name, 'missing')}"
        for name in {**right, **got}
        if got.get(name) != right.get(name)
    ]


def _pairs(variables: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for x in variables:
        if hasattr(x, "_prev") and x.grad and math.isfinite(x.grad):
            for y in x._prev:
                yield y._rule.name, x._rule.name


class Fuzzer:
    """Random programs on one backend, counted.

    Args:
        backend: the backend under test.

    Attributes:
        programs: how many have run.
        pairs: how often an operation fed another one that handed a gradient back.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.programs = 0
        self.pairs: Pairs = Counter()

    def run(self, seeds: Iterable[int]) -> tuple[int, Program] | None:
        """The first seed whose program differs from the reference, with the program."""
        for seed in seeds:
            program = write(seed)
            self.programs += 1
            if difference(program, self.backend, self.pairs):
                return seed, program
        return None
