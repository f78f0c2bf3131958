"""Check that docs/reference/platforms.md lists the wheels that cibuildwheel would build, and no more.

Usage: ``python tools/check_platforms.py``, with cibuildwheel installed.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "platforms.md"
STATES = {"run", "untested"}


def configured() -> set[str]:
    """The build identifiers of rustygrad-c's configuration, such as cp311-win_amd64."""
    found = set()
    for platform in ("linux", "macos", "windows"):
        command = [sys.executable, "-m", "cibuildwheel", "packages/rustygrad-c"]
        command += ["--platform", platform, "--print-build-identifiers"]
        found |= set(subprocess.check_output(command, text=True, cwd=ROOT).split())
    return found


def listed() -> set[str]:
    """The same of the table: its first column is a platform, those of versions hold a state."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    versions = {i: f"cp{cell.replace('.', '')}" for i, cell in enumerate(rows[0]) if "3." in cell}
    found = set()
    for row in rows[2:]:
        platform = re.fullmatch("`(.+)`", row[0])[1]
        for i, version in versions.items():
            assert row[i] in STATES, f"{row[i]!r} is none of {STATES}"
            found.add(f"{version}-{platform}")
    return found


if __name__ == "__main__":
    wanted, found = configured(), listed()
    for name in sorted(wanted ^ found):
        print(f"{name}: {'built and not listed' if name in wanted else 'listed and not built'}")
    if wanted == found:
        print(f"{len(found)} wheels, all of them listed")
    sys.exit(wanted != found)
