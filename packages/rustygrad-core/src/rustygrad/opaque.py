"""Opaque nodes: those that are no operation of the table.

A user builds one by hand, ``Value(x, (a, b), 'name')``, assigns a `_backward`,
or calls `custom`. What such a node holds in place of an attribute is a `Pull`.
It is the same for every engine, because it uses what every Value has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from .convert import refuse_stranger
from .errors import ConversionError

__all__ = ["Pull", "check_children"]


class Pull:
    """What an opaque node is called, and how it hands its gradient on, if it does.

    Args:
        name: what to call the operation.
        closure: the user's `_backward`, which knows its nodes itself.
        vjp: ``vjp(g, out, *operands)``, all floats: the gradients to hand on.
    """

    __slots__ = ("closure", "name", "vjp")

    def __init__(
        self,
        name: str,
        closure: Callable[[], Any] | None = None,
        vjp: Callable[..., Any] | None = None,
    ) -> None:
        self.name = name
        self.closure = closure
        self.vjp = vjp

    @classmethod
    def assigned(cls, name: str, closure: Any) -> Self:
        """What a node holds once a user has assigned its `_backward`.

        Raises:
            ConversionError: `closure` cannot be called.
        """
        if not callable(closure):
            raise ConversionError(f"_backward is a function without arguments, not {closure!r}")
        return cls(name, closure)

    def pull(self, node: Any) -> None:
        """Hand the node's gradient to its operands."""
        if self.closure:
            self.closure()
        elif self.vjp:
            operands = node._prev
            grads = self.vjp(node.grad, node.data, *[x.data for x in operands])
            for x, dx in zip(operands, grads, strict=True):
                x.grad += dx


def check_children(children: Iterable[Any], backend: Any) -> None:
    """Refuse operands of a node built by hand that are not Values of the backend.

    Raises:
        ConversionError: a child is not a Value.
        MixedBackendsError: a child is a Value of another backend.
    """
    for child in children:
        if not isinstance(child, backend.Value):
            refuse_stranger(child, backend.name)
            raise ConversionError(f"_children takes Values, not {child!r}: wrap it, Value(x)")
