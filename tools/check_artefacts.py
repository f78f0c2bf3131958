"""Check what sdists and wheels hold: all sources, the licence, nothing else, and wheels' tags.

Usage: ``python tools/check_artefacts.py [--no-page] FILE...``; with ``--no-page`` the page of
the exporter `html` may be missing, as it is where there is no node.
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
    package = PACKAGES / artefact.name.partition("-")[0].replace("_", "-")
    wanted = sources(package)
    found = []
    if artefact.suffix == ".whl":
        meta = zipfile.ZipFile(artefact).namelist()
        held = {n for n in meta if ".dist-info/" not in n and not n.endswith(BINARIES)}
        wanted = {n for n in wanted if not n.startswith("c/")}  # C sources go into the sdist
        found += [f"{artefact.name} {problem}" for problem in tag_problems(artefact, package)]
    else:
        with tarfile.open(artefact) as archive:
            meta = [member.name for member in archive if member.isfile()]
        inside = [n.partition("/")[2] for n in meta]
        held = {n.removeprefix("src/") for n in inside if n.startswith("src/")}
        if is_compiled(package):  # what packagers build from: tests and build files belong to it
            files = [package / "meson.build", *package.glob("tests/*.py")]
            names = {path.relative_to(package).as_posix() for path in files}
            wanted |= names
            held |= names & {*inside}
    found += [f"{artefact.name} lacks {n}" for n in sorted(wanted - held)]
    found += [f"{artefact.name} holds {n} too" for n in sorted(held - wanted)]
    page = "rustygrad_graphviz/viewer.html"
    if package.name == "rustygrad-graphviz" and page not in held and "--no-page" not in sys.argv:
        found.append(f"{artefact.name} lacks the page, which node and npm make")
    if not any(n.endswith("/LICENSE") for n in meta):
        found.append(f"{artefact.name} lacks the licence")
    return found


def is_compiled(package: Path) -> bool:
    return (package / "meson.build").exists()


def tag_problems(wheel: Path, package: Path) -> list[str]:
    """What is wrong with the tags: a compiled wheel names the Python and the system it is for."""
    python, abi, platform = wheel.stem.split("-")[-3:]
    if not is_compiled(package):
        wrong = (python, abi, platform) != ("py3", "none", "any")
        return ["is tagged as if it were compiled"] if wrong else []
    modules = [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith(BINARIES)]
    if len(modules) != 1:
        return ["lacks the compiled engine" if not modules else f"holds {modules}"]
    if not python.startswith("cp") or abi != python or platform == "any":
        return [f"is tagged {python}-{abi}-{platform}, not for one Python and one system"]
    if f"{python[2:]}-" not in modules[0]:  # _engine.cpython-311-x86_64-linux-gnu.so
        return [f"is tagged {python} and holds {modules[0]}"]
    return []


if __name__ == "__main__":
    names = [name for name in sys.argv[1:] if name != "--no-page"]
    found = [problem for name in names for problem in check(Path(name))]
    print("\n".join(found) or f"{len(names)} files hold what they should")
    sys.exit(bool(found))
