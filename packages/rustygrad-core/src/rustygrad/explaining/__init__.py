"""Why a number is nan, inf, 0 or huge: the shortest way to the node that made it so.

It reads a captured graph and nothing else, so it works over every backend and on
graphs from files. A number is followed down through the operands that account
for it (`numbers`), a gradient up through the results that handed it on
(`gradients`); `reasons` says why an operation does what it did.
"""

from __future__ import annotations

from typing import Any

from ..convert import as_number, backend_of, kind_of
from ..errors import ArgumentError, GraphError
from ..graph import Graph, Node
from .explanation import Explanation, Step
from .gradients import GradientSearch
from .numbers import NumberSearch

__all__ = ["Explanation", "Step", "explain"]


def explain(value: Any, *, of: Any = None, huge: float = 1e6) -> Explanation:
    """Say why a number is nan, inf, 0 or huge, or why a gradient is.

    The answer prints as a text: the shortest way from the number to the node that
    made it so, that node's operands, the reason and what to do. Source lines are
    in it for what was made inside ``anomaly(raises=False)``.

    Args:
        value: a Value, or a `Node` of a graph.
        of: the root of a backward pass: explains ``value.grad`` then, the
            derivative of this root, as backward left it. A Value or node as well.
        huge: from which size on a finite number is called huge, above 0.

    Raises:
        GraphError: `value` or `of` is neither, or they are of two graphs.
        MixedBackendsError: they are Values of two backends.
        ArgumentError: `huge` is not a number above 0.

    Example:
        >>> import rustygrad
        >>> x = rustygrad.Value(-0.5, label="x")
        >>> print(rustygrad.explain(x.log() * 2))
        %3 is nan.
        <BLANKLINE>
          %3      = mul(%1, %2)  nan
          %1      = log(%0)      nan   <-- here
          %0 'x'  = input        -0.5
        <BLANKLINE>
        Why: log(-0.5) is nan: a negative number has no real logarithm.
        What to do: keep the operand above 0, as rustygrad.maximum(x, 1e-12) does.
        Note: source lines are shown of what is made inside `with rustygrad.anomaly(raises=False):`.
    """
    try:
        limit = None if isinstance(huge, bool) else as_number(huge)
    except OverflowError:  # larger than any float
        limit = None
    if limit is None or not limit > 0.0:
        raise ArgumentError(
            f"explain() calls a number huge from a size above 0 on, not {huge!r:.60}"
        )
    graph, target, root = _captured(value, of)
    if root is None:
        return NumberSearch(graph, limit).explain(target)
    return GradientSearch(graph, limit, root).explain(target)


def _captured(value: Any, of: Any) -> tuple[Graph, int, int | None]:
    """The graph, the node in it, and the root of the backward pass if one is given."""
    if isinstance(value, Node):
        return value.graph, value.index, None if of is None else value.graph.index_of(of)
    for x in (value,) if of is None else (value, of):
        if backend_of((x,)) is None:
            raise GraphError(f"explain() takes a Value or a node of a graph, not {kind_of(x)}")
    if of is None:
        graph = Graph.capture(value)
        return graph, graph.outputs[0], None
    graph = Graph.capture(of, value)
    return graph, graph.outputs[1], graph.outputs[0]
