"""Each operation with each of its allocations failing in turn.

``python allocation_failures.py`` names the operation and the allocation before it lets
it fail, so the last line of a process that died tells where. With ``--all`` it goes on
with what the engine asks Python for. It needs CPython's own `_testcapi`.
"""

import _testcapi
import contextlib
import copy
import gc
import itertools
import pickle
import sys
from array import array
from fractions import Fraction

import rustygrad
from rustygrad.modes import PLAIN
from rustygrad_c import _engine as engine

BACKEND = rustygrad.get_backend("c")
Value = BACKEND.Value


class Named(Value):
    """A subclass that has slots and attributes."""

    __slots__ = ("slot",)
    label = "kind"


def blend(x, y):
    """The forward function of a custom operation."""
    return x * y


def blend_vjp(g, out, x, y):
    """Its derivative."""
    return y * g, x * g


BLEND = rustygrad.custom(blend, blend_vjp)

_METHODS = [name for name in dir(Value) if name in rustygrad.__all__]
#: What the engine does by itself, as source text; a fresh `scope` serves each time.
IN_C = [
    *(f"a {op} b" for op in ("+", "-", "*", "/", "**", "<", ">=", "==")),
    *(f"a {op} 2" for op in ("+", "-", "*", "/", "**", "<")),
    *(f"2.5 {op} a" for op in ("+", "-", "*", "/", "**", ">")),
    *(f"a.{name}()" for name in _METHODS),
    "-a", "abs(a)", "+a", "a += b", "sum([a, b, n])",
    *(f"engine.apply(rows[{name!r}], [a, b, n])" for name in rustygrad.ops.OPS if
      rustygrad.ops.OPS[name].arity in (None, 3)),
    *(f"engine.apply(rows[{name!r}], (a, 2.0))" for name in rustygrad.ops.OPS if
      rustygrad.ops.OPS[name].arity == 2),
    "engine.apply(rows['pow'], (a,), 3.0)", "engine.columns([n, o], True)", "engine.columns([w])",
    "engine.opaque(pull, (a, 2.0, b), 1.0)", "engine.make_opaque(n, pull, None)",
    "engine.before_collection('start', {'generation': 2})", "vars(a)", "a.seen = {o}",
    "engine.make_opaque(n, pull, [a, b, a])", "engine.rebuild(Value, 2, (a, b), 0, 0, None, 0)",
    "engine.rebuild(Named, 18, (a, b, n), 0, 0, None, 0)",
    "engine.rebuild(Value, 1, (a,), 0, 0, pull, 0)", "engine.rebuild(Value, 0, (), 0, 0, 'input', 0)",
    "engine.stack([(2, spare, rows['relu'], 0, [0, 0])], [spare], [0], PLAIN)",
    "stack([a, 2.0])", "stack((0.5, 1.0))", "folded[0]._prev", "folded[1].backward()",
    "(folded[0] + folded[1]).backward()", "engine.columns(folded)", "folded[0]._op",
    "folded[0].__init__(1.0)", "weights[0].__init__(1.0)", "folded[0].best = [folded]",
    "engine.make_opaque(weights[0], pull, None)", "engine.zero_grad(weights)",
    "engine.sgd(weights, velocity, False, 0.1, 0.9, 0.1)",
    "engine.adam(weights, velocity, square, 0.1, 0.1, 0.9, 0.9, 1e-8, 0.0, 1.0)",
    "Value(1.5)", "Value(1.5, label='label')", "Value(1.5, _op='origin')", "Named(1.5)",
    "n.__init__(2.0)", "n.backward()", "n.backward(grad=2.0)", "wide.backward()", "n._backward()",
    "n._hand_down()", "a.data", "a.grad", "n._prev", "n._op", "o._op", "a._op", "a._role",
    "o._attribute", "n._rule", "n._scope", "p._attribute", "n._backward", "w._backward", "a.__dict__",
    "a.label", "a.data = 3.0", "a.grad = None", "a._role = 'parameter'",
    "a.label = 'x'", "a.best = holding", "a.f = closure", "named.slot = n", "named.other = closure",
    "a.__dict__ = {'n': n}", "del named.label_of_its_own", "repr(n)", "n.__format__('.3f')",
    "str(n)", "hash(n)",
]  # fmt: skip
#: What ends in an error of its own. CPython may then lose the MemoryError: `1 + None` raises
#: SystemError, and a debug build of CPython dies of it.
RAISING = [
    "a.missing", "del a.data", "a._role = 'x'", "pow(a, 2, 3)", "n.backward(1, 2)",
    "engine.rebuild(Value, 0, (), 0, 0, 'x', 0)", "engine.columns([None])",
    "engine.apply(rows['add'], (a,))", "engine.apply(rows['sum'], ())",
]  # fmt: skip
#: What it asks Python for. CPython itself loses objects there, so less is asked; and from
#: 3.12 on it dies, also with the reference engine, which is pure Python: left out there.
IN_PYTHON = [
    "a + third", "third ** a", "a < third", "Value(True)", "Value(1.5, (a, b), 'f', 'label')",
    "Named(1.5, [a], 'f')", "n.__init__(2.0, (a, b, a), 'f')", "o.backward()", "w.backward()",
    "o._backward()", "n._backward = closure", "a._backward = closure", "a.grad = third",
    *(f"rustygrad.{name}([a, b, n, 2.0])" for name in ("sum", "mean", "maximum", "logsumexp")),
    "rustygrad.dot([a, b], [n, 2.0], a)", "rustygrad.where(a > b, a, b)", "BLEND(a, 2.0)",
    "rustygrad.softmax([a, b])", "rustygrad.detach(n)", "p._op", "copy.copy(n)", "copy.copy(o)",
    "copy.deepcopy(wide)", "pickle.dumps(n)", "pickle.loads(text)", "n.__reduce_ex__(2)",
    "rustygrad.Graph.capture(n, named)", "n.__setstate__({0: ({'m': 1.0}, None)})",
    *(f"a + {wrong}" for wrong in ("None", "(1.0,)", "'x'", "10**400")), "Value(None)",
    "Value(1.0, (2,))", "a.data = None", "a._backward = 3", "n.backward('x')",
    "rustygrad.sum([a, None])", "rustygrad.optim.Adam([a, b]).step()",
    "rustygrad.MLP(2, [2, 1], backend='c')([a, b])",
]  # fmt: skip
#: Operations inside a mode, which is entered before: CPython 3.11 itself gives up if it
#: cannot leave a generator's context for want of memory.
MODES = {"a * b": rustygrad.no_grad, "(a * b).tanh()": rustygrad.anomaly,
         "n.backward()": rustygrad.anomaly, "(a - a).log()": rustygrad.anomaly}  # fmt: skip

