"""``rustygrad conformance``: run the shared suite on one backend."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from ..errors import ArgumentError
from ..selection import backend_asked_for

__all__ = ["conformance"]


def conformance(
    context: typer.Context,
    backend: Annotated[str, typer.Argument(help="The name of an installed backend.")],
) -> None:
    """Check that a backend does what the reference does, to the last bit if it promises so.

    What follows the name is passed on to pytest: -x stops at the first failure,
    -k WORD runs the tests whose names hold the word. The exit status is pytest's.
    """
    backend_asked_for(backend, f"conformance {backend}")
    if find_spec("rustygrad_conformance") is None:
        raise ArgumentError("the suite is not installed: pip install rustygrad-conformance")
    import pytest

    raise typer.Exit(
        pytest.main(
            ["--pyargs", "rustygrad_conformance", "--rustygrad-backend", backend, *context.args]
        )
    )
