"""Check that every package has core's version and pins its siblings to it."""

import re
import sys
import tomllib
from pathlib import Path

PACKAGES = Path(__file__).parents[1] / "packages"


def version_of(package: Path) -> str:
    (path,) = package.glob("src/*/_version.py")
    return re.search(r'^__version__ = "(.+)"$', path.read_text(), re.MULTILINE)[1]


def problems() -> list[str]:
    packages = sorted(path.parent for path in PACKAGES.glob("*/pyproject.toml"))
    wanted = version_of(PACKAGES / "rustygrad-core")
    names = {package.name for package in packages}
    found = []
    for package in packages:
        if version_of(package) != wanted:
            found.append(f"{package.name} has version {version_of(package)}, core has {wanted}")
        project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        stated = [project["version"]] if "version" in project else []
        if (package / "meson.build").exists():
            stated += re.findall(
                r"^  version: '(.+)',$", (package / "meson.build").read_text(), re.M
            )
        found += [f"{package.name} states version {v}" for v in stated if v != wanted]
        if project["name"] != package.name:
            found.append(f"{package.name} calls itself {project['name']}")
        extras = project.get("optional-dependencies", {})
        for requirement in [*project["dependencies"], *(r for e in extras.values() for r in e)]:
            name = re.match(r"[\w-]+", requirement)[0]
            if name in names and not requirement.endswith(f"=={wanted}"):
                found.append(f"{package.name} requires {requirement!r}, not {name}=={wanted}")
    return found


if __name__ == "__main__":
    found = problems()
    print("\n".join(found) or f"all packages: {version_of(PACKAGES / 'rustygrad-core')}")
    sys.exit(bool(found))
