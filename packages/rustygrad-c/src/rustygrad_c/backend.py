"""The backend: the extension module behind core's interface."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final

from rustygrad.copying import by_name
from rustygrad.graph import Graph
from rustygrad.interfaces import Numerics, exact
from rustygrad.notebook import mimebundle
from rustygrad.opaque import Pull

from . import _engine

__all__ = ["CBackend", "backend"]

#: The columns that the engine gives, in its order, with their array types.
_COLUMNS: Final = (
    ("op", "B"),
    ("offsets", "Q"),
    ("operands", "Q"),
    ("attribute", "d"),
    ("data", "d"),
    ("grad", "d"),
    ("role", "B"),
    ("scope", "I"),
)


class CBackend:
    """Implements `rustygrad.interfaces.Backend`."""

    name = "c"
    numerics: Numerics = exact
    Value = _engine.Value
    apply = staticmethod(_engine.apply)
    stack = staticmethod(_engine.stack)
    zero_grad = staticmethod(_engine.zero_grad)
    sgd = staticmethod(_engine.sgd)
    adam = staticmethod(_engine.adam)

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return by_name, (self.name,)

    def custom(
        self, name: str, operands: Sequence[Any], data: float, vjp: Callable[..., Any]
    ) -> _engine.Value:
        """A node that is no operation of the table."""
        return _engine.opaque(Pull(name, vjp=vjp), operands, data)

    def capture(self, roots: Sequence[Any]) -> Graph:
        """What the roots were made of: depth first, operands in order, results last."""
        columns, labels, names, sources, outputs, _ = _engine.columns(roots)
        arrays: dict[str, Any] = {
            name: array(code, column)
            for (name, code), column in zip(_COLUMNS, columns, strict=True)
        }
        return Graph(**arrays, labels=labels, names=names, sources=sources, outputs=outputs)


backend = CBackend()
_engine.Value._backend = backend
_engine.Value._repr_mimebundle_ = mimebundle
