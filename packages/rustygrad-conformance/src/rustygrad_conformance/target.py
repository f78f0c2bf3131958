"""The backend under test: found by its name, or by where it is before it has one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from rustygrad import get_backend, hookimpl
from rustygrad.hookspecs import RegisterBackend
from rustygrad.interfaces import API_VERSION, PluginInfo
from rustygrad.plugins import Plugin, normalise, registry

__all__ = ["expected_failures", "header", "load"]


def load(name: str) -> Any:
    """The backend of an installed name, or the object at ``module:attribute``.

    The second form serves a backend that no plugin offers yet; it is registered
    under its own name for this process, with its `expected_failures` if it has
    any. A function there is called.

    Raises:
        PluginError: no such backend, or it does not load.
        ImportError: there is no such module.
        AttributeError: the module has no such attribute.
    """
    module, colon, attribute = name.strip().partition(":")
    if not colon:
        return get_backend(name)
    backend = getattr(import_module(module), attribute)
    if not hasattr(backend, "Value") and callable(backend):
        backend = backend()
    if not isinstance(getattr(backend, "name", None), str):
        raise AttributeError(f"{name} has no name: Backend.name is a text to select it by")
    if not registry().named("backend", normalise(backend.name)):
        _register(backend)
    return backend


def _register(backend: Any) -> None:
    @hookimpl
    def rustygrad_register_backends(register: RegisterBackend) -> None:
        register(backend.name, lambda: backend)

    @hookimpl
    def rustygrad_plugin_info() -> PluginInfo:
        known = getattr(backend, "expected_failures", None)
        return PluginInfo(api=API_VERSION, summary="under test", expected_failures=known)

    door = ModuleType(f"rustygrad_conformance_{backend.name}")
    door.__dict__.update(
        rustygrad_register_backends=rustygrad_register_backends,
        rustygrad_plugin_info=rustygrad_plugin_info,
    )
    registry().add(Plugin(backend.name, "under test", ""), lambda: door)


def header(name: str) -> list[str]:
    """The lines of a program that get hold of the backend."""
    lines = ["from math import inf, nan", "import rustygrad"]
    if ":" in name:
        lines.append("from rustygrad_conformance import target")
        lines.append(f"backend = target.load({name!r})")
    else:
        lines.append(f"backend = rustygrad.get_backend({name!r})")
    return [*lines, "Value = backend.Value"]


def expected_failures(name: str) -> Mapping[str, str]:
    """The tests that the backend's plugin says it fails, with the reasons."""
    for offer in registry().named("backend", normalise(name)):
        if offer.plugin.info is not None:
            return offer.plugin.info.expected_failures
    return {}
