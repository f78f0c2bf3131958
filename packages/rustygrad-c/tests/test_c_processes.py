"""Threads, forks, other interpreters, signals and the end of the process."""

import multiprocessing
import os
import signal
import sys
import threading

import pytest
import rustygrad

Value = rustygrad.get_backend("c").Value
SUBINTERPRETERS = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"


def in_threads(count, work):
    """Run a function in several threads at once; what went wrong in them."""
    errors = []
    together = threading.Barrier(count)

    def run(number):
        try:
            together.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return errors


# --- threads ----------------------------------------------------------------


def test_threads_that_share_leaves_get_their_own_data():
    shared = Value(1.5)
    results = []

    def work(_):
        for _ in range(20):
            node = Value(1.0)
            for _ in range(300):
                node = node * 1.0001 + shared
            node.backward()
            results.append(node.data)

    assert in_threads(4, work) == []
    assert (len(results), len(set(results))) == (80, 1)


def test_a_shared_leaf_loses_no_gradient_of_plain_graphs():
    shared = Value(1.0)

    def work(_):
        for _ in range(200):
            rustygrad.sum([shared * 2.0, shared]).backward()

    assert in_threads(4, work) == []
    assert shared.grad == 4 * 200 * 3.0


def test_threads_run_backward_over_one_graph_whose_closures_give_way():
    leaf = Value(1.0)
    middle = Value(2.0, (leaf * 1.0,), "f")
    middle._backward = lambda: None
    root = (middle * 2.0).tanh()

    def work(number):
        for _ in range(100):
            if number == 0:
                middle.__init__(1.0, (leaf * 2.0, leaf), "g")
                middle._backward = lambda: [Value(1.0) * 2 for _ in range(5)]
            root.backward()
            rustygrad.Graph.capture(root)

    assert in_threads(4, work) == []
    assert root._prev[0]._prev[0] is middle


def test_a_mode_holds_in_its_thread_alone():
    found = {}

    def work(number):
        for i in range(200):
            if number % 2:
                with rustygrad.no_grad():
                    found.setdefault(number, set()).add(len((Value(i) * 2)._prev))
            else:
                found.setdefault(number, set()).add(len((Value(i) * 2)._prev))

    assert in_threads(4, work) == []
    assert found == {0: {2}, 1: {0}, 2: {2}, 3: {0}}


def test_a_scope_holds_in_its_thread_alone():
    models = [rustygrad.MLP(2, [2, 1], backend="c") for _ in range(4)]

    def work(number):
        for i in range(100):
            if number % 2:
                models[number]([i, 1])  # whole numbers are converted in Python
            else:
                assert Value(i)._scope == 0

    assert in_threads(4, work) == []


def test_free_attributes_and_collections_in_threads_lose_nothing():
    import gc

    def work(number):
        for _ in range(100):
            leaf = Value(1.0)
            leaf.best = [leaf * 2.0]
            leaf.best[0].backward()
            if number == 0:
                gc.collect(0)

    before = sys.getrefcount(Value)
    assert in_threads(4, work) == []
    gc.collect()
    assert sys.getrefcount(Value) - before <= 0


# --- processes --------------------------------------------------------------


