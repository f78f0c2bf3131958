"""Which backend, compiler or exporter is used, and why.

The first that says something wins: an explicit argument, `use_backend`,
`set_backend`, the environment variable, else `auto`. What somebody named must
work or raise; only `auto` falls back, and says so.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

from .convert import backend_of
from .errors import (
    ArgumentError,
    BrokenPluginError,
    DuplicateNameError,
    PluginWarning,
    RustygradError,
    UnknownNameError,
)
from .plugins import KINDS, Offer, normalise, registry

__all__ = [
    "OfferStatus",
    "backend_asked_for",
    "backends",
    "convert",
    "exporter_asked_for",
    "get_backend",
    "get_compiler",
    "get_exporter",
    "operands_backend",
    "set_backend",
    "use_backend",
]

#: Which distribution to install for a name that this project publishes.
_PUBLISHED: Final = {
    ("backend", "c"): "rustygrad-c",
    **{
        ("exporter", suffix): "rustygrad-graphviz"
        for suffix in ("dot", "html", "pdf", "png", "svg")
    },
}


class _Choice:
    """What was asked for, and where: the text that errors begin with."""

    __slots__ = ("name", "source")

    def __init__(self, name: str, source: str) -> None:
        if not isinstance(name, str):
            raise UnknownNameError(f"{source}: it is chosen by its name, a str")
        self.name = normalise(name)
        self.source = source


_in_context: ContextVar[_Choice | None] = ContextVar("rustygrad_backend", default=None)
_in_process: _Choice | None = None
_environment: dict[str, _Choice | None] = {}
_auto: dict[str, Offer] = {}


def get_backend(name: str | None = None) -> Any:
    """The backend of a name, or the selected one.

    Args:
        name: a name, 'auto' for the best one installed, None for the selected one.

    Raises:
        UnknownNameError: nothing installed offers that name.
        DuplicateNameError: two distributions offer it.
        BrokenPluginError: it is installed and fails to load.
    """
    return backend_asked_for(name, f"get_backend({name!r})")


def backend_asked_for(name: str | None, source: str) -> Any:
    """As `get_backend`; errors begin with `source`, what the user wrote.

    Raises:
        PluginError: see `get_backend`.
    """
    return _load("backend", _backend_choice(name, source))


def set_backend(name: str | None) -> None:
    """Select a backend for the process from now on; None or a blank name takes that back.

    Values and modules that exist keep the engine they were made with.

    Raises:
        PluginError: see `get_backend`; the selection stays as it was.
    """
    global _in_process
    choice = _chosen(name, f"set_backend({name!r})")
    if choice:
        _load("backend", choice)
    _in_process = choice


@contextmanager
def use_backend(name: str | None) -> Iterator[Any]:
    """Select a backend inside a ``with`` block, for this thread or task.

    None or a blank name leaves the selection as it is.

    Raises:
        PluginError: see `get_backend`.
    """
    choice = _chosen(name, f"use_backend({name!r})") or _backend_choice(None)
    backend = _load("backend", choice)
    token = _in_context.set(choice)
    try:
        yield backend
    finally:
        _in_context.reset(token)


def get_compiler(name: str | None = None) -> Any:
    """The compiler of a name, of RUSTYGRAD_COMPILER, or the best one installed.

    Raises:
        PluginError: see `get_backend`.
    """
    choice = _chosen(name, f"get_compiler({name!r})") or _from_environment("compiler")
    return _load("compiler", choice or _Choice("auto", "auto"))


def get_exporter(name: str) -> Any:
    """The exporter of a file suffix, without the dot.

    Raises:
        PluginError: see `get_backend`.
    """
    return exporter_asked_for(name, f"get_exporter({name!r})")


def exporter_asked_for(name: str, source: str) -> Any:
    """As `get_exporter`; errors begin with `source`, what the user wrote.

    Raises:
        PluginError: see `get_backend`.
    """
    return _load("exporter", _Choice(name, source))


def operands_backend(operands: Any) -> Any:
    """The backend of the Values among the operands; the selected one if all are numbers.

    Raises:
        MixedBackendsError: they belong to two backends.
    """
    return backend_of(operands) or get_backend()


def convert(value: Any, backend: str) -> Any:
    """A leaf of another backend with the same data and label. No gradient flows back.

    Raises:
        ConversionError: `value` is not a Value or a real number.
        PluginError: see `get_backend`.
    """
    cls = backend_asked_for(backend, f"convert(..., {backend!r})").Value
    if backend_of([value]) is None:
        return cls(value)
    return cls(value.data, label=value.label)


# --- the rules --------------------------------------------------------------


def _backend_choice(name: str | None, source: str = "") -> _Choice:
    return (
        _chosen(name, source)
        or _in_context.get()
        or _in_process
        or _from_environment("backend")
        or _Choice("auto", "auto")
    )


def _chosen(name: str | None, source: str) -> _Choice | None:
    """The choice of a name; None if it is None or blank, which counts as unset."""
    choice = _Choice("" if name is None else name, source)
    return choice if choice.name else None


def _from_environment(kind: str) -> _Choice | None:
    """What the environment variable says, read once; blank counts as unset."""
    if kind not in _environment:
        variable = f"RUSTYGRAD_{kind.upper()}"
        text = os.environ.get(variable, "")
        _environment[kind] = _chosen(text, f"{variable}={text!r}")
    return _environment[kind]


def _load(kind: str, choice: _Choice) -> Any:
    if choice.name == "auto":
        return _best(kind).loaded
    offers = registry().named(kind, choice.name)
    if not offers:
        raise UnknownNameError(_unknown(kind, choice))
    if len(offers) > 1:
        raise DuplicateNameError(_duplicate(kind, choice, offers))
    try:
        return offers[0].load()
    except Exception as error:
        raise BrokenPluginError(
            f"{choice.source}: the {kind} {choice.name!r} of {_whose(offers[0])} is installed and "
            f"fails to load: {type(error).__name__}: {error}"
        ) from error


def _best(kind: str) -> Offer:
    """The offer of the highest priority that loads, decided once."""
    if kind not in _auto:
        ranked = [o for o in registry().offers if o.kind == kind and o.auto_priority is not None]
        ranked.sort(key=lambda offer: (-(offer.auto_priority or 0), offer.name))
        _auto[kind] = _first_that_loads(kind, ranked)
    return _auto[kind]


def _first_that_loads(kind: str, ranked: list[Offer]) -> Offer:
    tried: set[str] = set()
    for offer in ranked:
        if offer.name in tried:
            continue
        tried.add(offer.name)
        rivals = registry().named(kind, offer.name)
        try:
            if len(rivals) > 1:
                raise DuplicateNameError(_duplicate(kind, _Choice("auto", "auto"), rivals))
            offer.load()
        except Exception as error:
            warnings.warn(
                f"the {kind} {offer.name!r} of {_whose(offer)} would be the first choice and "
                f"fails to load, so the next one is taken: {type(error).__name__}: {error}",
                PluginWarning,
                stacklevel=2,
            )
        else:
            return offer
    raise UnknownNameError(f"auto: no {kind} is installed that loads. {_installed(kind)}")


def _whose(offer: Offer) -> str:
    return f"{offer.plugin.distribution} {offer.plugin.version}"


def _installed(kind: str) -> str:
    return f"Installed: {', '.join(map(repr, registry().names(kind))) or 'none'}."


def _unknown(kind: str, choice: _Choice) -> str:
    text = f"{choice.source}: no such {kind}. {_installed(kind)}"
    distribution = _PUBLISHED.get((kind, choice.name))
    if distribution:
        return f"{text} Install it with: pip install {distribution}"
    import difflib

    near = difflib.get_close_matches(choice.name, registry().names(kind), n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{text}{hint}{_to_install(kind) if kind == 'exporter' else ''}"


def _to_install(kind: str) -> str:
    """Which names there are besides, and what to install for them."""
    missing: dict[str, list[str]] = {}
    for (other, name), distribution in _PUBLISHED.items():
        if other == kind and name not in registry().names(kind):
            missing.setdefault(distribution, []).append(repr(name))
    return "".join(
        f" For {', '.join(names)}: pip install {distribution}"
        for distribution, names in missing.items()
    )


def _duplicate(kind: str, choice: _Choice, offers: list[Offer]) -> str:
    owners = " and ".join(_whose(offer) for offer in offers)
    return f"{choice.source}: the {kind} {offers[0].name!r} is offered by {owners}. Uninstall all but one."


# --- the state of it --------------------------------------------------------


class OfferStatus:
    """One line of what is installed.

    Attributes:
        kind: 'backend', 'compiler', 'exporter', or 'plugin' for one that was left out.
        name: what it is selected by.
        distribution: whose it is.
        version: that distribution's version.
        status: 'selected', 'loaded', 'installed', 'broken' or 'duplicate'.
        reason: why it is selected, broken or a duplicate; else ''.
        summary: what the plugin says of itself.
    """

    def __init__(self, kind: str, name: str, plugin: Any, status: str, reason: str) -> None:
        self.kind = kind
        self.name = name
        self.distribution: str = plugin.distribution
        self.version: str = plugin.version
        self.status = status
        self.reason = reason
        self.summary: str = plugin.info.summary if plugin.info else ""

    def __repr__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"<{self.kind} {self.name!r} of {self.distribution} {self.version}, {self.status}{reason}>"


def backends(kind: str = "backend") -> list[OfferStatus]:
    """Every offer of a kind, and every plugin that was left out, with the reason.

    Args:
        kind: 'backend', 'compiler' or 'exporter'.

    Raises:
        ArgumentError: there is no such kind.
    """
    if kind not in KINDS:
        raise ArgumentError(f"plugins offer no kind {kind!r}: it is one of {', '.join(KINDS)}")
    chosen, why = None, ""
    if kind == "backend":
        choice = _backend_choice(None)
        with suppress(RustygradError):  # the lines below tell what is wrong with it
            chosen, why = _load(kind, choice), choice.source
    lines = []
    for offer in registry().offers:
        if offer.kind != kind:
            continue
        rivals = [o for o in registry().named(kind, offer.name) if o is not offer]
        if rivals:
            status, reason = "duplicate", f"also offered by {', '.join(map(_whose, rivals))}"
        elif offer.error is not None:
            status, reason = "broken", f"{type(offer.error).__name__}: {offer.error}"
        elif offer.loaded is not None and offer.loaded is chosen:
            status, reason = "selected", why
        else:
            status, reason = ("loaded" if offer.loaded is not None else "installed"), ""
        lines.append(OfferStatus(kind, offer.name, offer.plugin, status, reason))
    for plugin in registry().plugins:
        if plugin.reason:
            lines.append(OfferStatus("plugin", plugin.name, plugin, "broken", plugin.reason))
    return lines
