"""A differential fuzzer: random programs over all that a Value can do, beside the reference.

``python -m rustygrad_conformance.fuzz NAME --programs 100000``

The suite's own random programs are small, and about numbers. These also change
numbers between forward and backward, run backward again and from inside a
closure, copy, pickle, train and make mistakes; what they leave behind, errors
included, must be the same.
"""

from .running import Fuzzer, difference
from .shrinking import smallest
from .writing import write

__all__ = ["Fuzzer", "difference", "smallest", "write"]