CASES = [(text, contextlib.nullcontext, True) for text in IN_C]
if not hasattr(sys, "gettotalrefcount"):
    CASES += [(text, contextlib.nullcontext, True) for text in RAISING]
CASES += [(text, contextlib.nullcontext, False) for text in IN_PYTHON]
CASES += [(text, mode, False) for text, mode in MODES.items()]
CODE = {text: compile(text, f"<{text}>", "exec") for text, _, _ in CASES}
TEXT = pickle.dumps((lambda a: Value(1.5, label="x") * a + a)(Value(2.0)))
#: Nodes that are kept, so that the engine's free list is empty and a node is an allocation.
HELD = []


def scope():
    """The variables of an operation: leaves, nodes of each kind, and modules."""
    a, b = Value(1.5), Value(-0.5, label="b")
    weights, spare = ([Value(0.1 * i) for i in range(6)] for _ in range(2))
    stack = engine.stack([(2, weights, rustygrad.ops.TANH, 0, [0, 0])], [], [0], PLAIN)
    wrapped = a * b
    wrapped._backward = lambda: None
    named = Named(2.0)
    named.label_of_its_own = "x"
    return {
        "a": a, "b": b, "n": a * b + b, "p": a**3, "o": BLEND(a, b), "w": wrapped * a,
        "wide": rustygrad.sum([a, b, a * b, named]), "named": named, "text": TEXT,
        "Value": Value, "Named": Named, "third": Fraction(1, 3), "BLEND": BLEND,
        "pull": wrapped._attribute, "holding": [a, {"k": (b,)}], "closure": lambda: wrapped,
        "rows": rustygrad.ops.OPS, "weights": weights, "spare": spare, "stack": stack,
        "folded": stack([a, 2.0]), "velocity": array("d", [0.5] * 6), "PLAIN": PLAIN,
        "square": array("d", [0.5] * 6),
        "rustygrad": rustygrad, "engine": engine, "copy": copy, "pickle": pickle,
    }  # fmt: skip


def attempt(text, mode, first, last, empty):
    """Run an operation while its allocations from `first` up to `last` fail; the error or None."""
    variables = scope()
    if empty:
        HELD.extend([Value(0.0) for _ in range(64)])
    code = CODE[text]
    error = None
    with mode():
        try:
            _testcapi.set_nomemory(first, last)
            exec(code, variables)
        except BaseException as caught:
            error = type(caught)  # not itself: CPython keeps no more than 16 MemoryErrors
        finally:
            _testcapi.remove_mem_hooks()
    return error


def works():
    """Whether the engine gives right results."""
    x = Value(2.0)
    y = rustygrad.dot([x, x * 3.0], [x, 1.0], x)
    y.backward()
    return (y.data, x.grad) == (12.0, 8.0)


def check(text, mode, in_c):
    """Let each allocation of an operation fail; how many did, and what went wrong."""
    usual, failed, wrong = attempt(text, mode, 1_000_000, 0, False), 0, []
    raises = (MemoryError,) if usual is None else (MemoryError, SystemError)  # see RAISING
    for empty, forever in itertools.product((True, False), (False, True) if in_c else (False,)):
        gc.collect()
        nodes, unharmed, first = sys.getrefcount(Value) - len(HELD), 0, 0
        while unharmed < 10:  # some failures are recovered from, so one success is not the end
            sys.stderr.write(f"\r{text}, allocation {first}, {empty=}, {forever=}".ljust(100))
            error = attempt(text, mode, first, 0 if forever else first + 1, empty)
            unharmed = 0 if error in raises else unharmed + 1
            failed += not unharmed
            if in_c and error not in (*raises, usual):
                wrong.append(f"allocation {first} failed, and it raised {error}")
            if not works():
                wrong.append(f"allocation {first} failed, and then results were wrong")
            first += 1
        gc.collect()
        lost = sys.getrefcount(Value) - len(HELD) - nodes
        if lost and in_c:
            wrong.append(f"{lost} nodes were lost ({empty=}, {forever=})")
    return failed, wrong


def main(everything):
    """Check all operations; the last lines tell what was found."""
    total, found = 0, []
    gc.disable()  # it would look at the nodes that are held, again and again
    cases = [case for case in CASES if case[2] or (everything and sys.version_info < (3, 12))]
    for text, mode, in_c in cases:
        failed, wrong = check(text, mode, in_c)
        total += failed
        found += [f"{text}: {one}" for one in wrong]
        if everything:
            sys.stdout.write(f"\r{failed:5} allocations of {text}".ljust(100) + "\n")
    sys.stdout.write(f"\n{len(cases)} operations, {total} failed allocations\n")
    sys.stdout.write("\n".join(found) + "\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main("--all" in sys.argv))
