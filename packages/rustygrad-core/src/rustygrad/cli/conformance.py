"""``rustygrad conformance``: run the shared suite on one backend."""

from __future__ import annotations

import re
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

    The first failures of the first stage that is not done are shown, the rest is
    counted, and the last lines say what to do next.

    What follows the name is passed on to pytest: -x stops at the first failure,
    -k WORD runs the tests whose names hold the word, -v shows all failures, and so
    does --tb=long, with more of each. The exit status is pytest's.
    """
    backend_asked_for(backend, f"conformance {backend}")
    if find_spec("rustygrad_conformance") is None:
        raise ArgumentError("the suite is not installed: pip install rustygrad-conformance")
    import pytest

    suite = ["--pyargs", "rustygrad_conformance", "--rustygrad-backend", backend]
    if not any(_chooses_output(argument) for argument in context.args):
        suite.append("--rustygrad-brief")
    raise typer.Exit(pytest.main([*suite, "--tb=short", *context.args]))


def _chooses_output(argument: str) -> bool:
    return argument.startswith(("--verbose", "--tb")) or re.fullmatch("-v+", argument) is not None
