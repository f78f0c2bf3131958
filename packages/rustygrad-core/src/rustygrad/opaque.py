"""Opaque nodes: those that are no operation of the table.

A user builds one by hand, ``Value(x, (a, b), 'name')``, assigns a `_backward`,
or calls `custom`. What such a node holds in place of an attribute is a `Pull`.
It is the same for every engine, because it uses what every Value has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from .convert import refuse_stranger
from .errors import ConversionError, GraphError
from .ops import OPAQUE, Op

__all__ = ["Pull", "check_children", "made_of_itself"]


class Pull:
    """What an opaque node is called, and how it hands its gradient on, if it does.

    Args:
        name: what to call the operation.
        closure: the user's `_backward`, which knows its nodes itself.
        vjp: ``vjp(g, out, *operands)``, all floats: the gradients to hand on.
        last_first: whether the operands receive them last to first.
    """

    __slots__ = ("closure", "last_first", "name", "vjp")

    def __init__(
        self,
        name: str,
        closure: Callable[[], Any] | None = None,
        vjp: Callable[..., Any] | None = None,
        last_first: bool = False,
    ) -> None:
        self.name = name
        self.closure = closure
        self.vjp = vjp
        self.last_first = last_first

    @classmethod
    def assigned(cls, node: Any, closure: Any) -> Self:
        """What a node holds once a user has assigned its `_backward`.

        It keeps the rule that the node had, for a closure that wraps it.

        Raises:
            ConversionError: `closure` cannot be called.
        """
        if not callable(closure):
            raise ConversionError(f"_backward is a function without arguments, not {closure!r}")
        rule: Op = node._rule
        attribute: Any = getattr(node, "_attribute", None)
        if rule is OPAQUE:
            return cls(node._op, closure, attribute.vjp, attribute.last_first)
        if not node._prev:
            return cls(node._op, closure)
        constants = (attribute,) if rule.attribute else ()

        def vjp(*numbers: float) -> Any:
            grads = rule.vjp(*numbers, *constants)
            return (grads,) if rule.arity == 1 else grads

        return cls(node._op, closure, vjp, rule.last_first)

    def pull(self, node: Any) -> None:
        """Hand the node's gradient to its operands, as its user says."""
        if self.closure is None:
            self.hand_down(node)
        else:
            self.closure()

    def hand_down(self, node: Any) -> None:
        """Hand the node's gradient to its operands by its own rule, if it has one."""
        if self.vjp is None:
            return
        operands = node._prev
        grads = self.vjp(node.grad, node.data, *[x.data for x in operands])
        pairs = list(zip(operands, grads, strict=True))
        for x, dx in reversed(pairs) if self.last_first else pairs:
            x.grad += dx


def made_of_itself(node: Any) -> GraphError:
    """The error to raise of a graph with a cycle, which only a second initialisation makes."""
    return GraphError(
        f"{node!r} is made of itself: it was given operands, by __init__(), that depend on it"
    )


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
