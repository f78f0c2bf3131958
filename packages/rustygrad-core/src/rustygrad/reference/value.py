"""The reference engine: a Value that remembers how it was made.

This is the definition of right, written to be read. An operation makes a node,
a node knows its operands, and `backward` walks them in reverse. What each
operation computes, forward and backward, stands in the op table (`ops.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, ClassVar

from .. import ops
from ..convert import as_float, as_number, no_operand, refuse_stranger
from ..modes import PLAIN, Mode, current
from ..opaque import Pull, check_children
from ..ops import ADD, LEAF, MUL, OPAQUE, SUB, Op, by_code
from ..sweep import backward_order, check_backward, check_forward, remember_line, sweep

__all__ = ["Value", "apply", "opaque", "rebuild"]

_mode = current.get
_new = object.__new__


class Value:
    """A real number that remembers how it was made.

    Args:
        data: the number, any real scalar.
        _children: the operands, where you build a node by hand. Such a node has
            a derivative once you assign its `_backward`.
        _op: what to call the operation.
        label: a name for pictures and messages.

    Attributes:
        data: the number, a float. Writable.
        grad: d(root)/d(self), as `backward` of the root left it. Writable; None means 0.
        label: the name. Writable.

    Raises:
        ConversionError: `data` is not a real number, or a child is not a Value.
        OverflowError: `data` is an integer too large for a float.
    """

    __slots__ = (
        "__dict__", "__weakref__",  # free attributes, weak references
        "_attribute", "_data", "_grad", "_prev", "_rule", "_scope",
    )  # fmt: skip
    _backend: ClassVar[Any]
    label = ""  # on the class, so that a node without a name stores none
    _path = ""  # of a parameter in its module
    _source = ""  # the same for the user's line, "file.py:12", which anomaly() records

    def __init__(
        self, data: Any, _children: Iterable[Value] = (), _op: str = "", label: str = ""
    ) -> None:
        self._data = data if type(data) is float else as_float(data)
        self._grad = 0.0
        self._prev = tuple(_children)
        if self._prev:
            check_children(self._prev, self._backend)
        self._rule = OPAQUE if self._prev else LEAF
        self._attribute: Any = Pull(_op) if self._prev else "input"
        if _op and not self._prev:
            self.__dict__["_op"] = _op  # a leaf with a name for its origin
        mode = _mode()
        if mode is not PLAIN:
            self._scope = mode.scope
            if mode.recording and self._prev:
                remember_line(self)
        if label:
            self.label = label

    # --- what a node shows ---

    def _set_data(self, data: Any) -> None:
        self._data = as_float(data)

    def _set_grad(self, grad: Any) -> None:
        self._grad = 0.0 if grad is None else as_float(grad)

    data = property(attrgetter("_data"), _set_data, doc="The number, a float. Writable.")
    grad = property(attrgetter("_grad"), _set_grad, doc="The gradient, a float. Writable.")

    @property
    def _op(self) -> str:
        """The operation that made this node; '' for a leaf."""
        if self._rule is OPAQUE:
            return str(self._attribute.name)
        if self._rule is LEAF:
            return str(self.__dict__.get("_op", ""))
        return self._rule.display(self._attribute if self._rule.attribute else None)

    @property
    def _role(self) -> str:
        """What a leaf is: 'input', 'constant' or 'parameter'; '' for other nodes."""
        return self._attribute if self._rule is LEAF else ""

    @_role.setter
    def _role(self, role: str) -> None:
        if self._rule is LEAF:
            self._attribute = role

    @property
    def _backward(self) -> Callable[[], Any]:
        """Hands this node's gradient to its operands. Assign a closure to replace it."""
        closure = self._attribute.closure if self._rule is OPAQUE else None
        return self._hand_down if closure is None else closure

    @_backward.setter
    def _backward(self, closure: Callable[[], Any]) -> None:
        self._attribute = Pull.assigned(self, closure)
        self._rule = OPAQUE

    def _hand_down(self) -> None:
        if self._rule is OPAQUE:
            self._attribute.hand_down(self)  # not the closure, which may have wrapped this
        else:
            sweep((self,))

    def __repr__(self) -> str:
        return f"Value(data={self._data}, grad={self._grad})"

    def __format__(self, spec: str) -> str:
        return format(self._data, spec) if spec else str(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What notebooks show."""
        from ..notebook import mimebundle

        return mimebundle(self, include, exclude)

    # --- operations ---

    def __add__(self, other: Any) -> Value:
        if type(other) is Value:
            return _node(ADD, self._data + other._data, (self, other))
        return _binary(ADD, self, other)

    def __radd__(self, other: Any) -> Value:
        if type(other) is int and other == 0:  # where sum() starts
            return self
        return _binary(ADD, other, self)

    def __sub__(self, other: Any) -> Value:
        if type(other) is Value:
            return _node(SUB, self._data - other._data, (self, other))
        return _binary(SUB, self, other)

    def __rsub__(self, other: Any) -> Value:
        return _binary(SUB, other, self)

    def __mul__(self, other: Any) -> Value:
        if type(other) is Value:
            return _node(MUL, self._data * other._data, (self, other))
        return _binary(MUL, self, other)

    def __rmul__(self, other: Any) -> Value:
        return _binary(MUL, other, self)

    def __truediv__(self, other: Any) -> Value:
        return _binary(ops.DIV, self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return _binary(ops.DIV, other, self)

    def __pow__(self, exponent: Any) -> Value:
        number = as_number(exponent)
        if number is None:
            return _binary(ops.POWER, self, exponent)
        return _node(ops.POW, ops.POW.forward(self._data, number), (self,), number)

    def __rpow__(self, base: Any) -> Value:
        return _binary(ops.POWER, base, self)

    def __neg__(self) -> Value:
        return _unary(ops.NEG, self)

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Value:
        return _unary(ops.ABS, self)

    def relu(self) -> Value:
        """max(self, 0), from 0 up; its derivative at 0 is 0."""
        return _unary(ops.RELU, self)

    def tanh(self) -> Value:
        """The hyperbolic tangent, from -1 to 1."""
        return _unary(ops.TANH, self)

    def sigmoid(self) -> Value:
        """1 / (1 + exp(-self)), from 0 to 1, without overflow."""
        return _unary(ops.SIGMOID, self)

    def exp(self) -> Value:
        """E to the power of self; inf where that is too large."""
        return _unary(ops.EXP, self)

    def log(self) -> Value:
        """The natural logarithm; -inf at 0 and nan below."""
        return _unary(ops.LOG, self)

    def sqrt(self) -> Value:
        """The square root; nan below 0."""
        return _unary(ops.SQRT, self)

    def sin(self) -> Value:
        """The sine of an angle in radians, from -1 to 1; nan of an infinite one."""
        return _unary(ops.SIN, self)

    def cos(self) -> Value:
        """The cosine of an angle in radians, from -1 to 1; nan of an infinite one."""
        return _unary(ops.COS, self)

    # --- comparisons look at the data; == and hash are identity ---

    def __lt__(self, other: Any) -> bool:
        other = _number(other)
        return other if other is NotImplemented else self._data < other

    def __le__(self, other: Any) -> bool:
        other = _number(other)
        return other if other is NotImplemented else self._data <= other

    def __gt__(self, other: Any) -> bool:
        other = _number(other)
        return other if other is NotImplemented else self._data > other

    def __ge__(self, other: Any) -> bool:
        other = _number(other)
        return other if other is NotImplemented else self._data >= other

    # --- the point of it all ---

    def backward(self, grad: Any = 1.0) -> None:
        """Fill in the gradient of everything that this Value was made of.

        Inner nodes start again from 0; leaves add to what they hold, so call
        `zero_grad` between steps.

        Args:
            grad: the gradient of this Value itself.

        Raises:
            ConversionError: `grad` is not a real number.
            AnomalyError: inside `anomaly()`, a gradient came out nan or inf.
        """
        seed = as_float(grad)
        order = backward_order(self, float("0"))
        self._grad += seed
        if _mode().anomaly:
            for node in reversed(order):
                check_backward(node)
        else:
            sweep(order)

    # --- copying ---

    def __copy__(self) -> Value:
        """Another node with the same operands."""
        from ..copying import clone

        twin: Value = clone(self, rebuild)
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle and deepcopy carry the whole graph, and keep its leaves' identity."""
        from ..copying import reduce

        return reduce(self, rebuild)

    def __setstate__(self, state: Any) -> None:
        from ..copying import restore

        restore(self, state)


def _node(op: Op, data: float, operands: tuple[Value, ...], attribute: Any = None) -> Value:
    """Make a node; every operation ends here.

    What a node does not have, it does not store: most slots of most nodes stay unset.
    """
    node: Value = _new(Value)
    node._rule = op
    node._data = data
    node._prev = operands
    node._grad = 0.0
    if attribute is not None:
        node._attribute = attribute
    mode = _mode()
    if mode is not PLAIN:
        node._scope = mode.scope
        if mode.special:
            _observe(node, mode)
    return node


def _observe(node: Value, mode: Mode) -> None:
    """What `anomaly` and `no_grad` do to a new node."""
    if mode.anomaly:
        check_forward(node)
    if mode.recording:
        remember_line(node)
    if not mode.grad:
        node._rule, node._prev, node._attribute = LEAF, (), "input"


def _unary(op: Op, x: Value) -> Value:
    return _node(op, op.forward(x._data), (x,))


def _binary(op: Op, x: Any, y: Any) -> Value:
    if type(y) is not Value:
        y = operand(y)
        if y is None:
            return NotImplemented  # type: ignore[no-any-return]  # so Python asks the other
    if type(x) is not Value:
        x = operand(x)
        if x is None:
            return NotImplemented  # type: ignore[no-any-return]  # so Python asks the other
    return _node(op, op.forward(x._data, y._data), (x, y))


def operand(x: Any) -> Value | None:
    """A Value as it is, a number as a constant, anything else as None.

    Raises:
        MixedBackendsError: `x` is a Value of another backend.
        OverflowError: `x` is an integer too large for a float.
    """
    if isinstance(x, Value):
        return x
    number = as_number(x)
    if number is None:
        refuse_stranger(x, Value._backend.name)
        return None
    constant = Value(number)
    constant._attribute = "constant"
    return constant


def _number(x: Any) -> Any:
    """What to compare with: the data of a Value, a number, or NotImplemented."""
    if isinstance(x, Value):
        return x._data
    number = as_number(x)
    if number is None:
        refuse_stranger(x, Value._backend.name)
        return NotImplemented
    return number


def apply(op: Op, operands: Sequence[Any], attribute: float | None = None) -> Value:
    """The node of any operation of the table.

    Args:
        op: its row.
        operands: Values of this backend, and numbers.
        attribute: where the operation has one.

    Raises:
        ConversionError: an operand is neither a Value nor a real number.
        MixedBackendsError: an operand is a Value of another backend.
    """
    data: list[Any] = [x._data for x in operands if type(x) is Value]
    if len(data) != len(operands):  # numbers among them, or Values of a subclass
        operands = [_required(x) for x in operands]
        data = [x._data for x in operands]
    if op.attribute:
        data.append(attribute)
    return _node(op, op.forward(*data), tuple(operands), attribute)


def opaque(pull: Pull, operands: Sequence[Any], data: float) -> Value:
    """A node that is no operation of the table; raises as `apply` does."""
    return _node(OPAQUE, data, tuple([_required(x) for x in operands]), pull)


def _required(x: Any) -> Value:
    node = operand(x)
    if node is None:
        raise no_operand(x)
    return node


def rebuild(
    cls: type[Value],
    code: int,
    operands: tuple[Value, ...],
    data: float,
    grad: float,
    attribute: Any,
    scope: int,
) -> Value:
    """One node from its record, for `rustygrad.copying`."""
    node = _new(cls)
    node._rule = by_code(code)
    node._data, node._grad, node._prev = data, grad, operands
    if attribute is not None:
        node._attribute = attribute
    if scope:
        node._scope = scope
    return node
