"""Programs judged step by step, for backends that promise `ulp(n)`.

Over a whole program small deviations add up and cancellation makes them large,
so the end result says nothing. But each node must be within n ulps of what the
op table makes of the node's own operands, and each gradient close to what the
rules make of the gradients that flowed into it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rustygrad import Graph
from rustygrad.ops import LEAF, OPAQUE, by_code

from .judge import Judge, shown

__all__ = ["problems"]


def problems(variables: Mapping[str, Any], names: Sequence[str], ulps: int) -> list[str]:
    """What is wrong with a program's numbers, in words; nothing if they are good.

    Args:
        variables: the program's, after its run.
        names: those to look at, in order; `backward` ran on the last one.
        ulps: what the backend allows itself.
    """
    graph = Graph.capture(variables[names[-1]])
    judge = Judge(ulps)
    found = []
    flows: list[list[float]] = [[] for _ in graph]
    for i in reversed(range(len(graph))):
        op = by_code(graph.op[i])
        if op in (LEAF, OPAQUE):
            continue
        operands = graph.operands_of(i)
        arguments = [graph.data[j] for j in operands]
        if op.attribute:
            arguments.append(graph.attribute[i])
        right = op.forward(*arguments)
        if not judge.same(graph.data[i], right):
            found.append(f"{op.name}{(*arguments,)} is {shown(graph.data[i])}, not {right!r}")
        grads = op.vjp(graph.grad[i], graph.data[i], *arguments)
        for j, grad in zip(operands, (grads,) if op.arity == 1 else grads, strict=True):
            flows[j].append(grad)
    for i, flow in enumerate(flows):
        scale = sum(map(abs, flow))
        limit = (ulps + len(flow)) * max(len(flow), 1) * sys.float_info.epsilon * scale
        if flow and math.isfinite(limit) and not abs(graph.grad[i] - sum(flow)) <= limit:
            found.append(f"the gradient of {graph[i]} should be close to {sum(flow)!r}")
    return found
