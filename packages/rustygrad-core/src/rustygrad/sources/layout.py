"""Laying source text out: long lists over several lines, helper functions where they are used."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

__all__ = ["filled", "used", "wrapped"]

_WIDTH: Final = 96


def wrapped(start: str, items: Sequence[str], end: str, indent: int) -> str:
    """A list in brackets, on lines of its own if it is too long for one.

    Args:
        start: what the list begins with, up to its bracket.
        items: what is in it.
        end: what it ends with.
        indent: by how many spaces lines after the first are indented.
    """
    line = f"{start}{', '.join(items)}{end}"
    if len(line) <= _WIDTH - indent:
        return line
    rows = filled([f"{item}," for item in items[:-1]] + [items[-1] + end], indent)
    return f"{start}\n{rows}"


def filled(words: Iterable[str], indent: int) -> str:
    """Words over as many lines as it takes."""
    space = " " * indent
    return textwrap.fill(
        " ".join(words),
        _WIDTH,
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )


def used(definitions: Mapping[str, str], text: str) -> list[str]:
    """The definitions that a text needs, each once, in the order they are given in.

    Args:
        definitions: source by the name that it defines. Several names may have one source.
        text: names of some of them, among other words.
    """
    found: set[str] = set()
    unread = [text]
    while unread:
        for word in set(re.findall(r"\w+", unread.pop())):
            if word in definitions and word not in found:
                found.add(word)
                unread.append(definitions[word])
    return list(dict.fromkeys(definitions[name] for name in definitions if name in found))
