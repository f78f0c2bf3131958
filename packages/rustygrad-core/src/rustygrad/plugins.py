"""The plugin manager: finds plugins, loads each alone, keeps a record of each.

One broken plugin costs itself and nobody else. It is recorded with the reason,
reported once as a warning that names its distribution, and left out.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

import pluggy

from . import hookspecs
from ._version import __version__
from .discovery import entry_points
from .errors import PluginError, PluginWarning
from .interfaces import API_VERSION, PluginInfo

__all__ = ["GROUP", "KINDS", "Offer", "Plugin", "Registry", "registry"]

#: The entry-point group, and pluggy's project name.
GROUP: Final = "rustygrad"
#: What plugins offer.
KINDS: Final = ("backend", "compiler", "exporter")

#: What a plugin's code may raise without ending the program; Ctrl-C still ends it.
_FAILURES: Final = (Exception, SystemExit)
#: What the thing that a factory makes must have, by kind.
_NEEDED: Final = {
    "backend": ("name", "numerics", "Value", "apply", "custom", "capture"),
    "compiler": ("compile",),
    "exporter": ("export",),
}


class Plugin:
    """The record of one entry point.

    Attributes:
        name: the entry point's name.
        distribution: the distribution that it belongs to.
        version: that distribution's version.
        info: what it says of itself, None if it could not be asked.
        reason: why it was left out, '' if it was not.
    """

    def __init__(self, name: str, distribution: str, version: str) -> None:
        self.name = name
        self.distribution = distribution
        self.version = version
        self.info: PluginInfo | None = None
        self.reason = ""


class Offer:
    """One name that a plugin offers.

    Attributes:
        kind: 'backend', 'compiler' or 'exporter'.
        name: what it is selected by.
        plugin: whose offer it is.
        factory: makes the thing; called once, when the name is chosen.
        auto_priority: its rank where the user names none; None to be left out there.
        loaded: what the factory made, once it has been called.
        error: what the factory raised, once it has been called.
    """

    def __init__(
        self, kind: str, name: str, plugin: Plugin, factory: Callable[[], Any], priority: int | None
    ) -> None:
        self.kind = kind
        self.name = name
        self.plugin = plugin
        self.factory = factory
        self.auto_priority = priority
        self.loaded: Any = None
        self.error: Exception | None = None
        self._lock = threading.RLock()
        self._loading = False

    def load(self) -> Any:
        """What the factory makes, made once; what it raised is raised again.

        Raises:
            PluginError: the factory asks for what it is about to make, or ends the program.
            TypeError: the factory made something that is not of its kind.
        """
        with self._lock:
            if self._loading:  # asked for by its own factory
                raise PluginError(f"the {self.kind} {self.name!r} is still being loaded")
            if self.loaded is None and self.error is None:
                self._loading = True
                try:
                    made = self.factory()
                    _check(self.kind, made)
                    self.loaded = made
                except SystemExit as error:  # as an Exception it ends no program further up
                    self.error = PluginError(f"its factory raised {_text(error)}")
                    self.error.__cause__ = error
                except Exception as error:
                    self.error = error
                finally:
                    self._loading = False
            if self.error is not None:
                raise self.error
            return self.loaded


def _check(kind: str, made: Any) -> None:
    """Refuse what a factory made if it cannot be a backend, a compiler or an exporter."""
    if made is None:
        raise TypeError("its factory returned None")
    missing = [name for name in _NEEDED[kind] if not hasattr(made, name)]
    if missing:
        raise TypeError(
            f"its factory returned {type(made).__name__!r}, which is no {kind}: "
            f"it has no {', '.join(missing)} (see rustygrad.interfaces.{kind.capitalize()})"
        )
    if kind == "backend" and getattr(made.Value, "_backend", None) is not made:
        raise TypeError(
            "its class of Values does not know which backend it belongs to: "
            "set Value._backend = backend"
        )


class _PluginRefusedError(Exception):
    """Why a plugin is left out, in words."""


class Registry:
    """All plugins and what they offer.

    Attributes:
        plugins: every plugin found, the broken ones included.
        offers: every offer of those that work.
    """

    def __init__(self) -> None:
        self.plugins: list[Plugin] = []
        self.offers: list[Offer] = []
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)

    def discover(self) -> None:
        """Add core's own plugins, then every entry point of the group."""
        from .reference import plugin as reference
        from .sources import plugin as sources

        self.add(Plugin("python", "rustygrad-core", __version__), lambda: reference)
        self.add(Plugin("sources", "rustygrad-core", __version__), lambda: sources)
        for entry in entry_points(GROUP):
            self.add(Plugin(entry.name, entry.distribution, entry.version), entry.load)

    def add(self, plugin: Plugin, load: Callable[[], ModuleType]) -> None:
        """Load one plugin, on its own; if that fails, record why and warn."""
        self.plugins.append(plugin)
        try:
            self.offers += self._ask(plugin, load)
        except _PluginRefusedError as refusal:
            plugin.reason = str(refusal)
            warnings.warn(
                f"the plugin {plugin.name!r} of {plugin.distribution} {plugin.version} "
                f"is left out: {plugin.reason}",
                PluginWarning,
                stacklevel=2,
            )

    def named(self, kind: str, name: str) -> list[Offer]:
        """The offers of one name."""
        return [offer for offer in self.offers if (offer.kind, offer.name) == (kind, name)]

    def names(self, kind: str) -> list[str]:
        """What is installed, in order."""
        return sorted({offer.name for offer in self.offers if offer.kind == kind})

    def _ask(self, plugin: Plugin, load: Callable[[], ModuleType]) -> list[Offer]:
        """Import a plugin and call its hooks."""
        try:
            module = load()
        except _FAILURES as error:
            raise _PluginRefusedError(f"importing it raised {_text(error)}") from error
        if self._manager.is_registered(module):
            raise _PluginRefusedError("another entry point names the same module")
        try:
            self._manager.register(module)
            self._manager.check_pending()
            plugin.info = self._info(module)
            return [*self._offers(plugin, module)]
        except _FAILURES as error:
            self._forget(module)
            if isinstance(error, _PluginRefusedError):
                raise
            if isinstance(error, pluggy.PluginValidationError):
                raise _PluginRefusedError(_one_line(error)) from error
            raise _PluginRefusedError(f"looking for its hooks raised {_text(error)}") from error

    def _forget(self, module: ModuleType) -> None:
        if self._manager.is_registered(module):
            self._manager.unregister(module)

    def _call(self, module: ModuleType, hook: str, **arguments: Any) -> list[Any]:
        """Call one hook of one plugin, so that whatever it raises is known to be its own."""
        others = [other for other in self._manager.get_plugins() if other is not module]
        try:
            result: list[Any] = self._manager.subset_hook_caller(hook, others)(**arguments)
        except _FAILURES as error:
            raise _PluginRefusedError(f"its hook {hook} raised {_text(error)}") from error
        return result

    def _info(self, module: ModuleType) -> PluginInfo:
        found = self._call(module, "rustygrad_plugin_info")
        if not found or not isinstance(found[0], PluginInfo):
            raise _PluginRefusedError("its hook rustygrad_plugin_info does not return a PluginInfo")
        info: PluginInfo = found[0]
        if info.api != API_VERSION:
            raise _PluginRefusedError(
                f"it was written for version {info.api!r} of the plugin interface, "
                f"and this is version {API_VERSION}"
            )
        return info

    def _offers(self, plugin: Plugin, module: ModuleType) -> Iterator[Offer]:
        for kind in KINDS:
            offers: list[Offer] = []

            def register(
                name: str,
                factory: Callable[[], Any],
                *,
                auto_priority: int | None = None,
                kind: str = kind,
                offers: list[Offer] = offers,
            ) -> None:
                if not isinstance(name, str) or normalise(name) in ("", "auto"):
                    raise TypeError(f"register() takes a name of its own, not {name!r}")
                if not callable(factory):
                    raise TypeError(f"register({name!r}, ...) takes a factory, not {factory!r}")
                if not (auto_priority is None or isinstance(auto_priority, int)):
                    raise TypeError(f"auto_priority is an int or None, not {auto_priority!r}")
                offers.append(Offer(kind, normalise(name), plugin, factory, auto_priority))

            self._call(module, f"rustygrad_register_{kind}s", register=register)
            yield from offers


def normalise(name: str) -> str:
    """A name as it is compared: stripped, case-folded."""
    return name.strip().casefold()


def _text(error: BaseException) -> str:
    return _one_line(f"{type(error).__name__}: {error}")


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


_registry: Registry | None = None
_lock = threading.RLock()
_discovering = False


def registry() -> Registry:
    """The registry of this process, made at the first call.

    Raises:
        PluginError: a plugin asked for it while it is being imported.
    """
    global _discovering, _registry
    if _registry is None:
        with _lock:
            if _discovering:
                raise PluginError(
                    "the plugins are still being found: a plugin's module cannot use a backend "
                    "while it is imported or its hooks run. Do that in the factory."
                )
            if _registry is None:
                _discovering = True
                try:
                    found = Registry()
                    found.discover()
                    _registry = found
                finally:
                    _discovering = False
    return _registry
