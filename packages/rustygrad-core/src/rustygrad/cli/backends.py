"""``rustygrad backends``: what is installed, chosen, broken, and why."""

from __future__ import annotations

import warnings
from typing import Final

from rich.table import Table
from rich.text import Text

from ..plugins import KINDS
from ..selection import OfferStatus, get_backend
from ..selection import backends as installed
from .console import console

__all__ = ["backends"]

#: A console that leaves less to the last column shows a paragraph a row instead of a table.
_WHY: Final = 20
_COLUMNS: Final = ("kind", "name", "status", "distribution", "version")
_STYLES = {"selected": "bold green", "broken": "bold red", "duplicate": "yellow"}


def backends() -> None:
    """List every backend, compiler and exporter that is installed, and which one is used.

    The exit status is 1 if the selected backend cannot be used.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table says the same
        rows = [row for kind in KINDS for row in installed(kind) if row.kind == kind]
        rows += [row for row in installed() if row.kind == "plugin"]
    where = console()
    fits = _width_but_why(rows) + _WHY <= where.width
    where.print(_table(rows) if fits else _paragraphs(rows))
    get_backend()  # raises, with the reason, if it cannot be used


def _width_but_why(rows: list[OfferStatus]) -> int:
    """The width of all columns but the last one, with the gaps between them."""
    return sum(
        max(len(column), *(len(getattr(row, column)) for row in rows)) + 2 for column in _COLUMNS
    )


def _paragraphs(rows: list[OfferStatus]) -> Text:
    text = Text(overflow="fold")
    for row in rows:
        text.append(f"{row.kind} {row.name}: {row.status}\n", _STYLES.get(row.status, ""))
        for line in (f"{row.distribution} {row.version}", row.reason or row.summary):
            text.append(f"  {line}\n")
    text.rstrip()
    return text


def _table(rows: list[OfferStatus]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in rows:
        cells = [getattr(row, column) for column in _COLUMNS]
        table.add_row(*cells, row.reason or row.summary, style=_STYLES.get(row.status, ""))
    return table
