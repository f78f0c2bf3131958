"""The table of bugs and of the tests that catch them, measured and written as Markdown.

``python -m rustygrad_conformance.bugs.table PATH`` writes it;
with ``--check`` it fails where the file says something else.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import Bug, bugs
from .measure import first_failures

__all__ = ["main", "table"]

_HEAD = """# What the conformance suite catches

The suite is itself tested: on {hand} engines that were broken by hand, each with a
bug that a project of this family had or might have, and on {generated} more whose
derivatives were broken by a program, row by row of the op table. Every one of them
fails the test that is named beside it, before any other. The test runs of
`rustygrad-conformance` measure this and fail where this page says something else.

Each of these engines is a backend, so you can look at what a bug looks like:

```
pytest --pyargs rustygrad_conformance --rustygrad-backend rustygrad_conformance.bugs:relu_slope_at_0 -x
```

"""


def table(found: Mapping[str, str]) -> str:
    """The page, in Markdown.

    Args:
        found: the first test that failed, by the name of the bug.
    """
    every = bugs()
    by_hand = [every[name] for name in found if not every[name].generated]
    generated = [every[name] for name in found if every[name].generated]
    return "".join(
        [
            _HEAD.format(hand=len(by_hand), generated=len(generated)),
            "## Broken by hand\n\n",
            _rows(by_hand, found),
            "\n## Made from the op table\n\n",
            _rows(generated, found),
        ]
    )


def _rows(listed: Sequence[Bug], found: Mapping[str, str]) -> str:
    lines = ["| engine | what it does wrong | caught by |", "|---|---|---|"]
    for one in listed:
        caught = f"`{found[one.name]}`" if found[one.name] else "nothing"
        lines.append(f"| `{one.name}` | {_escaped(one.text)} | {_escaped(caught)} |")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*") if "`" not in text else text


def main(arguments: Sequence[str]) -> int:
    """Write or check the file, and return the exit status."""
    path = Path(arguments[0])
    text = table(first_failures(bugs()))
    if "--check" not in arguments:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{path} is out of date: python -m {__spec__.name} {path}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
