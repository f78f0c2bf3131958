"""The conformance suite: is this backend right, and if not, what comes next?

``pytest --pyargs rustygrad_conformance --rustygrad-backend NAME``
"""

from ._version import __version__

__all__ = ["__version__"]
