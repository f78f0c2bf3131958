"""The backward sweep: gradients flow from the last node to the first.

There is one sweep. Eager `backward` runs it on Values, where data and
gradients are floats; `differentiate` runs it on stand-ins whose data and
gradients are references into a graph, and what would be computed is written
down instead. Both therefore add up in the same order.

A node has five attributes here: ``_rule`` (its `Op`), ``_prev`` (operands),
``_attribute`` (an exponent, say, or None), ``_data`` and ``_grad``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .errors import AnomalyError
from .modes import user_line
from .ops import LEAF, OPAQUE

__all__ = ["check_backward", "check_forward", "sweep", "topological_order"]


def topological_order(roots: Iterable[Any]) -> list[Any]:
    """All that the roots depend on, operands before the results made of them.

    Depth first, operands visited in order, appended on the way back: the order
    of the textbook recursion, with lists for its stack. The order is part of
    the library's promise, because floating-point sums depend on it.
    """
    order: list[Any] = []
    seen: set[Any] = set()
    path: list[Any] = []
    unvisited: list[Iterator[Any]] = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        node, below = root, iter(root._prev)
        while True:
            for x in below:
                if x not in seen:
                    seen.add(x)
                    path.append(node)
                    unvisited.append(below)
                    node, below = x, iter(x._prev)
                    break
            else:  # all below this node has been listed
                order.append(node)
                if not path:
                    break
                node, below = path.pop(), unvisited.pop()
    return order


def backward_order(root: Any, zero: Any) -> list[Any]:
    """What a sweep from one root goes through, with the gradients of inner nodes reset.

    The order is that of `topological_order`, without plain leaves, which hand
    nothing on. This is the one trick of the engine: a reset gradient is `zero`
    itself, so resetting is also what marks a node as seen.

    Args:
        root: the node to start from.
        zero: what to reset gradients to: an object of the caller's own, that no
            gradient is identical with, such as ``float("0")``.
    """
    order: list[Any] = []
    path: list[Any] = []
    unvisited: list[Iterator[Any]] = []
    hooked: set[Any] = set()  # leaves with a closure of their own: they keep their gradient
    node, below = root, iter(root._prev)
    if root._prev:
        root._grad = zero
    while True:
        for x in below:
            if x._grad is not zero and x._rule is not LEAF:
                if not x._prev:
                    if x not in hooked:
                        hooked.add(x)
                        order.append(x)
                    continue
                x._grad = zero
                path.append(node)
                unvisited.append(below)
                node, below = x, iter(x._prev)
                break
        else:
            order.append(node)
            if not path:
                return order
            node, below = path.pop(), unvisited.pop()


def sweep(order: Sequence[Any]) -> None:
    """Hand the gradient of each node to its operands, from the last node to the first."""
    for node in reversed(order):
        rule = node._rule
        operands = node._prev
        if rule.arity == 2:
            x, y = operands
            dx, dy = rule.vjp(node._grad, node._data, x._data, y._data)
            x._grad += dx
            y._grad += dy
        elif rule is OPAQUE:
            node._attribute.pull(node)
        elif rule.arity == 1:
            (x,) = operands
            if rule.attribute:
                x._grad += rule.vjp(node._grad, node._data, x._data, node._attribute)
            else:
                x._grad += rule.vjp(node._grad, node._data, x._data)
        elif operands:
            grads = rule.vjp(node._grad, node._data, *[x._data for x in operands])
            if rule.last_first:
                operands, grads = reversed(operands), reversed(grads)
            for x, dx in zip(operands, grads, strict=True):
                x._grad += dx


_EXPLAIN = "To see what led there, run it inside anomaly(raises=False), and print rustygrad.explain"


def check_forward(node: Any) -> None:
    """Raise if finite operands made a new node that is not finite.

    Raises:
        AnomalyError: naming the operation, its operands and the line.
    """
    data = [operand.data for operand in node._prev]
    if math.isfinite(node.data) or not all(map(math.isfinite, data)):
        return
    raise AnomalyError(
        f"{node._op}({', '.join(map(repr, data))}) gave {node.data!r} at {_line_of(node)}. "
        f"Its operands are finite: keep them inside the domain of {node._op!r}. {_EXPLAIN}(value)."
    )


def remember_line(node: Any) -> None:
    """Let a new node know the user's line, for `check_backward`, graphs and `explain`."""
    node._source = _line_of(node)


def _line_of(node: Any) -> str:
    return user_line(type(node._backend).__module__.partition(".")[0])


def check_backward(node: Any) -> None:
    """Let one node hand its gradient on; raise if finite numbers make one that is not finite.

    Raises:
        AnomalyError: naming the operation, its operands and the line that made it.
    """
    data = [operand.data for operand in node._prev]
    grads = [operand.grad for operand in node._prev]
    node._backward()
    if not all(map(math.isfinite, (node.grad, *data, *grads))):
        return
    for position, operand in enumerate(node._prev):
        if not math.isfinite(operand.grad):
            made = getattr(node, "_source", "") or "a line outside anomaly()"
            raise AnomalyError(
                f"backward through {node._op}({', '.join(map(repr, data))}), made at {made}, "
                f"gave operand {position} the gradient {operand.grad!r}, "
                f"of an incoming gradient of {node.grad!r}. "
                f"Its operands are finite: keep them where {node._op!r} has a derivative. "
                f"{_EXPLAIN}(operand, of=root)."
            )
