"""What the engine asks Python for: everything that is rare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rustygrad.convert import as_number, backend_of, describe
from rustygrad.errors import ConversionError, MixedBackendsError
from rustygrad.modes import Mode, user_line
from rustygrad.sweep import check_backward, check_forward

from .copying import clone, reduce, restore

if TYPE_CHECKING:
    from ._engine import Value

__all__ = [
    "Pull",
    "assign_backward",
    "by_hand",
    "check_backward",
    "clone",
    "number",
    "observe",
    "reduce",
    "refuse",
    "restore",
]


class Pull:
    """What an opaque node is called, and how it hands its gradient on, if it does."""

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

    def pull(self, node: Value) -> None:
        """Hand the node's gradient to its operands."""
        if self.closure:
            self.closure()
        elif self.vjp:
            operands = node._prev
            grads = self.vjp(node.grad, node.data, *[x.data for x in operands])
            for x, dx in zip(operands, grads, strict=True):
                x.grad += dx


# --- operands ---------------------------------------------------------------


def number(x: Any) -> float | None:
    """The float of a number, None for what is none.

    Raises:
        MixedBackendsError: `x` is a Value of another backend.
    """
    found = as_number(x)
    if found is None:
        other = backend_of((x,))
        if other is not None:
            raise MixedBackendsError.between("c", other.name)
    return found


def refuse(x: Any) -> None:
    """Raise, because `x` is no operand.

    Raises:
        ConversionError: always.
    """
    raise ConversionError(f"an operand is a Value or a real number, not {describe(x)}")


# --- nodes built by hand ----------------------------------------------------


def by_hand(node: Value, children: Iterable[Any], name: str | None) -> None:
    """Give a new leaf the operands that the user wrote, if any, and the name of what they made.

    Raises:
        ConversionError: a child is not a Value.
        MixedBackendsError: a child is a Value of another backend.
    """
    from ._engine import Value, make_opaque

    operands = tuple(children)
    for child in operands:
        if not isinstance(child, Value):
            number(child)
            raise ConversionError(f"_children takes Values, not {child!r}: wrap it, Value(x)")
    if operands:
        make_opaque(node, Pull(name or ""), operands)


def assign_backward(node: Value, closure: Any) -> None:
    """Let a closure hand the node's gradient on.

    Raises:
        ConversionError: it cannot be called.
    """
    from ._engine import make_opaque

    if not callable(closure):
        raise ConversionError(f"_backward is a function without arguments, not {closure!r}")
    make_opaque(node, Pull(node._op, closure), None)


# --- no_grad and anomaly ----------------------------------------------------


def observe(node: Any, mode: Mode) -> bool:
    """Check a new node where the mode says so. Whether it becomes a leaf.

    Raises:
        AnomalyError: finite operands made a result that is not finite.
    """
    if mode.anomaly:
        check_forward(node)
        node._source = user_line("rustygrad_c")
    return not mode.grad
