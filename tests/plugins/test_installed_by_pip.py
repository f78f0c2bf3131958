"""The same distributions through pip, together in one folder."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def site(wheels, tmp_path_factory):
    """A folder that pip has installed core and every fixture distribution into."""
    pytest.importorskip("pip")
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-compile", "--target", str(target)]
    subprocess.run([*command, *map(str, wheels.values())], check=True, capture_output=True)
    return target


@pytest.fixture
def run_site(site, installed, run):
    """Runs a program over that folder and pluggy alone."""
    path = f"import sys; sys.path[1:3] = [{str(site)!r}, {str(installed['pluggy'])!r}]\n"
    return lambda program, **options: run(path + program, **options)


def test_what_pip_installs_is_found_and_told_apart(run_site):
    ran = run_site(
        "import rustygrad\n"
        "for s in rustygrad.backends(): print(s.kind, s.name, s.distribution, s.status)\n"
        "print(sys.modules['rustygrad'].__file__.startswith(sys.path[1]))"
    )
    assert ran.code == 0, ran.err
    assert sorted(ran.out) == [
        "True",
        "backend exiting exits-in-factory broken",
        "backend forty-two junk broken",
        "backend fragile raises-in-factory installed",
        "backend good good-backend selected",
        "backend loopback loopback-backend installed",
        "backend python rustygrad-core installed",
        "backend quiet quiet-backend installed",
        "backend tempting tempting-backend broken",
        "backend twin twin-one duplicate",
        "backend twin twin-two duplicate",
        "backend unowned junk broken",
        "plugin eager eager-plugin broken",
        "plugin exits-in-hook exits-in-hook broken",
        "plugin exits-on-import exits-on-import broken",
        "plugin misspelt-hook misspelt-hook broken",
        "plugin raises-in-hook raises-in-hook broken",
        "plugin raises-on-import raises-on-import broken",
        "plugin without-info without-info broken",
        "plugin wrong-api wrong-api broken",
        "plugin wrong-signature wrong-signature broken",
    ]
    assert len(ran.warnings) == 13  # one for each plugin left out, and each better backend


def test_the_version_in_the_list_is_that_of_the_package(run_site):
    ran = run_site(
        "import rustygrad\nprint(rustygrad.__version__ == rustygrad.backends()[0].version)",
        options=["-W", "ignore"],
    )
    assert ran.out == ["True"]
