"""Every exception and warning of the library.

Each is a `RustygradError` and also the built-in exception that a caller would
expect, so ``except ValueError`` keeps working. A message says what was given,
what was expected and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


class RustygradError(Exception):
    """Base of everything that the library raises on purpose."""


class ConversionError(RustygradError, TypeError):
    """What was given is not a real number and cannot become the data of a Value."""


class MixedBackendsError(RustygradError, TypeError):
    """One expression holds Values of two backends."""

    @classmethod
    def between(cls, one: str, other: str) -> MixedBackendsError:
        """The error about Values of two backends, by their names."""
        return cls(
            f"one expression mixes Values of the backends {one!r} and {other!r}: "
            f"bring them together with rustygrad.convert(value, {one!r})"
        )


class ArgumentError(RustygradError, ValueError):
    """An argument has the right type and a value that makes no sense."""


class LengthError(ArgumentError):
    """Two sequences that belong together differ in length, or one is empty."""


class StateDictError(ArgumentError):
    """A state dict does not fit the module it is loaded into; nothing was changed."""


class GraphError(ArgumentError):
    """A graph is malformed, or holds nodes that the request cannot handle."""


class ExportError(RustygradError, RuntimeError):
    """A picture cannot be drawn: a program is missing or fails, or it takes too long."""


class OptionError(RustygradError, TypeError):
    """An exporter was given an option that it does not have."""

    @classmethod
    def check(cls, suffix: str, options: Iterable[str], taker: Callable[..., Any]) -> None:
        """Refuse options that are no keyword-only parameters of the function that takes them.

        Args:
            suffix: of the exporter's files, without the dot.
            options: their names, as they were given.
            taker: the function, or a class.

        Raises:
            OptionError: the first that is none, with the near match.
        """
        import difflib
        import inspect

        parameters = inspect.signature(taker).parameters.values()
        known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        for option in options:
            if option not in known:
                possible = [*known, "names"]  # the last is a parameter of `export` itself
                near = difflib.get_close_matches(option, possible, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                listed = ", ".join(possible)
                raise cls(f"a .{suffix} file has no option {option!r}.{hint} It has: {listed}")


class AnomalyError(RustygradError, ArithmeticError):
    """Inside `anomaly()`, an operation made a nan or an inf out of finite operands."""


class PluginError(RustygradError):
    """Base of the errors about what plugins offer."""


class UnknownNameError(PluginError, ValueError):
    """No installed plugin offers the backend, compiler or exporter that was asked for."""


class DuplicateNameError(PluginError, ValueError):
    """Two distributions offer the name that was asked for."""


class BrokenPluginError(PluginError, RuntimeError):
    """What was asked for is installed and fails to load; the original is the ``__cause__``."""


class PluginWarning(RuntimeWarning):
    """A plugin was left out, or the best backend could not be loaded."""
