"""The command ``rustygrad``. One file a command; typer and rich come with the extra ``[cli]``."""

from __future__ import annotations

import sys

from ..errors import RustygradError

__all__ = ["INTERRUPTED", "main"]

#: The exit status after Ctrl-C, as shells give it: 128 and the number of SIGINT.
INTERRUPTED = 130


def main() -> None:
    """Run the command line; bad input ends in one clear line and a non-zero exit status."""
    try:
        _run()
    except KeyboardInterrupt:  # while the commands are imported; `app` sees to the rest
        print("interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)


def _run() -> None:
    try:
        from .app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        sys.exit("rustygrad: the command line needs: pip install 'rustygrad-core[cli]'")
    try:
        app()
    except (RustygradError, OSError) as error:
        sys.exit(f"rustygrad: {error}")
