"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .backends import backends
from .conformance import conformance
from .train import train

__all__ = ["app"]

app = typer.Typer(
    name="rustygrad",
    help="Scalar automatic differentiation: see what is installed, train, check a backend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(backends)
app.command()(train)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    conformance
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rustygrad {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Scalar automatic differentiation: see what is installed, train, check a backend."""
