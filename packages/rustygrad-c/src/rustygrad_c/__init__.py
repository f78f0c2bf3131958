"""The backend `c` of rustygrad: the eager engine as a CPython extension."""

from ._version import __version__

__all__ = ["__version__"]