def squared(x):
    """What a child process makes of a Value."""
    result = x * x
    result.backward()
    return result, x


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_goes_on_with_the_graphs_of_its_parent(run_clean):
    run_clean(
        "import os, rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "a = Value(3.0)\n"
        "b = a * a\n"
        "child = os.fork()\n"
        "b.backward()\n"
        "c = b * 2.0\n"
        "c.backward()\n"
        "assert a.grad == 18.0, a.grad\n"
        "if child == 0: os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0"
    )


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_values_travel_between_processes(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        result, x = pool.apply(squared, (Value(3.0, label="x"),))
    assert (result.data, x.grad, x.label) == (9.0, 6.0, "x")
    result.backward()
    assert x.grad == 12.0


def test_another_interpreter_is_refused_or_has_an_engine_of_its_own(run_clean):
    run_clean(
        f"import {SUBINTERPRETERS} as interpreters, sys\n"
        "import rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "a = Value(3.0) * 2.0\n"
        "other = interpreters.create()\n"
        "interpreters.run_string(other, '''if True:\n"
        "    import sys, rustygrad\n"
        "    try:\n"
        '        Value = rustygrad.get_backend("c").Value\n'
        "    except rustygrad.errors.BrokenPluginError as error:\n"
        "        assert sys.version_info >= (3, 12), error\n"
        '        assert "does not support loading in subinterpreters" in str(error), error\n'
        "    else:\n"
        "        assert sys.version_info < (3, 12)\n"
        "        v = Value(2.0) * 3.0\n"
        "        v.backward()\n"
        "        v.me = v\n"
        "        assert v._prev[0].grad == 3.0\n"
        "''')\n"
        "interpreters.destroy(other)\n"
        "a.backward()\n"
        "assert a._prev[0].grad == 2.0"
    )


def test_a_graph_is_freed_at_once_while_a_finaliser_in_another_thread_waits_for_it():
    told, started, freed = threading.Event(), threading.Event(), []

    class Slow:
        def __del__(self):
            started.set()
            freed.append(told.wait(30))

    class Other:
        def __del__(self):
            told.set()

    def first():
        node = Value(1.0)
        node.slow = Slow()
        del node

    def second():
        started.wait()
        node = Value(2.0) * 3.0
        node.tag = Other()
        del node

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert freed == [True]


# --- signals ----------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
@pytest.mark.parametrize("closure", [False, True])
def test_a_long_backward_answers_ctrl_c_and_leaves_all_else_sound(run_clean, closure):
    run_clean(
        "import os, signal, threading, rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "leaf = node = Value(1.0)\n"
        "middle = Value(1.0, (leaf,), 'f')\n"
        f"if {closure}: middle._backward = lambda: None; node = node + middle\n"
        "for _ in range(1_500_000): node = node + leaf\n"
        "def interrupt(*_):\n"
        "    node._prev[0].__init__(1.0)\n"
        "    raise KeyboardInterrupt\n"
        "signal.signal(signal.SIGINT, interrupt)\n"
        "answered = 0\n"
        "for attempt in range(400):\n"
        "    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.001 * (attempt + 1))\n"
        "    inside = False\n"
        "    try:\n"
        "        inside = True\n"
        "        node.backward()\n"
        "        inside = False\n"
        "        import time; time.sleep(2)\n"
        "    except KeyboardInterrupt:\n"
        "        answered += inside\n"
        "    if answered: break\n"
        "assert answered, 'no interrupt came during backward'\n"
        "assert (leaf * 2.0).data == 2.0\n"
        "b = Value(2.0); (b * b).backward(); assert b.grad == 4.0\n"
    )


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
@pytest.mark.parametrize("layers", [False, True])
@pytest.mark.parametrize("way", ["folded.backward(0.0)", "rustygrad.Graph.capture(folded)"])
def test_a_signal_handler_cannot_walk_through_what_is_being_swept(run_clean, layers, way):
    run_clean(
        "import random, signal, rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "layer = rustygrad.Layer(1, 2, backend='c')\n"
        "for neuron in layer.neurons: neuron.w[0].data = 0.25; neuron.b.data = 1.0\n"
        "w = layer.neurons[0].w[0]; layer([1.0])\n"
        "def look(*_):\n"
        "    if not inside: return\n"
        "    try:\n"
        f"        {way}\n"
        "        folded._prev\n"
        "    except RuntimeError as error:\n"
        "        refused.append(str(error))\n"
        "signal.signal(signal.SIGALRM, look)\n"
        "refused, inside = [], False\n"
        "for attempt in range(400):\n"
        "    node = Value(0.5)\n"
        "    for _ in range(100_000): node = node * 1.0\n"
        "    w.data, w.grad = 0.25, 0.0\n"
        f"    both = layer([node]) if {layers} else [Value(0.1) + w * node + w * 0.5] * 2\n"
        f"    right = 0.5 if {layers} else 1.0\n"
        "    node, folded = both[0].relu(), both[1]\n"
        "    for _ in range(100_000): node = node * 1.0\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.0005 * (attempt % 40 + 1))\n"
        "    inside = True\n"
        "    node.backward()\n"
        "    inside = False\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "    assert w.grad == right, (w.grad, attempt)\n"
        "    if refused: break\n"
        "assert 'is going through this node' in refused[0]\n"
        "assert len(folded._prev) > 0\n"
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no Python runs in a thread's sweep there")
def test_sweeps_of_two_threads_may_end_in_the_order_in_which_they_began(run_clean):
    run_clean(
        "import gc, signal, threading, rustygrad\n"
        "rustygrad.set_backend('c')\n"
        "Value = rustygrad.Value\n"
        "model = rustygrad.MLP(4, [64, 64, 1])\n"
        "x, w = Value(0.5), Value(0.25)\n"
        "first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))\n"
        "def chain(count):\n"
        "    total = Value(0.0)\n"
        "    for _ in range(count): total = total + w * x\n"
        "    return total\n"
        "def collecting(phase, info):\n"  # from 3.12 on the collector runs where signals are looked at
        "    if threading.current_thread() is first and not first_is_in.is_set():\n"
        "        first_is_in.set()\n"
        "        second_is_in.wait(20)\n"
        "def sweep():\n"
        "    total = rustygrad.sum([model([1.0, 2.0, 3.0, 4.0]) for _ in range(60)])\n"
        "    model.layers[0].neurons[0].w[0].__init__(0.5)  # so that much is written out\n"
        "    gc.callbacks.append(collecting)\n"
        "    total.backward()\n"
        "    gc.callbacks.remove(collecting)\n"
        "    first_is_out.set()\n"
        "def handler(*_):\n"
        "    if first_is_in.is_set() and not second_is_in.is_set():\n"
        "        second_is_in.set()\n"
        "        first_is_out.wait(20)\n"
        "for _ in range(3): model([1.0, 2.0, 3.0, 4.0])\n"
        "root = rustygrad.sum([chain(60_000) for _ in range(8)])\n"
        "signal.signal(signal.SIGALRM, handler)\n"
        "first = threading.Thread(target=sweep)\n"
        "first.start()\n"
        "assert first_is_in.wait(20)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.001)\n"
        "root.backward()\n"
        "second_is_in.set()\n"
        "first.join()\n"
        "for _ in range(100): chain(10).backward()"
    )


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_a_backward_of_few_large_layers_answers_ctrl_c(run_clean):
    run_clean(
        "import signal, time, rustygrad\n"
        "model = rustygrad.MLP(300, [300, 300], backend='c')\n"
        "x = [0.1] * 300\n"
        "model(x)\n"
        "total = rustygrad.sum([y for _ in range(2000) for y in model(x)[:1]])\n"
        "total.backward()\n"
        "started = time.process_time(); total.backward()\n"
        "whole = time.process_time() - started\n"
        "def stop(*_): raise KeyboardInterrupt\n"
        "signal.signal(signal.SIGVTALRM, stop)\n"
        "signal.setitimer(signal.ITIMER_VIRTUAL, whole / 20)\n"
        "started = time.process_time()\n"
        "try: total.backward()\n"
        "except KeyboardInterrupt: pass\n"
        "else: raise SystemExit('nobody was interrupted')\n"
        "assert (rustygrad.get_backend('c').Value(2.0) * 2.0).data == 4.0"
    )


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
@pytest.mark.parametrize("layers", [False, True])
def test_a_signal_handler_cannot_take_apart_what_is_being_swept(run_clean, layers):
    run_clean(
        "import random, signal, rustygrad\n"
        "Value = rustygrad.get_backend('c').Value\n"
        "layer = rustygrad.Layer(1, 1, backend='c')\n"
        "w = layer.neurons[0].w[0]; layer.neurons[0].b.data = 1.0; layer([1.0])\n"
        "def look(*_):\n"
        "    try:\n"
        "        folded._prev\n"
        "    except RuntimeError as error:\n"
        "        refused.append(str(error))\n"
        "signal.signal(signal.SIGALRM, look)\n"
        "refused = []\n"
        "for attempt in range(400):\n"
        "    node = Value(0.5)\n"
        "    for _ in range(100_000): node = node * 1.0\n"
        "    w.data, w.grad = 0.25, 0.0\n"
        f"    folded = layer([node]) if {layers} else Value(0.1) + w * node + w * 0.5\n"
        f"    right = 0.5 if {layers} else 1.0\n"
        "    node = folded.relu()\n"
        "    for _ in range(100_000): node = node * 1.0\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.0005 * (attempt % 40 + 1))\n"
        "    node.backward()\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "    assert w.grad == right\n"
        "    if refused: break\n"
        "assert 'is going through this node' in refused[0]\n"
        "assert len(folded._prev) > 0\n"
    )


# --- the end ----------------------------------------------------------------

ENDS = {
    "a graph in a global": "node = Value(1.0) * 2.0",
    "a cycle": "node = Value(1.0) * 2.0; node._prev[0].best = node",
    "a closure over its own node": (
        "node = Value(1.0, (Value(2.0),), 'f')\nnode._backward = lambda: node"
    ),
    "a subclass with a finaliser": (
        "class Final(Value):\n"
        "    def __del__(self): (self * 2.0).backward()\n"
        "node = Final(1.0) * 2.0; node._prev[0].me = node"
    ),
    "a finaliser that uses the engine": (
        "class Last:\n"
        "    def __del__(self): (self.node * 2.0).backward()\n"
        "last = Last(); last.node = Value(1.0) * 3.0; last.me = last"
    ),
    "a thread that goes on": (
        "import threading\n"
        "def work():\n"
        "    while True:\n"
        "        node = Value(1.0)\n"
        "        for _ in range(1000): node = node * 2.0\n"
        "        node.backward()\n"
        "threading.Thread(target=work, daemon=True).start()"
    ),
    "an exit handler": "import atexit; node = Value(1.0) * 2.0; atexit.register(node.backward)",
    "the module imported twice": (
        "import sys\n"
        "node = Value(1.0) * 2.0\n"
        "del sys.modules['rustygrad_c._engine']\n"
        "import importlib\n"
        "_engine = importlib.import_module('rustygrad_c._engine')\n"
        "assert _engine.Value is not Value\n"
        "other = _engine.Value(2.0); other.backward(); node.backward()\n"
        "for x, y in ((node, other), (other, node)):\n"
        "    for mix in (lambda: x + y * y, lambda: x ** y, lambda: x - y, lambda: x * y,\n"
        "                lambda: rustygrad.sum([x, y]), lambda: type(x)(1.0, (y,), 'f')):\n"
        "        for _ in range(1000):\n"
        "            try: mix()\n"
        "            except (TypeError, AttributeError): pass\n"
        "            else: raise SystemExit('two engines in one expression')\n"
        "assert (node + 1.0).data == 3.0 and (other * other).data == 4.0"
    ),
}


@pytest.mark.parametrize("what", ENDS)
def test_the_process_ends_well_with(run_clean, what):
    run_clean(
        "import sys\n"
        "sys.unraisablehook = lambda _: None\n"
        "import rustygrad\nValue = rustygrad.get_backend('c').Value\n" + ENDS[what]
    )
