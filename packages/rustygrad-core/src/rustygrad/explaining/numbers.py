"""Down from a number, through the operands that account for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import ops
from ..ops import LEAF, OPAQUE, by_code
from .explanation import Explanation, Step, call, show
from .reasons import KINDS, dot_products, reason_for_result
from .search import CHANGED, NOTHING, Search, ancestors, nearest, ratio, steepest

__all__ = ["NumberSearch"]

#: Operations that are 0 where the (first) operand they depend on is, and where all of them are.
_ZERO_WITH_FIRST = (
    ops.DIV, ops.POW, ops.POWER, ops.NEG, ops.ABS, ops.RELU, ops.TANH, ops.SQRT,
    ops.SIN, ops.WHERE, ops.MAXIMUM, ops.MINIMUM,
)  # fmt: skip
_ZERO_WITH_ALL = (ops.ADD, ops.SUB, ops.SUM, ops.MEAN, ops.LOGSUMEXP)


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
        notes = self._other_zeros(steps) + self.notes(steps, why) + self._gradient(target)
        return Explanation(kind, what, steps, why, advice, notes)

    def _cause(self, target: int, kind: str) -> tuple[list[Step], str, str]:
        """The steps, the reason and the advice, for nan, inf and 0."""

        def is_news(i: int) -> bool:  # of several zeros, the one that somebody made of others
            return kind != "zero" or self.graph.op[i] != LEAF.code

        way = nearest(target, lambda i: self._blamed(i, kind), is_news)
        end = way[-1]
        why, advice = self._why(end, kind)
        steps = self.steps(way, why)
        infinite = [] if kind == "inf" else self._infinite(end)
        if not infinite:
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

    def _blamed(self, i: int, kind: str) -> Sequence[int]:
        """The operands that have made a node what it is by being so themselves."""
        data, op, deciding = self.graph.data, by_code(self.graph.op[i]), self._deciding(i)
        bad = [j for j in deciding if KINDS[kind](data[j])]
        if kind == "zero":
            enough = (
                op is ops.MUL
                or (op is ops.DOT and self._products_hold_zeros(i))
                or (op in _ZERO_WITH_ALL and len(bad) == len(deciding))
            )
            first = [j for j in bad if j == deciding[0]]
            return bad if enough else first if op in _ZERO_WITH_FIRST else []
        if kind == "inf" and op is ops.LOGSUMEXP:  # an operand of -inf adds nothing to it
            return [j for j in bad if data[j] == data[i]]
        return bad

    def _products_hold_zeros(self, i: int) -> bool:
        """Whether each of dot's products has a factor of 0."""
        products = dot_products(self.operands(i))
        return all(0.0 in product for product in products)

    def _infinite(self, i: int) -> list[int]:
        """The infinite operands that made a node nan or 0, which they do not hand on."""
        data, op = self.graph.data, by_code(self.graph.op[i])
        if op is OPAQUE or op is ops.LOGSUMEXP or op.mask or self.changed(i):
            return []
        operands = self._deciding(i)
        if op is ops.DOT:  # where one of the products is nan, that one matters
            products = dot_products(operands)
            bad = [p for p in products if math.isnan(math.prod(data[j] for j in p))]
            operands = [j for p in bad or products for j in p]
        return [j for j in operands if math.isinf(data[j])]

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
        """The way along the largest operands, as far as the step that made the number huge."""
        data, way = self.graph.data, [target]
        while (largest := self._largest(way[-1])) is not None:
            way.append(largest)
        sizes = [abs(data[i]) for i in way]
        if min(sizes) >= self.huge:
            why, advice = self._why(way[-1], "huge")
            return self.steps(way, why), why, advice
        advice = "scale the inputs down, lower the learning rate, or compute with logarithms"
        step, start = steepest(sizes, self.huge)
        if step is None:
            why = f"it grew in {start} steps from {show(data[way[start]])} on, "
            why += "and none of them stands out"
            return self.steps(way[: start + 1], ""), why, advice
        why = self._why_growth(way[step], way[step + 1])
        return self.steps(way[: step + 1], why), why, advice

    def _largest(self, i: int) -> int | None:
        """The operand that had most to do with the size of a result; None if none is finite."""
        data, op = self.graph.data, by_code(self.graph.op[i])
        operands = [j for j in self._deciding(i) if math.isfinite(data[j])]
        if op is ops.DOT:  # a large factor may be one of a small product
            products = [p for p in dot_products(self.graph.operands_of(i)) if {*p} <= {*operands}]
            largest = max(products, key=lambda p: abs(math.prod(data[j] for j in p)), default=())
            operands = list(largest)
        elif op is ops.LOGSUMEXP:
            return max(operands, key=lambda j: data[j], default=None)
        return max(operands, key=lambda j: abs(data[j]), default=None)

    def _why_growth(self, i: int, operand: int) -> str:
        data, changed = self.graph.data, self.changed(i)
        if changed:
            return f"{changed}: {CHANGED}"
        why = f"{call(self.graph[i])} is {show(data[i])}, "
        if data[operand] == 0.0:
            why += f"though {self.name(operand)} is 0"
        else:
            why += f"{show(ratio(data[i], data[operand]))} times {self.name(operand)}"
        return f"{why}, and no other step on the way did more to make it huge"

    def _other_zeros(self, steps: Sequence[Step]) -> list[str]:
        """What is to be said of a 0 that is made of more zeros than the one on the way."""
        way = [step.node.index for step in steps if step.node.data == 0.0]
        others = {j: 0 for i in way[:-1] for j in self._blamed(i, "zero") if j not in way}
        if not others:
            return []
        names = ", ".join(self.name(j) for j in list(others)[:3])
        more = f" and {len(others) - 3} more" * (len(others) > 3)
        return [f"operands beside the way that are 0 as well: {names}{more}"]

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
