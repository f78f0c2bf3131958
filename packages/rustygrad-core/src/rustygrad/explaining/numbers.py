"""Down from a number, through the operands that account for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from .. import ops
from ..ops import LEAF, OPAQUE, by_code
from .explanation import Explanation, Step, call, show
from .reasons import KINDS, dot_terms, reason_for_result
from .search import CHANGED, MUCH, NOTHING, Search, ancestors, nearest, ratio

__all__ = ["NumberSearch"]

#: Operations that are 0 where the operand they depend on is, and where all of them are.
_ZERO_WITH_FIRST = (
    ops.MUL, ops.DIV, ops.POW, ops.POWER, ops.NEG, ops.ABS, ops.RELU, ops.TANH, ops.SQRT,
    ops.SIN, ops.WHERE, ops.MAXIMUM, ops.MINIMUM,
)  # fmt: skip
_ZERO_WITH_ALL = (ops.ADD, ops.SUB, ops.SUM, ops.MEAN)


class NumberSearch(Search):
    """Why a node's data is what it is."""

    def explain(self, target: int) -> Explanation:
        """The answer."""
        number = self.graph.data[target]
        kind, what = self.kind(number), f"{self.name(target)} is {show(number)}"
        if kind == "fine":
            notes = self._hidden(target) + self._gradient(target)
            return Explanation(kind, what, [Step(self.graph[target])], NOTHING, "", notes)
        steps, why, advice = self._growth(target) if kind == "huge" else self._cause(target, kind)
        notes = self.notes(steps, why) + self._gradient(target)
        return Explanation(kind, what, steps, why, advice, notes)

    def _cause(self, target: int, kind: str) -> tuple[list[Step], str, str]:
        """The steps, the reason and the advice, for nan, inf and 0."""
        way = nearest(target, lambda i: self._blamed(i, kind))
        end = way[-1]
        why, advice = self._why(end, kind)
        steps = self.steps(way, why)
        infinite = [j for j in self._deciding(end) if math.isinf(self.graph.data[j])]
        if kind == "inf" or not infinite or self.graph.op[end] == OPAQUE.code:
            return steps, why, advice
        # inf - inf and the like: where the inf came from is the rest of the story
        rest, cause, advice = self._cause(infinite[0], "inf")
        return [*steps, *rest], f"{why}; {cause}", advice

    def _deciding(self, i: int) -> Sequence[int]:
        """The operands that a result depends on: of a choice, the one that was chosen."""
        op, operands = by_code(self.graph.op[i]), self.graph.operands_of(i)
        if op is ops.WHERE:
            return [operands[1 if self.graph.data[operands[0]] else 2]]
        if op is ops.MAXIMUM or op is ops.MINIMUM:
            index = ops.ARGMAX if op is ops.MAXIMUM else ops.ARGMIN
            return [operands[int(index.forward(*self.operands(i)))]]
        return operands

    def _blamed(self, i: int, kind: str) -> list[int]:
        """The operands that have made a node what it is by being so themselves."""
        op, deciding = by_code(self.graph.op[i]), self._deciding(i)
        bad = [j for j in deciding if KINDS[kind](self.graph.data[j])]
        if kind != "zero" or not bad:
            return bad
        if op is ops.DOT:
            return [] if any(dot_terms(self.operands(i))) else bad
        if op is ops.MUL or (op in _ZERO_WITH_FIRST and bad[0] == deciding[0]):
            return bad
        return bad if op in _ZERO_WITH_ALL and len(bad) == len(deciding) else []

    def _why(self, i: int, kind: str) -> tuple[str, str]:
        """What a node did that none of its operands accounts for, and what to do."""
        node, op = self.graph[i], by_code(self.graph.op[i])
        if op is LEAF:
            return self._why_leaf(i, kind)
        if op is OPAQUE:
            return (
                f"{call(node)} gave {show(node.data)}, and only its own code knows why",
                "look into the function that computes it",
            )
        changed = self.changed(i)
        if changed:
            return f"{changed}: {CHANGED}", "compute it again after you change data"
        reason = reason_for_result(kind, op, node.data, self.operands(i))
        return f"{call(node)} is {show(node.data)}: {reason.why}", reason.advice

    def _why_leaf(self, i: int, kind: str) -> tuple[str, str]:
        node = self.graph[i]
        why = f"the {node.role} {self.name(i)} is {show(node.data)}, a number as it was given"
        if kind == "zero":
            return why, ""
        if node.role == "parameter":
            return why, (
                "look at the step before: a gradient was nan, inf or huge, or the learning rate "
                "too large; start again from finite parameters"
            )
        return why, (
            "look at where the number comes from: your data, or a computation inside no_grad() "
            "or before detach()"
        )

    def _growth(self, target: int) -> tuple[list[Step], str, str]:
        """The way along the largest operands, as far as the operation that multiplied most."""
        data, way = self.graph.data, [target]
        while finite := [j for j in self._deciding(way[-1]) if math.isfinite(data[j])]:
            way.append(max(finite, key=lambda j: abs(data[j])))
        if abs(data[way[-1]]) >= self.huge:
            why, advice = self._why_leaf(way[-1], "huge")
            return self.steps(way, why), why, advice
        advice = "scale the inputs down, lower the learning rate, or compute with logarithms"
        factors = [ratio(data[i], data[j]) for i, j in pairwise(way)]
        most, last = max(factors), data[way[-1]]
        if most >= MUCH:
            way = way[: factors.index(most) + 1]
            why = f"{call(self.graph[way[-1]])} is {show(data[way[-1]])}, {show(most)} times its "
            why += "largest operand, and no other step on the way multiplied more"
            return self.steps(way, why), why, advice
        why = f"it grew in {len(factors)} steps from {show(last)} on, "
        why += f"each of which multiplied it by {show(most)} or less"
        return self.steps(way, ""), why, advice

    def _gradient(self, target: int) -> list[str]:
        """What is to be said of a number whose gradient is worth another question."""
        grad = self.graph.grad[target]
        if math.isfinite(grad):
            return []
        return [f"its gradient is {show(grad)}; explain(value, of=root) says why"]

    def _hidden(self, target: int) -> list[str]:
        """What is to be said of a number that is fine, and was made of some that are not."""
        data = self.graph.data
        hidden = [i for i in ancestors(self.graph, target) if not math.isfinite(data[i])]
        if not hidden:
            return []
        some = ", ".join(f"{self.name(i)} is {show(data[i])}" for i in hidden[:3])
        return [
            f"numbers below it that are not finite: {len(hidden)} ({some}); they did not reach it, "
            "and gradients may still come out nan there"
        ]
