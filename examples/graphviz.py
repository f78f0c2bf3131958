"""Three graphs as DOT text, for Graphviz to draw.

``python graphviz.py value``, ``neuron`` or ``mlp`` prints one. Pipe it on:
``python graphviz.py mlp | dot -Tsvg > mlp.svg``.
"""

import io
import random
import sys

from rustygrad import MLP, Graph, Module, Neuron, Value, get_exporter


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
if len(sys.argv) != 2 or sys.argv[1] not in pictures:
    sys.exit(f"usage: python graphviz.py {'|'.join(pictures)}")

random.seed(1337)
result = pictures[sys.argv[1]]()
result.label = "result"
result.backward()
text = io.BytesIO()
get_exporter("dot").export(Graph.capture(result), text)
print(text.getvalue().decode(), end="")
