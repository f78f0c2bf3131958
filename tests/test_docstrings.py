"""Everything public is documented: what it gives, its arguments, its errors."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap

import pytest
import rustygrad

MODULES = [
    "rustygrad",
    *(
        module.name
        for module in pkgutil.walk_packages(rustygrad.__path__, "rustygrad.")
        if not any(part.startswith("_") for part in module.name.split("."))
        and not module.name.startswith("rustygrad.cli")
    ),
]


def public_names(module):
    return getattr(module, "__all__", None) or [
        name
        for name, item in vars(module).items()
        if not name.startswith("_") and getattr(item, "__module__", None) == module.__name__
    ]


def documented(item):
    """Whether something can have a docstring of its own."""
    return inspect.isclass(item) or inspect.isroutine(item) or inspect.ismodule(item)


def public_items():
    """Everything public of the library, each once, methods and properties included."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for public in public_names(module):
            item = getattr(module, public)
            if not documented(item) or not getattr(item, "__module__", name).startswith(
                "rustygrad"
            ):
                continue
            found.setdefault(id(item), (f"{name}.{public}", item))
            if inspect.isclass(item):
                for member, value in vars(item).items():
                    function = value.fget if isinstance(value, property) else value
                    function = getattr(function, "__func__", function)
                    if not member.startswith("_") and inspect.isfunction(function):
                        found.setdefault(id(function), (f"{name}.{public}.{member}", function))
    return [pytest.param(item, id=path) for path, item in found.values()]


def raised_names(node):
    """The errors that leave a function by a `raise` of its own: not what a `try` may catch."""
    if isinstance(node, ast.Raise):
        called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return (
            {called.id} if isinstance(called, ast.Name) and called.id.endswith("Error") else set()
        )
    children = [n for n in ast.iter_child_nodes(node) if not isinstance(n, ast.FunctionDef)]
    if isinstance(node, ast.Try):
        children = [*node.handlers, *node.orelse, *node.finalbody]
    return set().union(*map(raised_names, children))


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is(name):
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


@pytest.mark.parametrize("item", public_items())
def test_everything_public_has_a_docstring(item):
    text = inspect.getdoc(item)
    assert text
    first = text.splitlines()[0]
    assert first.endswith((".", ":")), f"the first line is a sentence: {first!r}"


@pytest.mark.parametrize("item", [p for p in public_items() if inspect.isfunction(p.values[0])])
def test_a_public_function_names_the_errors_that_it_raises(item):
    text = inspect.getdoc(item) or ""
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(item))).body
    for name in raised_names(function) - {"NotImplementedError", "AttributeError"}:
        assert name in text, f"it raises {name} and does not say so"


@pytest.mark.parametrize("item", [p for p in public_items() if inspect.isfunction(p.values[0])])
def test_a_documented_argument_exists(item):
    arguments = re.search(r"^Args:\n((?:    .*\n?|\n)+)", inspect.getdoc(item) or "", re.MULTILINE)
    names = re.findall(r"^    (\w+):", arguments[1], re.MULTILINE) if arguments else []
    assert set(names) <= set(inspect.signature(item).parameters)
    required = {
        name
        for name, p in inspect.signature(item).parameters.items()
        if name not in ("self", "cls", *names) and not name.startswith("_")
    }
    assert not (names and required), f"some arguments are documented, and {required} are not"


def test_all_lists_what_exists_and_dir_lists_all():
    for name in MODULES:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", []):
            assert hasattr(module, public), f"{name}.__all__ lists {public}"
    assert set(rustygrad.__all__) <= set(dir(rustygrad))
