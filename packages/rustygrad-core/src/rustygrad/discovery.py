"""Entry points of installed distributions, found without importlib.metadata.

That module is the standard way, and importing it alone costs a third of the
time from a bare interpreter to the first Value. What is needed of it is little:
the entry-points specification of the Python Packaging User Guide, which is the
file ``entry_points.txt`` beside a distribution's metadata.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

__all__ = ["EntryPoint", "entry_points"]


class EntryPoint:
    """One line of an ``entry_points.txt``, and whose it is."""

    def __init__(self, name: str, value: str, distribution: str, version: str) -> None:
        self.name = name
        self.value = value
        self.distribution = distribution
        self.version = version

    def load(self) -> Any:
        """Import what it names: ``module``, or ``module:attribute``; raises what that raises."""
        module, _, attribute = self.value.partition(":")
        found: Any = import_module(module.strip())
        for name in filter(None, attribute.strip().split(".")):
            found = getattr(found, name)
        return found


def entry_points(group: str) -> list[EntryPoint]:
    """The entry points of a group, distributions in the order of ``sys.path``.

    A distribution that lies on the path twice counts once, where it comes first.
    """
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for folder in sys.path:
        for metadata in _metadata_folders(folder or "."):
            stem = os.path.splitext(os.path.basename(metadata))[0].partition("-")[0]
            key = stem.lower().replace("_", "-").replace(".", "-")
            if key in seen:
                continue
            seen.add(key)
            lines = _group(_read(metadata, "entry_points.txt"), group)
            if lines:
                fields = _fields(_read(metadata, "METADATA") or _read(metadata, "PKG-INFO"))
                distribution, version = fields.get("name", stem), fields.get("version", "")
                found += [EntryPoint(n, value, distribution, version) for n, value in lines]
    return found


def _metadata_folders(folder: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # a path entry that is missing, a zip file or unreadable
        return
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            yield os.path.join(folder, name)


def _read(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _group(text: str, group: str) -> list[tuple[str, str]]:
    """The ``name = value`` lines of one section; a value may carry extras in brackets."""
    lines: list[tuple[str, str]] = []
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section == group and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            lines.append((name.strip(), value.partition("[")[0].strip()))
    return lines


def _fields(text: str) -> dict[str, str]:
    """The headers at the top of a metadata file, names in lower case."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon or line[:1].isspace():
            break
        fields.setdefault(name.lower(), value.strip())
    return fields
