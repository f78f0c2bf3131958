"""Puts the page of the exporter `html` together with npm, where it is missing or older than its sources.

Without node and npm the package is built all the same, and the exporter says what it lacks.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ViewerBuildHook(BuildHookInterface[Any]):
    """Runs before sdists, wheels and editable installs are made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page if need be; it is in no repository, and in every wheel and sdist."""
        root = Path(self.root)
        page = root / "src/rustygrad_graphviz/viewer.html"
        sources = [p for p in (root / "viewer").glob("*") if p.is_file()]
        sources += (root / "viewer/src").glob("*")
        if page.exists() and all(p.stat().st_mtime <= page.stat().st_mtime for p in sources):
            return
        problem = _build(root / "viewer")
        if problem:
            kept = "keeps its older page" if page.exists() else "is built without its page"
            self.app.display_warning(f"rustygrad-graphviz {kept} (.html files): {problem}")


def _build(viewer: Path) -> str:
    """Run npm and the build; what went wrong, or ''."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        return "node and npm are not on PATH; install node 18 or newer, then install this again"
    for command in ([npm, "ci", "--omit=dev", "--fetch-retries=1"], [node, "build.js"]):
        try:
            subprocess.run(command, cwd=viewer, capture_output=True, check=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
            return "\n".join([str(error), *said.splitlines()[-5:]])
    return ""
