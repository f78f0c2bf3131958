"""The backend `loopback`: a second copy of the reference engine, with its own class of Values.

It computes what the reference computes, so whatever differs is the dispatch's
fault: something in core that looks for the reference engine instead of asking
the operands for theirs.

The copy is core's package `reference`, imported a second time under this
package's name. Its relative imports, ``from ..graph import Graph``, then mean
this package, so what it imports is put here first: core's modules themselves.
"""

import sys
from importlib import import_module
from pathlib import Path

import rustygrad

SHARED = ("convert", "errors", "graph", "hookspecs", "interfaces", "modes", "ops", "sweep")

for _name in SHARED:
    sys.modules[f"{__name__}.{_name}"] = import_module(f"rustygrad.{_name}")
__path__.append(str(Path(rustygrad.__file__).parent))

from . import engine  # noqa: E402, F401  (it names the copy, wherever that is imported from)
