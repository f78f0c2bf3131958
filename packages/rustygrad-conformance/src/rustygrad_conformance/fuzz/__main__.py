"""The fuzzer's command line."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import target
from ..programs import Program
from .coverage import table
from .running import Fuzzer, difference
from .shrinking import smallest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and return the exit status: 1 if a program differs."""
    parser = argparse.ArgumentParser(
        prog="python -m rustygrad_conformance.fuzz",
        description="Run random programs on a backend and on the reference, and compare.",
    )
    parser.add_argument("backend", help="an installed one's name, or module:attribute")
    parser.add_argument(
        "--programs", type=int, default=100_000, help="how many to run (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first one; the next has the next (%(default)s)"
    )
    parser.add_argument(
        "--seeds", type=Path, metavar="FILE", help="run the seeds of a file first, one a line"
    )
    chosen = parser.parse_args(arguments)
    backend = target.load(chosen.backend)
    seeds = [*(read_seeds(chosen.seeds) if chosen.seeds else ())]
    seeds += range(chosen.seed, chosen.seed + chosen.programs)
    fuzzer = Fuzzer(backend)
    found = fuzzer.run(_with_progress(seeds))
    for line in table(fuzzer.pairs):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(
        f"{fuzzer.programs:,} programs, {'one differs' if found else 'none differs'}\n"
    )
    if found is None:
        return 0
    seed, program = found
    sys.stderr.write("making it smaller ...\n")
    program = smallest(program, lambda one: bool(difference(one, backend)))
    sys.stdout.write(f"\nThe program of seed {seed}, made smaller:\n\n")
    sys.stdout.write(f"{pasted(program, chosen.backend)}\n\n")
    sys.stdout.write("\n".join(difference(program, backend)) + "\n")
    return 1


def read_seeds(path: Path) -> list[int]:
    """The seeds of a file: the first word of each line that has one and is no comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


def pasted(program: Program, name: str) -> str:
    """A program as one pastes it into a file, for the backend of that name."""
    head = [*target.header(name), "rustygrad.set_backend(backend.name)"]
    shown = [f"print({name!r}, {name})" for name in program.names]
    return "\n".join([*head, *program.lines, *shown])


def _with_progress(seeds: Sequence[int]) -> Iterator[int]:
    """The seeds; a line on the terminal every ten seconds says how far it is."""
    begin = told = time.monotonic()
    for done, seed in enumerate(seeds):
        now = time.monotonic()
        if now - told >= 10:
            told = now
            left = (now - begin) / done * (len(seeds) - done)
            sys.stderr.write(f"{done:,} of {len(seeds):,} programs, {left:.0f} s to go\n")
        yield seed


if __name__ == "__main__":
    faulthandler.enable()  # if the backend crashes, the traceback names the program by its seed
    sys.exit(main())
