"""The hooks through which a package offers backends, compilers and exporters.

A package names a module in the entry-point group ``rustygrad`` and implements
any of these hooks in it, marked with `hookimpl`. The module must be cheap to
import: it is imported in every program that uses rustygrad. What is expensive
belongs in the factory, which runs when its name is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pluggy

from .interfaces import Backend, Compiler, Exporter, PluginInfo

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("rustygrad")
hookimpl = pluggy.HookimplMarker("rustygrad")


class RegisterBackend(Protocol):
    """The function that `rustygrad_register_backends` is given.

    Args:
        name: what the backend is selected by; case does not matter.
        factory: makes the backend; called once, when its name is chosen.
        auto_priority: its rank where the user names none, the highest first: 0
            is the reference backend. None to be taken by name only.

    Raises:
        TypeError: `name` is not a name, or `factory` cannot be called.
    """

    def __call__(
        self, name: str, factory: Callable[[], Backend], *, auto_priority: int | None = None
    ) -> None: ...


class RegisterCompiler(Protocol):
    """The function that `rustygrad_register_compilers` is given.

    Args:
        name: what the compiler is selected by; case does not matter.
        factory: makes the compiler; called once, when its name is chosen.
        auto_priority: its rank where the user names none, the highest first.
            None to be taken by name only.

    Raises:
        TypeError: `name` is not a name, or `factory` cannot be called.
    """

    def __call__(
        self, name: str, factory: Callable[[], Compiler], *, auto_priority: int | None = None
    ) -> None: ...


class RegisterExporter(Protocol):
    """The function that `rustygrad_register_exporters` is given.

    Args:
        name: the file suffix, without the dot; case does not matter.
        factory: makes the exporter; called once, when its suffix is chosen.

    Raises:
        TypeError: `name` is not a name, or `factory` cannot be called.
    """

    def __call__(self, name: str, factory: Callable[[], Exporter]) -> None: ...


@hookspec
def rustygrad_register_backends(register: RegisterBackend) -> None:
    """Offer backends: ``register(name, factory, auto_priority=...)``, once for each.

    The one with the highest `auto_priority` is taken where the user names none;
    without a priority it is only ever taken by name.
    """


@hookspec
def rustygrad_register_compilers(register: RegisterCompiler) -> None:
    """Offer compilers: ``register(name, factory, auto_priority=...)``, once for each."""


@hookspec
def rustygrad_register_exporters(register: RegisterExporter) -> None:
    """Offer exporters: ``register(suffix, factory)``, once for each file suffix."""


@hookspec
def rustygrad_plugin_info() -> PluginInfo:  # type: ignore[empty-body]
    """Say which interface version the plugin was written for, and what it is. Required."""
