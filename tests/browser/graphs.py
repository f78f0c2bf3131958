"""The graphs that the tests look at, and the screens."""

import random

import rustygrad
from rustygrad import MLP, Neuron, Value

DESKTOP, PHONE = (1440, 900), (390, 844)


def expression():
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    c, d = Value(3.0, label="c"), Value(4.0, label="d")
    return called("L", ((a + b) * (c + d)) ** 2)


def shared():
    a = Value(3.0, label="a")
    b = a * a
    b.label = "b"
    return called("c", b + b)


def early():
    a = Value(2.0, label="a")
    b = a * a
    c = b * a
    b.label, c.label = "b", "c"
    return called("d", b + c)


def neuron():
    random.seed(1337)
    return called("out", labelled(Neuron(2))(inputs()))


def mlp():
    random.seed(1337)
    return called("out", labelled(MLP(2, [2, 1]))(inputs()))


def moons():
    """The loss over the moons: about 10,000 nodes."""
    random.seed(1337)
    model = labelled(MLP(2, [16, 16, 1]))
    xs, ys = rustygrad.datasets.moons()
    losses = [(1 - y * model(x)).relu() for x, y in zip(xs, ys, strict=True)]
    decay = 1e-4 * rustygrad.sum(p * p for p in model.parameters())
    return called("loss", rustygrad.mean(losses) + decay)


def chain():
    """One long way: 9,000 nodes, folded into runs."""
    x, y = Value(1.0, label="x"), Value(1.0, label="y")
    for _ in range(3000):
        y = y * 1.0001 + x
    return called("end", y)


def fan():
    """Twenty results side by side, of inputs of their own and one that they share."""
    w = Value(2.0, label="w")
    outputs = [called(f"o{i}", Value(float(i), label=f"x{i}") * w) for i in range(20)]
    return rustygrad.Graph.capture(*outputs)


def layers():
    """Twenty results of one input, each in two steps."""
    x = Value(2.0, label="x")
    return rustygrad.Graph.capture(*[called(f"out{i}", (x * i).tanh()) for i in range(20)])


def crowd():
    """A sum of 500 inputs, which fold into runs."""
    return called("total", rustygrad.sum([Value(float(i), label=f"w{i}") for i in range(500)]))


def inputs():
    return [Value(1.0, label="x0"), Value(-2.0, label="x1")]


def labelled(model):
    for path, parameter in model.named_parameters():
        parameter.label = path
    return model


def called(label, result):
    result.label = label
    result.backward()
    return result
