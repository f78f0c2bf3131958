"""Bugs of what is kept of a graph: copies, memory, capture and modes."""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Callable
from typing import Any

from rustygrad.errors import AnomalyError

from ..engine import Engine
from . import bug
from .flow import nodes_below


def _capturing(m: Engine, changed: Callable[[Callable[[Any], Any], Any], Any]) -> None:
    """Change what is captured: ``changed(right, roots)``. Copies, which use it too, stay right."""
    capture, reduce = m.reference.ReferenceBackend.capture, m.copying.reduce
    copying: list[bool] = []

    def capture_changed(backend: Any, roots: Any) -> Any:
        def right(roots: Any) -> Any:
            return capture(backend, roots)

        return right(roots) if copying else changed(right, roots)

    def reduce_right(*arguments: Any) -> Any:
        copying.append(True)
        try:
            return reduce(*arguments)
        finally:
            copying.pop()

    m.reference.ReferenceBackend.capture = capture_changed
    m.copying.reduce = reduce_right


def _captured(m: Engine, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the columns of each graph as it is captured."""

    def changed(right: Any, roots: Any) -> Any:
        graph = right(roots)
        columns = {slot: getattr(graph, slot) for slot in graph.__slots__}
        change(columns)
        return type(graph)(**columns)

    _capturing(m, changed)


class _Closure:
    """Something that holds a node, as a closure does, and pickles without it."""

    def __init__(self, node: Any = None) -> None:
        self.node = node

    def __reduce__(self) -> Any:
        return _Closure, ()


# --- copies -----------------------------------------------------------------


@bug("pickling copies leaves by value", "test_leaves_keep_their_identity[pickle]")
def leaves_lose_their_identity(m: Engine) -> None:
    right = m.copying.reduce

    def reduce(*arguments: Any) -> Any:
        rebuild, (backend, make, graph, _, kinds), *_ = right(*arguments)
        return rebuild, (backend, make, graph, {}, kinds)

    m.copying.reduce = reduce


@bug(
    "copies lose free attributes",
    "test_leaves_keep_their_bits_label_and_free_attributes[-0.0-pickle]",
)
def copies_lose_attributes(m: Engine) -> None:
    m.copying.restore = lambda root, owned: None


@bug("copies share the original's leaves", "test_leaves_keep_their_identity[deepcopy]")
def deepcopy_is_shallow(m: Engine) -> None:
    m.Value.__deepcopy__ = lambda v, memo: v.__copy__()


@bug("copy.copy gives the same object", "test_a_shallow_copy_has_the_same_operands")
def copy_is_the_same_object(m: Engine) -> None:
    m.Value.__copy__ = lambda v: v


@bug(
    "closures are dropped from copies without a word",
    "test_a_closure_is_refused_with_a_reason[pickle]",
)
def closures_are_dropped(m: Engine) -> None:
    right = m.copying._pull

    def pull(node: Any) -> Any:
        if node._rule is m.ops.OPAQUE and node._attribute.closure:
            return m.opaque.Pull(node._op)
        return right(node)

    m.copying._pull = pull


# --- memory -----------------------------------------------------------------


@bug(
    "each node holds a closure that holds the node",
    "test_a_dropped_graph_is_freed_with_the_collector_off[build]",
)
def nodes_hold_themselves(m: Engine) -> None:
    make = m.value._node

    def node(*arguments: Any) -> Any:
        made = make(*arguments)
        made.__dict__["_closure"] = _Closure(made)
        return made

    m.value._node = node


@bug(
    "the engine keeps the last graph",
    "test_a_dropped_graph_is_freed_with_the_collector_off[backward]",
)
def last_graph_is_kept(m: Engine) -> None:
    right = m.value.backward_order
    kept: list[Any] = []

    def order(root: Any, zero: float) -> Any:
        kept[:] = [root]
        return right(root, zero)

    m.value.backward_order = order


@bug("freeing a graph recurses", "test_a_million_nodes_deep[free]")
def free_recurses(m: Engine) -> None:
    make = m.value._node

    def node(op: Any, data: float, operands: Any, *attribute: Any) -> Any:
        made = make(op, data, operands, *attribute)
        made.__dict__["_depth"] = 1 + max([x.__dict__.get("_depth", 0) for x in operands])
        return made

    def descend(depth: int) -> None:
        if depth:
            descend(depth - 1)

    def free(v: Any) -> None:
        depth = v.__dict__.get("_depth", 0)
        if depth % 1000 == 0:  # now and then will do
            descend(depth)

    m.value._node = node
    m.Value.__del__ = free


@bug("pickling recurses", "test_a_million_nodes_deep[pickle]")
def pickle_recurses(m: Engine) -> None:
    right = m.copying.reduce

    def reduce(root: Any, make: Any) -> Any:
        def descend(node: Any) -> None:
            if node._prev:
                descend(node._prev[0])

        descend(root)
        return right(root, make)

    m.copying.reduce = reduce


@bug("capture recurses", "test_a_million_nodes_deep[capture]")
def capture_recurses(m: Engine) -> None:
    right = m.reference.topological_order

    def order(roots: Any) -> Any:
        def descend(node: Any) -> None:
            if node._prev:
                descend(node._prev[0])

        descend(roots[0])
        return right(roots)

    m.reference.topological_order = order


@bug("no_grad of one thread is seen by all", "test_modes_of_one_thread_are_not_seen_by_another")
def modes_cross_threads(m: Engine) -> None:
    right, last = m.value._mode, [m.value.PLAIN]

    def mode() -> Any:
        if threading.current_thread() is threading.main_thread():
            last[0] = right()
        return last[0]

    m.value._mode = mode


# --- capture ----------------------------------------------------------------


@bug("labels are lost at capture", "test_labels_are_captured")
def labels_are_lost(m: Engine) -> None:
    _captured(m, lambda columns: columns.update(labels={}))


@bug("gradients are lost at capture", "test_data_and_gradients_are_captured")
def gradients_are_lost(m: Engine) -> None:
    _captured(m, lambda columns: columns.update(grad=array("d", [0.0] * len(columns["op"]))))


@bug("exponents are lost at capture", "test_every_operation_is_captured_under_its_name[pow]")
def exponents_are_lost(m: Engine) -> None:
    nan = float("nan")
    _captured(m, lambda c: c.update(attribute=array("d", [nan] * len(c["op"]))))


@bug(
    "a graph has one output, whatever its roots",
    "test_the_outputs_of_a_graph_are_its_roots_in_order",
)
def one_output(m: Engine) -> None:
    _captured(m, lambda columns: columns.update(outputs=columns["outputs"][:1]))


@bug("capture visits the roots last to first", "test_what_a_later_root_adds_comes_last")
def capture_visits_roots_backwards(m: Engine) -> None:
    def changed(right: Any, roots: Any) -> Any:
        graph = right(roots[::-1])
        columns = {slot: getattr(graph, slot) for slot in graph.__slots__}
        return type(graph)(**(columns | {"outputs": graph.outputs[::-1]}))

    _capturing(m, changed)


@bug(
    "capture visits operands last to first",
    "test_a_graph_lists_operands_before_results_depth_first",
)
def capture_visits_backwards(m: Engine) -> None:
    right_order = m.reference.topological_order

    def order(roots: Any) -> Any:
        found = [n for root in roots for n in nodes_below(root, lambda node: node._prev[::-1])]
        return list(dict.fromkeys(found))

    def changed(right: Any, roots: Any) -> Any:
        m.reference.topological_order = order
        try:
            return right(roots)
        finally:
            m.reference.topological_order = right_order

    _capturing(m, changed)


@bug("numbers are captured as inputs", "test_numbers_are_constants_and_values_are_inputs")
def constants_are_captured_as_inputs(m: Engine) -> None:
    _captured(m, lambda c: c.update(role=array("B", [1 if r == 2 else r for r in c["role"]])))


@bug("parameters are captured as inputs", "test_a_modules_leaves_are_parameters")
def parameters_are_captured_as_inputs(m: Engine) -> None:
    _captured(m, lambda c: c.update(role=array("B", [1 if r == 3 else r for r in c["role"]])))


@bug("scopes are not stamped", "test_scopes_are_stamped_on_nodes")
def scopes_are_not_stamped(m: Engine) -> None:
    make = m.value._node

    def node(*arguments: Any) -> Any:
        made = make(*arguments)
        made._scope = 0
        return made

    m.value._node = node


@bug(
    "nodes built by hand lose their name at capture", "test_hand_built_nodes_are_captured_as_opaque"
)
def names_are_lost(m: Engine) -> None:
    _captured(m, lambda columns: columns.update(names={}))


@bug("paths of parameters are lost at capture", "test_parameters_are_captured_with_their_paths")
def paths_are_lost(m: Engine) -> None:
    opaque = m.ops.OPAQUE.code
    _captured(
        m, lambda c: c.update(names={i: n for i, n in c["names"].items() if c["op"][i] == opaque})
    )


@bug(
    "an assigned _backward does not make a node opaque at capture",
    "test_nodes_with_an_assigned_closure_are_captured_as_opaque",
)
def closures_are_captured_as_operations(m: Engine) -> None:
    code = {op.symbol: op.code for op in m.ops.OPS.values()}

    def guess(columns: dict[str, Any]) -> None:
        op = array("B", columns["op"])
        for i, name in columns["names"].items():
            op[i] = code.get(name, op[i])
        columns["op"] = op

    _captured(m, guess)


@bug("capture resets the gradients", "test_capturing_does_not_change_the_values")
def capture_resets(m: Engine) -> None:
    def changed(right: Any, roots: Any) -> Any:
        graph = right(roots)
        for node in m.sweep.topological_order(roots):
            node._grad = 0.0
        return graph

    _capturing(m, changed)


# --- modes ------------------------------------------------------------------


@bug("no_grad is not looked at", "test_no_grad_makes_leaves")
def no_grad_is_ignored(m: Engine) -> None:
    right = m.value._observe

    def observe(node: Any, mode: Any) -> None:
        right(node, type(mode)(mode.scope, True, mode.anomaly))

    m.value._observe = observe


@bug("no_grad goes on after its block", "test_no_grad_ends_with_its_block")
def no_grad_leaks(m: Engine) -> None:
    right = m.value._mode
    seen: list[Any] = []

    def mode() -> Any:
        now = right()
        if not now.grad:
            seen[:] = [now]
        return seen[0] if seen else now

    m.value._mode = mode


@bug(
    "anomaly is not looked at",
    "test_anomaly_names_the_operation_and_its_operands[log(0.0) gave -inf]",
)
def anomaly_is_ignored(m: Engine) -> None:
    m.value.check_forward = lambda node: None


@bug("anomaly looks at the forward pass only", "test_anomaly_looks_at_backward_too")
def anomaly_ignores_backward(m: Engine) -> None:
    m.value.check_backward = lambda node: m.value.sweep((node,))


@bug("anomaly raises at a nan that came from a nan", "test_anomaly_lets_nan_from_nan_pass")
def anomaly_blames_everyone(m: Engine) -> None:
    right = m.value.check_forward

    def check(node: Any) -> None:
        right(node)
        if not math.isfinite(node._data):
            raise AnomalyError(f"{node._op} gave {node._data}")

    m.value.check_forward = check


@bug(
    "anomaly raises where it should record lines alone",
    "test_anomaly_that_does_not_raise_lets_numbers_pass",
)
def anomaly_always_raises(m: Engine) -> None:
    right = m.value._observe

    def observe(node: Any, mode: Any) -> None:
        right(node, type(mode)(mode.scope, mode.grad, mode.recording))

    m.value._observe = observe


@bug(
    "nodes do not remember the user's line",
    "test_anomaly_looks_at_backward_too",
)
def lines_are_not_recorded(m: Engine) -> None:
    m.value.remember_line = lambda node: None


@bug(
    "the user's lines are lost at capture",
    "test_lines_are_recorded_inside_anomaly_and_captured[True]",
)
def lines_are_lost(m: Engine) -> None:
    _captured(m, lambda columns: columns.update(sources={}))


@bug(
    "nodes remember the user's line outside anomaly too",
    "test_a_graph_of_a_network_equals_the_references",
)
def lines_are_always_recorded(m: Engine) -> None:
    make = m.value._node

    def node(*arguments: Any) -> Any:
        made = make(*arguments)
        m.value.remember_line(made)
        return made

    m.value._node = node


@bug(
    "a Value of another backend is taken as a number",
    "test_mixing_backends_raises_and_names_both_and_convert[+]",
)
def backends_mix(m: Engine) -> None:
    right = m.value.operand

    def operand(x: Any) -> Any:
        foreign = hasattr(type(x), "_backend") and not isinstance(x, m.Value)
        return right(x.data if foreign else x)

    m.value.operand = operand


@bug("custom operations have no derivative", "test_a_custom_operation_runs_forward_and_backward")
def custom_has_no_derivative(m: Engine) -> None:
    right = m.reference.ReferenceBackend.custom
    m.reference.ReferenceBackend.custom = lambda backend, name, operands, data, vjp: right(
        backend, name, operands, data, lambda g, out, *xs: (0.0,) * len(xs)
    )


@bug(
    "custom operations are given 1 as incoming gradient",
    "test_a_custom_operation_runs_forward_and_backward",
)
def custom_ignores_the_gradient(m: Engine) -> None:
    right = m.reference.ReferenceBackend.custom
    m.reference.ReferenceBackend.custom = lambda backend, name, operands, data, vjp: right(
        backend, name, operands, data, lambda g, out, *xs: vjp(1.0, out, *xs)
    )
