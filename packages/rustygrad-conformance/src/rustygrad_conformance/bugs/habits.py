"""Bugs that programs written for micrograd trip over."""

from __future__ import annotations

from typing import Any

from ..engine import Engine
from . import bug


@bug("free attributes are refused", "test_free_attributes_can_be_set")
def no_free_attributes(m: Engine) -> None:
    known = {*m.Value.__slots__, *dir(m.Value)} - {"__dict__"}

    def refuse(v: Any, name: str, item: Any) -> None:
        if name not in known:
            raise AttributeError(name)
        object.__setattr__(v, name, item)

    m.Value.__setattr__ = refuse


@bug("an assigned _backward is not called", "test_an_assigned_closure_is_called_by_backward")
def closures_are_ignored(m: Engine) -> None:
    def assign(v: Any, closure: Any) -> None:
        v.__dict__["_closure"] = closure

    m.Value._backward = property(lambda v: v.__dict__.get("_closure", v._hand_down), assign)


@bug(
    "an assigned _backward is called in addition to the operation's own rule",
    "test_an_assigned_closure_is_called_by_backward",
)
def closures_are_additional(m: Engine) -> None:
    right = m.value.sweep

    def assign(v: Any, closure: Any) -> None:
        v.__dict__["_closure"] = closure

    def sweep(order: Any) -> None:
        for node in reversed(order):
            right((node,))
            node.__dict__.get("_closure", lambda: None)()

    m.value.sweep = sweep
    m.Value._backward = property(lambda v: v.__dict__.get("_closure", v._hand_down), assign)


@bug(
    "a closure that wraps the _backward that was there calls itself",
    "test_a_closure_may_wrap_the_backward_that_was_there[mul]",
)
def wrapped_closures_recurse(m: Engine) -> None:
    m.Value._hand_down = lambda v: m.value.sweep((v,))


@bug(
    "the own rule of a node with a closure hands on in the order of the operands",
    "test_a_closure_may_wrap_the_backward_that_was_there[dot]",
)
def wrapped_rules_forget_their_order(m: Engine) -> None:
    assigned = m.opaque.Pull.assigned.__func__

    def forgetful(cls: Any, node: Any, closure: Any) -> Any:
        pull = assigned(cls, node, closure)
        pull.last_first = False
        return pull

    m.opaque.Pull.assigned = classmethod(forgetful)


@bug(
    "a closure is asked for its truth",
    "test_a_closure_that_counts_as_false_is_called_all_the_same",
)
def false_closures_are_ignored(m: Engine) -> None:
    right = m.opaque.Pull.pull

    def pull(self: Any, node: Any) -> None:
        if self.closure is None or self.closure:
            right(self, node)

    m.opaque.Pull.pull = pull


@bug(
    "a node built by hand gets a derivative by the name of its operation",
    "test_a_node_built_by_hand_has_no_derivative",
)
def hand_built_nodes_are_guessed(m: Engine) -> None:
    init = m.Value.__init__
    known = {op.symbol: op for op in m.ops.OPS.values() if op.arity == 2}

    def guess(v: Any, data: Any, _children: Any = (), _op: str = "", label: str = "") -> None:
        init(v, data, _children, _op, label)
        if _op in known and len(v._prev) == 2:
            v._rule = known[_op]

    m.Value.__init__ = guess


@bug("leaves have no _backward", "test_backward_of_every_node_is_callable")
def leaves_have_no_backward(m: Engine) -> None:
    right = m.Value._backward

    def get(v: Any) -> Any:
        return None if v._rule is m.ops.LEAF else right.__get__(v)

    m.Value._backward = property(get, right.fset)


@bug("_backward by hand does nothing", "test_a_node_hands_on_a_hand_seeded_gradient")
def backward_by_hand_does_nothing(m: Engine) -> None:
    m.Value._hand_down = lambda v: None


@bug("errors in closures are swallowed", "test_an_error_in_a_closure_reaches_the_caller")
def errors_are_swallowed(m: Engine) -> None:
    right = m.opaque.Pull.pull

    def pull(self: Any, node: Any) -> None:
        try:
            right(self, node)
        except LookupError:
            return

    m.opaque.Pull.pull = pull


@bug("operations take exact Values only", "test_a_subclass_can_be_made_and_used")
def subclasses_are_refused(m: Engine) -> None:
    strict = m.value.operand

    def operand(x: Any) -> Any:
        return None if isinstance(x, m.Value) and type(x) is not m.Value else strict(x)

    m.value.operand = operand


@bug("numpy is told to keep off", "test_arrays_spread_over_a_value")
def numpy_is_kept_off(m: Engine) -> None:
    m.Value.__array_ufunc__ = None
