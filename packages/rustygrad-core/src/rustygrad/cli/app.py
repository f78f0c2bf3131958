"""The commands, put together."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from . import INTERRUPTED
from .backends import backends
from .conformance import conformance
from .train import train

__all__ = ["app"]


class _Commands(TyperGroup):
    """Ctrl-C ends any command with one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
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
