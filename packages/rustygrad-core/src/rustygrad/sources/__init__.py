"""Graphs as source text: readable Python, and C99 that needs a compiler and libm alone.

`export(loss, "loss.py")` and `export(loss, "loss.c")` write what
`python_source` and `c_source` give.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .c import c_source
    from .python import python_source

__all__ = ["c_source", "python_source"]


def __getattr__(name: str) -> Any:
    """Both are imported at first use, because the plugin beside them is always imported."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{name.partition('_')[0]}"), name)
