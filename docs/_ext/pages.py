"""Examples of the page that `export(value, "g.html")` writes, beside the built documentation."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import rustygrad
from rustygrad import MLP, Module, Neuron, Value

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_MISSING = "<!doctype html><title>Not built</title><p>This copy was built without node and npm."


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages once the others are written."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    for make in (expression, shared, neuron, mlp, moons):
        path = folder / f"{make.__name__}.html"
        random.seed(1337)
        try:
            rustygrad.export(make(), path)
        except rustygrad.errors.BrokenPluginError:
            path.write_text(_MISSING, encoding="utf-8")


def expression() -> Value:
    """The expression that micrograd's readers know."""
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    c, d = Value(3.0, label="c"), Value(4.0, label="d")
    return _called("L", ((a + b) * (c + d)) ** 2)


def shared() -> Value:
    """The counterexample of the explanation of topological order."""
    a = Value(3.0, label="a")
    b = a * a
    b.label = "b"
    return _called("c", b + b)


def neuron() -> Value:
    """One neuron with two inputs."""
    return _called("out", _labelled(Neuron(2))(_inputs()))


def mlp() -> Value:
    """Two inputs, a layer of two neurons, and one of one."""
    return _called("out", _labelled(MLP(2, [2, 1]))(_inputs()))


def moons() -> Value:
    """The loss of `how-to/draw-a-graph.md`: the tutorial's network over all moons."""
    model = _labelled(MLP(2, [16, 16, 1]))
    samples, targets = rustygrad.datasets.moons()
    losses = [(1 - t * model(x)).relu() for x, t in zip(samples, targets, strict=True)]
    return _called("loss", rustygrad.mean(losses))


def _inputs() -> list[Value]:
    return [Value(1.0, label="x0"), Value(-2.0, label="x1")]


def _labelled(model: Module) -> Module:
    for path, parameter in model.named_parameters():
        parameter.label = path
    return model


def _called(label: str, result: Value) -> Value:
    result.label = label
    result.backward()
    return result
