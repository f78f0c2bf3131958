"""Three graphs as pictures, drawn by Graphviz.

``python graphviz.py mlp mlp.svg`` writes one of ``value``, ``neuron`` and ``mlp``
to a file; its suffix says what kind: dot, svg, png or pdf. Without a file the text
for Graphviz is printed.
"""

import io
import random
import sys

from rustygrad import MLP, Graph, Module, Neuron, Value, export, get_exporter


def value() -> Value:
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    c, d = Value(3.0, label="c"), Value(4.0, label="d")
    return ((a + b) * (c + d)) ** 2


def neuron() -> Value:
    return labelled(Neuron(2))(inputs())


def mlp() -> Value:
    return labelled(MLP(2, [2, 1]))(inputs())


def inputs() -> list[Value]:
    return [Value(1.0, label="x0"), Value(-2.0, label="x1")]


def labelled(model: Module) -> Module:
    for path, parameter in model.named_parameters():
        parameter.label = path
    return model


pictures = {"value": value, "neuron": neuron, "mlp": mlp}
if len(sys.argv) not in (2, 3) or sys.argv[1] not in pictures:
    sys.exit(f"usage: python graphviz.py {'|'.join(pictures)} [FILE]")

random.seed(1337)
result = pictures[sys.argv[1]]()
result.label = "result"
result.backward()
if len(sys.argv) == 3:
    print(export(result, sys.argv[2]))
else:
    text = io.BytesIO()
    get_exporter("dot").export(Graph.capture(result), text)
    print(text.getvalue().decode(), end="")
