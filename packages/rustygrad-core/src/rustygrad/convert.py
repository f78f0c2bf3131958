"""Operands: what counts as a real number, what is refused, whose Value it is."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from .errors import ConversionError, MixedBackendsError

__all__ = [
    "as_float",
    "as_number",
    "as_whole",
    "backend_of",
    "describe",
    "kind_of",
    "no_operand",
    "refuse_stranger",
]


def as_number(x: Any) -> float | None:
    """The float of a real scalar: int, float, bool, numpy's, Fraction, Decimal; else None.

    Raises:
        OverflowError: an integer too large for a float.
    """
    if isinstance(x, (float, int)):
        return float(x)
    kind = type(x)
    if not (hasattr(kind, "__float__") or hasattr(kind, "__index__")) or not _real(x):
        return None
    if getattr(x, "shape", ()) != ():
        return None
    try:
        return float(x)
    except ValueError:  # such as decimal's signalling nan
        return None


def as_whole(x: Any) -> int | None:
    """The int of a whole number that counts or points at something, such as numpy's; else None.

    True and False are none, though Python takes them for 1 and 0.
    """
    if isinstance(x, bool):
        return None
    try:
        return operator.index(x)
    except TypeError:  # an array has an ``__index__`` too, which works for one number alone
        return None


def _real(x: Any) -> bool:
    """Whether numpy, if it is numpy's, calls it a real number.

    Its complex numbers, dates and texts have a ``__float__`` too.
    """
    return getattr(getattr(x, "dtype", None), "kind", "f") in "biuf"


def as_float(x: Any) -> float:
    """The float of what becomes a Value's data.

    Raises:
        ConversionError: `x` is not a real number, or holds several.
        OverflowError: an integer too large for a float.
    """
    if type(x) is float:
        return x
    number = as_number(x)
    if number is None and hasattr(x, "dtype") and _real(x) and x.size == 1:
        number = float(x.item())
    if number is not None:
        return number
    raise ConversionError(f"a Value takes one real number, not {describe(x)}")


def backend_of(operands: Iterable[Any]) -> Any:
    """The backend of the Values among the operands, None if all are numbers.

    Raises:
        MixedBackendsError: they belong to two.
    """
    found: Any = None
    for kind in dict.fromkeys(map(type, operands)):
        backend = getattr(kind, "_backend", None)
        if backend is None or backend is found:
            continue
        if not issubclass(kind, getattr(backend, "Value", ())):
            continue  # a stranger's class may have an attribute of that name
        if found is not None:
            raise MixedBackendsError.between(found.name, backend.name)
        found = backend
    return found


def refuse_stranger(x: Any, backend: str) -> None:
    """Raise if `x`, which stands beside a Value of the named backend, is one of another.

    Raises:
        MixedBackendsError: it is.
    """
    other = backend_of((x,))
    if other is not None:
        raise MixedBackendsError.between(backend, other.name)


def no_operand(x: Any) -> ConversionError:
    """The error to raise of what is neither a Value nor a real number."""
    return ConversionError(f"an operand is a Value or a real number, not {describe(x)}")


def describe(x: Any) -> str:
    """What was given instead of a number to compute with, and what to do about it."""
    kind, advice = _kind_and_advice(x)
    return f"{kind}: {advice}" if advice else kind


def kind_of(x: Any) -> str:
    """What was given, in a few words, where advice about numbers would be out of place."""
    return _kind_and_advice(x)[0]


def _kind_and_advice(x: Any) -> tuple[str, str]:
    name = type(x).__name__
    if x is None:
        return "None", "pass 0.0 for nothing"
    if isinstance(x, (str, bytes, bytearray)):
        return f"{x!r:.60}", "convert text first, Value(float(text))"
    if hasattr(x, "_backend") and hasattr(x, "_prev"):
        return "a Value", "use it as it is, or detach(v) for a copy without history"
    shape = getattr(x, "shape", None)
    if shape:
        return f"an array of shape {shape}", "make one Value of each, list(map(Value, array.flat))"
    if isinstance(x, complex) or getattr(getattr(x, "dtype", None), "kind", "") == "c":
        return f"the complex number {x}", "pass x.real or abs(x)"
    if isinstance(x, (list, tuple, set, frozenset, dict)) or hasattr(x, "__iter__"):
        return f"a {name}", "make one Value of each, list(map(Value, items))"
    return f"an object of type {name!r}", ""
