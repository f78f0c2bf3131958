"""The smallest program that still fails, by leaving things out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from ..programs import Program

__all__ = ["smallest"]

_NUMBER: Final = re.compile(r"(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?")
_ITEM: Final = re.compile(r"\b\w+, |, \w+\b")
_SIMPLE: Final = ("1.0", "2.0", "0.5", "3.0")


def smallest(program: Program, fails: Callable[[Program], bool]) -> Program:
    """Leave out statements and simplify numbers as long as the program goes on failing.

    A program that lacks a statement it needs ends in the same NameError
    everywhere, and so does not fail.

    Args:
        program: one that fails.
        fails: whether a program does.
    """
    while True:
        for lines in _simpler(program.lines):
            try:
                candidate = Program(lines, program.names)
            except SyntaxError:
                continue
            if fails(candidate):
                program = candidate
                break
        else:
            text = "\n".join(program.lines)
            used = [name for name in program.names if re.search(rf"\b{name}\b", text)]
            return Program(program.lines, used)


def _simpler(lines: list[str]) -> Iterator[list[str]]:
    """The program without some lines, large parts first; without an item; with simpler numbers."""
    size = len(lines) // 2
    while size:
        for start in range(len(lines) - size, -1, -size):
            yield lines[:start] + lines[start + size :]
        size //= 2
    for i, line in enumerate(lines):
        for match in _ITEM.finditer(line):
            yield [*lines[:i], line[: match.start()] + line[match.end() :], *lines[i + 1 :]]
    for i, line in enumerate(lines):
        for match in _NUMBER.finditer(line):
            for number in _SIMPLE[: _rank(match[0])]:
                yield [
                    *lines[:i],
                    line[: match.start()] + number + line[match.end() :],
                    *lines[i + 1 :],
                ]


def _rank(number: str) -> int:
    """How many of the simple numbers are simpler."""
    return _SIMPLE.index(number) if number in _SIMPLE else len(_SIMPLE)
