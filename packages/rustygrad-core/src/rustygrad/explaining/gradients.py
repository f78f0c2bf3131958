"""Up from a gradient, through the results that handed it on, to the root."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from ..graph import Graph
from ..ops import DOT, LEAF, MUL, OPAQUE, by_code
from ..recomputing import same
from .explanation import Explanation, Step, call, short, show
from .numbers import NumberSearch
from .reasons import KINDS, Reason, dot_products, reason_for_slope
from .search import CHANGED, NOTHING, Search, ancestors, nearest, ratio, steepest

__all__ = ["GradientSearch"]

#: A gradient that is not 0 and smaller than this is called tiny.
TINY: Final = 1e-12

_NAMES = {"nan": "nan", "inf": "inf", "zero": "0"}
_GUARD = (
    "make the operand safe before the operation, also where the result is not used: "
    "where(c, x, 1.0).log() and not where(c, x.log(), 0.0)"
)
_BY_HAND = "look into its vjp or _backward; without one, nothing is handed on"
_GROWTH_ADVICE = {
    "huge": "scale the inputs down, clip the gradients (optim.clip_grad_norm), or lower the "
    "learning rate",
    "tiny": "keep operations from saturating: another activation, other first weights, or inputs "
    "of mean 0 and deviation 1",
}

#: A reason and the advice that goes with it.
Words = tuple[str, str]


class GradientSearch(Search):
    """Why a node's gradient is what it is.

    The *share* of a node in one use is what backward adds to its gradient from there.
    """

    def __init__(self, graph: Graph, huge: float, root: int) -> None:
        super().__init__(graph, huge)
        self.root = root
        self._handed: dict[int, Sequence[float | None]] = {}
        self._uses: dict[int, list[tuple[int, int]]] = {}
        #: The gradients that backward of this root gives. Nodes may hold those of another one.
        self._grads: dict[int, float] = {}
        #: Whether some uses were cut off, or drawn as one.
        self._is_part = bool(graph.repeats) or any(graph[i].is_cut for i in graph.names)

    def explain(self, target: int) -> Explanation:
        """The answer."""
        grad = self.graph.grad
        number = grad[target]
        what = f"The gradient of {self.name(target)} is {show(number)}"
        here = [Step(self.graph[target])]
        self._find_uses(target)
        if target not in self._uses:
            return Explanation("unconnected", what, here, *self._unconnected(), gradient=True)
        if grad[self.root] == 0.0:
            return Explanation("not run", what, here, *self._not_run(), gradient=True)
        self._sweep()
        kind = self._gradient_kind(number)
        total = None if self._is_part else self._other_total(target)
        if total is not None and (kind == "fine" or self._gradient_kind(total) != kind):
            return Explanation("stale", what, here, *self._stale(target, total), gradient=True)
        if kind == "fine":
            return Explanation(kind, what, here, NOTHING, gradient=True)
        if kind in KINDS:
            return self._cause(target, kind, what)
        way, why, advice = self._growth(target, kind)
        notes = self.notes(way, why)
        if total is not None:
            notes.insert(0, self._stale(target, total)[0])
        return Explanation(kind, what, way, why, advice, notes, True)

    def _gradient_kind(self, x: float) -> str:
        kind = self.kind(x)
        return "tiny" if kind == "fine" and abs(x) < TINY else kind

    # --- what each result hands on ---

    def _find_uses(self, target: int) -> None:
        """Who uses the target and what is made of it, as far as the root depends on it."""
        uses = self._uses
        for i in ancestors(self.graph, self.root):
            if i == target:
                uses[i] = []
            elif i > target:
                for k, j in enumerate(self.graph.operands_of(i)):
                    if j in uses:
                        uses[j].append((i, k))
                        uses.setdefault(i, [])

    def _sweep(self) -> None:
        """Find the gradients on the way; as captured, where the graph does not tell them."""
        held, grads = self.graph.grad, self._grads
        for i in sorted(self._uses, reverse=True):
            shares = [] if self._is_part or i == self.root else [s for *_, s in self._shares(i)]
            known = [share for share in shares if share is not None]
            grads[i] = sum(known, 0.0) if known and len(known) == len(shares) else held[i]

    def _shares(self, i: int) -> Iterator[tuple[int, int, float | None]]:
        """For each use of a node the user, the position there and the share, in backward's order.

        A share is None where the user's own code alone knows it.
        """
        for user, position in sorted(self._uses[i], key=lambda use: (-use[0], use[1])):
            if user not in self._handed:
                self._handed[user] = self._vjp(user, self._grads[user])
            yield user, position, self._handed[user][position]

    def _vjp(self, i: int, g: float) -> Sequence[float | None]:
        op = by_code(self.graph.op[i])
        if op is OPAQUE:
            return [None] * len(self.graph.operands_of(i))
        grads: Sequence[float] = op.vjp(g, self.graph.data[i], *self.operands(i))
        return [grads] if op.arity == 1 else grads  # type: ignore[list-item]

    def _other_total(self, i: int) -> float | None:
        """The sum of a node's shares, where that is known and not what the node holds."""
        total = size = 0.0
        for *_, share in self._shares(i):
            if share is None:
                return None
            total += share
            size += abs(share)  # where they cancel, little but the last places is left
        return None if i == self.root or same(total, self.graph.grad[i], size) else total

    def notes(self, steps: Sequence[Step], why: str) -> list[str]:
        """What is to be said of any way, and of a node on which another backward has been."""
        inner = [] if self._is_part else [i for i in self._uses if i != steps[0].node.index]
        totals = ((i, self._other_total(i)) for i in inner)
        other = [self._stale(i, total)[0] for i, total in totals if total is not None]
        return other[:1] + super().notes(steps, why)

    # --- nan, inf and 0 ---

    def _cause(self, target: int, kind: str, what: str) -> Explanation:
        steps, why, advice, factors = self._way(target, kind)
        because = None
        if kind != "zero":
            because = self._before(factors)
            if because and advice == _GUARD:
                because.advice = ""  # a number that is not used may be what it is
            elif because:
                advice = ""
        notes = self.notes(steps, why)
        uses = len(self._uses[target])
        if kind == "zero" and factors and uses > 1:
            notes.append(f"it is used in {uses} places, and each of them hands 0 on")
        return Explanation(kind, what, steps, why, advice, notes, True, because)

    def _way(self, target: int, kind: str) -> tuple[list[Step], str, str, list[int]]:
        """The steps, the reason, the advice, and what the derivative that is to blame is made of.

        Nothing, if none is.
        """
        way = nearest(target, lambda i: self._onward(i, kind)[0])
        use = self._onward(way[-1], kind)[1]
        if use is None:
            why, advice = self._why_node(way[-1], kind)
            return self.steps(way, why, self._users(way[-1])), why, advice, []
        user, position = use
        why, advice = self._why_use(user, position, kind)
        factors = self._factors(user, position)
        steps = self.steps([*way, user], why, factors)
        if kind != "nan" or math.isfinite(self._grads[user]):
            return steps, why, advice, factors
        # nan out of an incoming inf: where that came from is the rest of the story
        (first, *rest), cause, advice, factors = self._way(user, "inf")
        both = "; ".join(filter(None, (why, first.why)))
        steps[-1] = Step(first.node, both, (*steps[-1].beside, *first.beside))
        return [*steps, *rest], f"{why}; {cause}", advice, factors

    def _users(self, i: int) -> list[int]:
        """What hands gradients to a node."""
        return list(dict.fromkeys(user for user, *_ in self._shares(i)))

    def _factors(self, user: int, position: int) -> list[int]:
        """What the derivative by the operand there is made of: of a product, the other factor."""
        op, operands = by_code(self.graph.op[user]), self.graph.operands_of(user)
        if op is not MUL and op is not DOT:
            return [*operands, user]
        pair = next(p for p in dot_products(range(len(operands))) if position in p)
        return [operands[k] for k in pair if k != position]

    def _onward(self, i: int, kind: str) -> tuple[list[int], tuple[int, int] | None]:
        """The users to go on to; where there are none, the use that is to blame, if one is."""
        test, grad = KINDS[kind], self._grads
        shares = list(self._shares(i))
        bad = [(u, k) for u, k, share in shares if share is not None and test(share)]
        unknown = [(u, k) for u, k, share in shares if share is None]
        if kind == "zero":
            if len(bad) + len(unknown) < len(shares):
                return [], None  # they cancel
            bad += unknown
        bad = bad or unknown  # the user's own code, where nothing else explains it
        made = [(u, k) for u, k in bad if not test(grad[u])]
        if made:
            return [], made[0]
        return [u for u, _ in bad], None

    def _why_node(self, i: int, kind: str) -> Words:
        """Why the shares of a node add up to what none of them is."""
        if i == self.root:
            return self._started(), "call backward() without an argument, or with a finite one"
        total = self._other_total(i)
        if total is not None and self._is_part:
            why = f"what hands {self.name(i)} this gradient is not in this part of the graph"
            return why, "explain it in the whole graph"
        shares = " + ".join(["?" if s is None else show(s) for *_, s in self._shares(i)])
        why = f"the gradients that {self.name(i)} gets are {short(shares)}: "
        if kind == "zero":
            return f"{why}they cancel", ""
        if kind == "nan":
            return f"{why}inf and -inf have no sum", ""
        return f"{why}their sum is larger than the largest float, 1.8e308", "scale the loss down"

    def _why_use(self, user: int, position: int, kind: str) -> Words:
        """Why a use hands on a gradient of that kind, where its own is of another one."""
        node, g = self.graph[user], self._grads[user]
        why = f"{call(node)} got the gradient {show(g)} and handed {_NAMES[kind]} on"
        if node.op is OPAQUE:
            return f"{why}, which only its own code knows", _BY_HAND
        slope = self._vjp(user, 1.0)[position]
        steep = "zero" if slope == 0.0 else "inf"
        if kind == "nan" and slope == slope:  # 0 * inf, one way or the other
            reason = reason_for_slope(steep, node.op, position, node.data, self.operands(user))
            advice = _GUARD if steep == "inf" else reason.advice
            reason = Reason(f"0 * inf has no value, and {reason.why}", advice)
        else:
            reason = reason_for_slope(kind, node.op, position, node.data, self.operands(user))
        if kind == "nan" and g == 0.0:
            return f"{why}: {reason.why}", _GUARD
        return f"{why}: {reason.why}", reason.advice

    def _before(self, factors: Sequence[int]) -> Explanation | None:
        """Why the forward pass was not finite already, if it was not."""
        data = self.graph.data
        for i in factors:
            if not math.isfinite(data[i]):
                found = NumberSearch(self.graph, self.huge).explain(i)
                found.notes = ()
                return found
        return None

    # --- huge and tiny ---

    def _growth(self, target: int, kind: str) -> tuple[list[Step], str, str]:
        """The way that most of the gradient came, as far as what changed it most, and why."""
        grad, way = self._grads, [target]
        numbers, counts = [grad[target]], []  # of each step the largest share, then its user's
        while way[-1] != self.root:
            shares = [(u, s) for u, _, s in self._shares(way[-1]) if s is not None]
            if not shares:  # the user's own code
                break
            user, share = max(shares, key=lambda pair: abs(pair[1]))
            numbers += share, grad[user]
            counts.append(len(shares))
            way.append(user)
        sizes, limit, advice = list(map(abs, numbers)), self.huge, _GROWTH_ADVICE[kind]
        if kind == "tiny":  # large in the denominator
            sizes, limit = [ratio(1.0, size) for size in sizes], 1.0 / TINY
        if min(sizes) >= limit:
            if way[-1] != self.root:
                why, advice = f"{self.name(way[-1])} is used by your own code alone", _BY_HAND
                return self.steps(way, why, self._users(way[-1])), why, advice
            why = self._started()
            return self.steps(way, why, ()), why, advice
        step, _ = steepest(sizes, limit)
        if step is None:
            why = f"it came through {len(way) - 1} operations, and none of them stands out"
            return self.steps(way, ""), why, advice
        factor, at = show(ratio(numbers[step], numbers[step + 1])), (step + 1) // 2
        if step % 2 == 0:
            why = f"{self.name(way[at])} adds up {counts[at]} gradients, "
            why += f"which makes {factor} times the largest"
            if kind == "tiny":
                why, advice = f"{why}: they nearly cancel", ""
            return self.steps(way[: at + 1], why, self._users(way[at])), why, advice
        why = f"{call(self.graph[way[at]])} multiplied the gradient by {factor}, "
        why += f"and no other step on the way did more to make it {kind}"
        return self.steps(way[: at + 1], why), why, advice

    def _started(self) -> str:
        number = show(self.graph.grad[self.root])
        return f"backward of {self.name(self.root)} started from the gradient {number}"

    # --- no gradient of this root ---

    def _unconnected(self) -> Words:
        return (
            f"{self.name(self.root)} does not depend on it"
            + ", in this part of the graph" * self._is_part,
            "look for detach(), no_grad(), a number taken out with .data, and for a leaf that was "
            "replaced by another one after it was used",
        )

    def _not_run(self) -> Words:
        why = f"backward of {self.name(self.root)} has not run, or started from the gradient 0: "
        return f"{why}its own gradient is 0", "call backward() on it, from a gradient that is not 0"

    def _stale(self, i: int, total: float) -> Words:
        """A gradient that is not what backward of the root adds up."""
        held = self.graph.grad[i]
        why = f"backward of {self.name(self.root)} hands {self.name(i)} {show(total)}, "
        why += f"and it holds {show(held)}: "
        changed = next(filter(None, map(self.changed, self._users(i))), "")
        if changed:
            return f"{why}{changed}: {CHANGED}", "call explain before you change data"
        if held == 0.0:
            return (
                f"{why}it was reset after backward, or data was changed",
                "read gradients between backward() and zero_grad()",
            )
        if self.graph.op[i] != LEAF.code:  # backward resets these
            return (
                f"{why}another backward went through it, or it was set, or data was changed",
                "call explain right after backward()",
            )
        return (
            f"{why}the rest is of another backward, or was set, or data was changed",
            "call zero_grad() before backward(), unless gradients are to add up",
        )
