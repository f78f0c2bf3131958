"""A process for one layout, so that it can be ended: DOT text in, a picture out.

``python -P -m rustygrad_graphviz.layout svg`` lets the package `graphviz` and its
program ``dot`` draw. It imports nothing of rustygrad's, and ``-P`` keeps a script
of the user's that is called ``graphviz.py`` out of the way.
"""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["FAILED", "MISSING"]

#: How the process ends where there is no program ``dot``, and where that could not draw.
MISSING: Final = 3
FAILED: Final = 4


def _main(kind: str) -> int:
    import graphviz

    try:
        picture = graphviz.pipe("dot", kind, sys.stdin.buffer.read(), quiet=True)
    except graphviz.ExecutableNotFound:
        return MISSING
    except graphviz.CalledProcessError as error:
        sys.stderr.buffer.write(error.stderr)
        return FAILED
    sys.stdout.buffer.write(picture)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
