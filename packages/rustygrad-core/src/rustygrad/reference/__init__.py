"""The backend `python`: pure Python, and the definition of right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..building import Builder
from ..graph import Graph
from ..interfaces import Numerics, exact
from ..opaque import Pull, made_of_itself
from ..ops import LEAF, OPAQUE
from ..sweep import topological_order
from . import value
from .value import Value, apply, opaque

__all__ = ["ReferenceBackend", "Value"]


class ReferenceBackend:
    """Implements `rustygrad.interfaces.Backend`."""

    name = "python"
    numerics: Numerics = exact
    Value = value.Value

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        from ..copying import by_name

        return by_name, (self.name,)

    apply = staticmethod(apply)

    def custom(
        self, name: str, operands: Sequence[Any], data: float, vjp: Callable[..., Any]
    ) -> value.Value:
        """A node that is no operation of the table."""
        return opaque(Pull(name, vjp=vjp), operands, data)

    def capture(self, roots: Sequence[Any]) -> Graph:
        """What the roots were made of: depth first, operands in order, results last."""
        builder = Builder()
        position: dict[value.Value, int] = {}
        for index, node in enumerate(topological_order(roots)):
            position[node] = index
            op = node._rule
            builder.scope = getattr(node, "_scope", 0)
            operands = [position.get(x, index) for x in node._prev]
            if index in operands:
                raise made_of_itself(node)
            builder.add(op, operands, node._data, grad=node._grad, role=node._role)
            if op is OPAQUE:
                builder.names[index] = node._op
            elif op is LEAF and node._path:
                builder.names[index] = node._path
            elif op.attribute:
                builder.attribute[index] = node._attribute
            if node.label:
                builder.labels[index] = str(node.label)
            if node._source:
                builder.sources[index] = node._source
        return builder.build([position[root] for root in roots])


backend = ReferenceBackend()
Value._backend = backend
