"""Three graphs as DOT text: an expression, a neuron, and a 2-2-1 MLP.

``python graphviz.py value``, ``neuron`` or ``mlp`` prints one, all without an
argument. Pipe it to ``dot -Tsvg``.
"""

import io
import random
import sys

from rustygrad import MLP, Graph, Neuron, Value, get_exporter


def value() -> Value:
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    c, d = Value(3.0, label="c"), Value(4.0, label="d")
    return ((a + b) * (c + d)) ** 2


def neuron() -> Value:
    return Neuron(2)([Value(1.0, label="x0"), Value(-2.0, label="x1")])


def mlp() -> Value:
    return MLP(2, [2, 1])([Value(1.0, label="x0"), Value(-2.0, label="x1")])


pictures = {"value": value, "neuron": neuron, "mlp": mlp}
for name in sys.argv[1:] or pictures:
    if name not in pictures:
        sys.exit(f"no picture {name!r}: choose from {', '.join(pictures)}")
    random.seed(1337)
    root = pictures[name]()
    root.backward()
    text = io.BytesIO()
    get_exporter("dot").export(Graph.capture(root), text)
    print(text.getvalue().decode())
