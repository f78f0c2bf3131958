"""``rustygrad backends``: what is installed, chosen, broken, and why."""

from __future__ import annotations

import warnings

from rich.console import Console
from rich.table import Table

from ..plugins import KINDS
from ..selection import OfferStatus, get_backend
from ..selection import backends as installed

__all__ = ["backends"]

_STYLES = {"selected": "bold green", "broken": "bold red", "duplicate": "yellow"}


def backends() -> None:
    """List every backend, compiler and exporter that is installed, and which one is used.

    The exit status is 1 if the selected backend cannot be used.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table says the same
        rows = [row for kind in KINDS for row in installed(kind) if row.kind == kind]
        rows += [row for row in installed() if row.kind == "plugin"]
    Console().print(_table(rows))
    get_backend()  # raises, with the reason, if it cannot be used


def _table(rows: list[OfferStatus]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind", "name", "status", "distribution", "version"):
        table.add_column(column, no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in rows:
        table.add_row(
            row.kind,
            row.name,
            row.status,
            row.distribution,
            row.version,
            row.reason or row.summary,
            style=_STYLES.get(row.status, ""),
        )
    return table
