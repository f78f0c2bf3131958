"""Bugs of the backward sweep: order, accumulation, resetting, seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..engine import Engine
from . import bug

_ORDER = "test_gradients_add_up_in_reverse_post_order"


def nodes_below(root: Any, operands: Callable[[Any], Iterable[Any]]) -> list[Any]:
    """All below a root, operands before results, visited in the order of `operands`."""
    order: list[Any] = []
    seen = {root}
    stack = [(root, iter(operands(root)))]
    while stack:
        node, below = stack[-1]
        for x in below:
            if x not in seen:
                seen.add(x)
                stack.append((x, iter(operands(x))))
                break
        else:
            order.append(node)
            stack.pop()
    return order


def _use_order(m: Engine, arrange: Callable[[list[Any]], list[Any]]) -> None:
    """Run through the nodes of the right order in another one."""
    right = m.value.backward_order
    m.value.backward_order = lambda root, zero: arrange(right(root, zero))


def _before_backward(m: Engine, prepare: Callable[[Any], Any]) -> None:
    backward = m.Value.backward

    def prepared(v: Any, grad: Any = 1.0) -> None:
        prepare(v)
        backward(v, grad)

    m.Value.backward = prepared


def _sweep_each(m: Engine, hand_on: Callable[[Any, Any, float], None]) -> None:
    """Let `hand_on(node, operand, gradient)` store what each rule gives."""

    def sweep(order: Any) -> None:
        for node in reversed(order):
            rule, operands = node._rule, node._prev
            if rule is m.ops.OPAQUE:
                node._attribute.pull(node)
                continue
            data = [x._data for x in operands]
            if rule.attribute:
                data.append(node._attribute)
            grads = rule.vjp(node._grad, node._data, *data)
            pairs = list(zip(operands, (grads,) if rule.arity == 1 else grads, strict=True))
            for x, dx in pairs[::-1] if rule.last_first else pairs:
                hand_on(node, x, dx)

    m.value.sweep = sweep


# --- accumulation -----------------------------------------------------------


@bug(
    "gradients are stored with = where they should be added with +=",
    "test_a_product_of_a_leaf_with_itself_adds_both_gradients",
)
def gradient_overwritten(m: Engine) -> None:
    _sweep_each(m, lambda node, x, dx: setattr(x, "_grad", dx))


@bug(
    "a leaf used twice in one node gets one of the two gradients",
    "test_a_product_of_a_leaf_with_itself_adds_both_gradients",
)
def repeats_count_once(m: Engine) -> None:
    def sweep(order: Any) -> None:
        for node in reversed(order):
            before = {x: x._grad for x in node._prev}
            right((node,))
            for x, grad in before.items():
                uses = node._prev.count(x)
                if uses > 1:
                    x._grad = grad + (x._grad - grad) / uses

    right = m.value.sweep
    m.value.sweep = sweep


# --- topological order ------------------------------------------------------


@bug(
    "a node hands its gradient on at once, before all its uses have given theirs",
    "test_a_shared_node_is_complete_before_it_hands_on",
)
def no_topological_order(m: Engine) -> None:
    def preorder(order: list[Any]) -> list[Any]:
        wanted = set(order)
        found: dict[Any, None] = {}
        stack = order[-1:]
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = None
                stack.extend([x for x in node._prev[::-1] if x in wanted])
        return list(found)[::-1]

    _use_order(m, preorder)


@bug(
    "nodes are visited level by level from the root",
    "test_a_shared_node_used_at_several_depths_is_complete_before_it_hands_on",
)
def level_by_level(m: Engine) -> None:
    def levels(order: list[Any]) -> list[Any]:
        wanted, found, level = set(order), {order[-1]: None}, order[-1:]
        while level:
            level = list(dict.fromkeys(x for n in level for x in n._prev if x in wanted))
            level = [x for x in level if x not in found]
            found.update(dict.fromkeys(level))
        return list(found)[::-1]

    _use_order(m, levels)


@bug(
    "a node hands on its whole gradient again each time it receives some",
    "test_a_node_hands_on_once_however_often_it_is_used",
)
def hands_on_at_every_use(m: Engine) -> None:
    def walks(order: list[Any]) -> list[Any]:
        wanted, stack = set(order), order[-1:]
        found: list[Any] = []
        while stack and len(found) < 2000:
            node = stack.pop()
            found.append(node)
            stack.extend([x for x in node._prev[::-1] if x in wanted])
        return found[::-1]

    _use_order(m, walks)


@bug(
    "nodes that are used more than once are listed more than once",
    "test_a_node_hands_on_once_however_often_it_is_used",
)
def nodes_are_listed_twice(m: Engine) -> None:
    def doubled(order: list[Any]) -> list[Any]:
        uses: dict[Any, int] = {}
        for node in order:
            for x in node._prev:
                uses[x] = uses.get(x, 0) + 1
        return [node for node in order for _ in range(1 + (uses.get(node, 0) > 1))]

    _use_order(m, doubled)


@bug("operands are visited last to first", f"{_ORDER}[last-operand-first]")
def operands_visited_backwards(m: Engine) -> None:
    _use_order(m, lambda order: [n for n in nodes_below(order[-1], _reversed) if n in set(order)])


def _reversed(node: Any) -> Iterable[Any]:
    operands: tuple[Any, ...] = node._prev
    return operands[::-1]


@bug(
    "nodes hand on in the reverse of the order in which they were made",
    f"{_ORDER}[depth-first-not-creation-order]",
)
def creation_order(m: Engine) -> None:
    make, made = m.value._node, [0]

    def numbered(*arguments: Any) -> Any:
        node = make(*arguments)
        made[0] += 1
        node.__dict__["_number"] = made[0]
        return node

    m.value._node = numbered
    _use_order(m, lambda order: sorted(order, key=lambda n: n.__dict__.get("_number", 0)))


@bug(
    "nodes are sorted by their distance from the leaves",
    f"{_ORDER}[depth-first-not-by-height]",
)
def sorted_by_depth(m: Engine) -> None:
    def by_depth(order: list[Any]) -> list[Any]:
        depth: dict[Any, int] = {}
        for node in order:
            depth[node] = 1 + max([depth.get(x, 0) for x in node._prev], default=0)
        return sorted(order, key=depth.__getitem__)

    _use_order(m, by_depth)


@bug(
    "operands receive their gradients last to first",
    "test_gradients_are_handed_to_operands_in_their_order",
)
def handed_on_backwards(m: Engine) -> None:
    right = m.value.sweep

    def sweep(order: Any) -> None:
        for node in reversed(order):
            if node._rule.arity == 2:
                x, y = node._prev
                dx, dy = node._rule.vjp(node._grad, node._data, x._data, y._data)
                y._grad += dy
                x._grad += dx
            else:
                right((node,))

    m.value.sweep = sweep


@bug(
    "dot hands gradients on from the first pair to the last",
    "test_dot_hands_gradients_on_from_the_last_pair_to_the_first",
)
def dot_hands_on_forwards(m: Engine) -> None:
    m.ops.DOT.last_first = False


@bug("dot hands the bias its gradient first", "test_dot_hands_the_bias_its_gradient_last")
def dot_hands_the_bias_first(m: Engine) -> None:
    right = m.value.sweep

    def sweep(order: Any) -> None:
        for node in reversed(order):
            if node._rule is m.ops.DOT and len(node._prev) % 2:
                grads = node._rule.vjp(node._grad, node._data, *[x._data for x in node._prev])
                node._prev[0]._grad += grads[0]
                for x, dx in list(zip(node._prev, grads, strict=True))[:0:-1]:
                    x._grad += dx
            else:
                right((node,))

    m.value.sweep = sweep


# --- again, and from which seed ---------------------------------------------


@bug(
    "inner gradients are not reset, so a second backward starts from stale ones",
    "test_a_second_backward_adds_to_leaves_and_resets_inner_nodes",
)
def stale_inner_gradients(m: Engine) -> None:
    leaf = m.ops.LEAF

    def keep(root: Any, zero: float) -> list[Any]:
        order = nodes_below(root, lambda node: node._prev)
        if root._rule is not leaf:
            root._grad = zero
        return [n for n in order if n is root or n._rule is not leaf]

    m.value.backward_order = keep


@bug("backward resets the gradients of leaves too", "test_backward_adds_to_what_a_leaf_holds")
def leaves_are_reset(m: Engine) -> None:
    def reset(root: Any) -> None:
        for node in nodes_below(root, lambda node: node._prev):
            node._grad = 0.0

    _before_backward(m, reset)


@bug(
    "backward always starts from 1",
    "test_backward_starts_from_the_gradient_it_is_given",
)
def seed_is_ignored(m: Engine) -> None:
    backward = m.Value.backward

    def from_one(v: Any, grad: Any = 1.0) -> None:
        m.value.as_float(grad)
        backward(v, 1.0)

    m.Value.backward = from_one


@bug(
    "backward adds the seed to the gradient that the root holds",
    "test_a_hand_seeded_root_is_overwritten",
)
def seed_is_added(m: Engine) -> None:
    right = m.value.backward_order

    def order(root: Any, zero: float) -> list[Any]:
        held = root._grad
        found: list[Any] = right(root, zero)
        root._grad = held
        return found

    m.value.backward_order = order


@bug("backward of a leaf overwrites its gradient", "test_a_leaf_as_root_accumulates_like_any_leaf")
def leaf_root_is_overwritten(m: Engine) -> None:
    def reset(root: Any) -> None:
        if root._rule is m.ops.LEAF:
            root._grad = 0.0

    _before_backward(m, reset)


@bug("a seed that is no number is passed on", "test_a_seed_that_is_no_number_is_refused['1']")
def seed_is_converted(m: Engine) -> None:
    backward = m.Value.backward
    m.Value.backward = lambda v, grad=1.0: backward(
        v, float(grad) if isinstance(grad, str) else grad
    )


@bug(
    "backward uses the operands' numbers as they were in the forward pass",
    "test_backward_uses_the_operands_data_of_now",
)
def operands_are_recorded(m: Engine) -> None:
    make, right = m.value._node, m.value.sweep

    def recording(op: Any, data: float, operands: Any, attribute: Any = None) -> Any:
        node = make(op, data, operands, attribute)
        node.__dict__["_recorded"] = [x._data for x in operands]
        return node

    def sweep(order: Any) -> None:
        for node in reversed(order):
            recorded = node.__dict__.get("_recorded", ())
            now = [x._data for x in node._prev]
            for x, data in zip(node._prev, recorded, strict=False):
                x._data = data
            right((node,))
            for x, data in zip(node._prev, now, strict=True):
                x._data = data

    m.value._node, m.value.sweep = recording, sweep


@bug(
    "backward computes results again instead of using the nodes' numbers",
    "test_backward_uses_the_results_data_of_now",
)
def results_are_computed_again(m: Engine) -> None:
    m.ops.EXP.vjp = lambda g, out, x: m.ops.EXP(x) * g


# --- recursion and state ----------------------------------------------------


@bug("backward recurses, and dies at Python's limit", "test_a_million_nodes_deep[backward]")
def backward_recurses(m: Engine) -> None:
    leaf = m.ops.LEAF

    def order(root: Any, zero: float) -> list[Any]:
        nodes: dict[Any, None] = {}
        _descend(root, nodes)
        for node in nodes:
            if node._prev:
                node._grad = zero
        return [node for node in nodes if node is root or node._rule is not leaf]

    m.value.backward_order = order


def _descend(node: Any, nodes: dict[Any, None]) -> None:
    for x in node._prev:
        if x not in nodes:
            _descend(x, nodes)
    nodes[node] = None


@bug(
    "backward keeps its list of nodes in one place, so a closure that calls backward ruins it",
    "test_a_closure_may_run_backward_of_another_graph",
)
def backward_is_not_reentrant(m: Engine) -> None:
    right_order, right_sweep = m.value.backward_order, m.value.sweep
    shared: list[Any] = []

    def order(root: Any, zero: float) -> list[Any]:
        found: list[Any] = right_order(root, zero)
        if m.value._mode().anomaly:  # which sweeps in a way of its own
            return found
        shared[:] = found
        return shared

    def sweep(order: Any) -> None:
        if order is not shared:
            right_sweep(order)
        while order is shared and shared:
            right_sweep((shared.pop(),))

    m.value.backward_order, m.value.sweep = order, sweep
