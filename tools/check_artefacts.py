"""Check what sdists and wheels hold: all sources, the licence, the type marker, nothing else.

Usage: ``python tools/check_artefacts.py FILE...``
"""

import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGES = Path(__file__).parents[1] / "packages"
CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache"}


BINARIES = (".so", ".pyd")


def sources(package: Path) -> set[str]:
    """The files that a package must ship, relative to its src folder."""
    source = package / "src"
    return {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and not CACHES & {*path.parts} and path.suffix not in BINARIES
    }


def check(artefact: Path) -> list[str]:
    name = artefact.name.partition("-")[0].replace("_", "-")
    wanted = sources(PACKAGES / name)
    if artefact.suffix == ".whl":
        meta = zipfile.ZipFile(artefact).namelist()
        held = {n for n in meta if ".dist-info/" not in n and not n.endswith(BINARIES)}
        wanted = {n for n in wanted if not n.startswith("c/")}  # C sources go into the sdist
        if any("_engine.pyi" in n for n in wanted) and not any(n.endswith(BINARIES) for n in meta):
            return [f"{artefact.name} lacks the compiled engine"]
    else:
        with tarfile.open(artefact) as archive:
            meta = [member.name for member in archive if member.isfile()]
        held = {n.partition("/src/")[2] for n in meta if "/src/" in n}
    found = [f"{artefact.name} lacks {n}" for n in sorted(wanted - held)]
    found += [f"{artefact.name} holds {n} too" for n in sorted(held - wanted)]
    if not any(n.endswith("/LICENSE") for n in meta):
        found.append(f"{artefact.name} lacks the licence")
    return found


if __name__ == "__main__":
    found = [problem for name in sys.argv[1:] for problem in check(Path(name))]
    print("\n".join(found) or f"{len(sys.argv) - 1} files hold what they should")
    sys.exit(bool(found))
