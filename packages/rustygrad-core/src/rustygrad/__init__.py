"""rustygrad: scalar automatic differentiation that is a joy to read.

>>> from rustygrad import Value
>>> a, b = Value(2.0), Value(-3.0)
>>> loss = (a * b + 10).relu()
>>> loss.backward()
>>> loss.data, a.grad, b.grad
(4.0, -3.0, 2.0)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import errors, ops
from ._version import __version__
from .differentiation import differentiate
from .functional import (
    clip,
    cos,
    cross_entropy,
    custom,
    detach,
    dot,
    exp,
    hinge,
    log,
    log_softmax,
    logsumexp,
    maximum,
    mean,
    minimum,
    mse,
    relu,
    sigmoid,
    sin,
    softmax,
    sqrt,
    sum,  # noqa: A004  (the field's name for it)
    tanh,
    where,
)
from .graph import Graph
from .hookspecs import hookimpl
from .modes import anomaly, no_grad
from .selection import (
    backends,
    convert,
    get_backend,
    get_compiler,
    get_exporter,
    set_backend,
    use_backend,
)

if TYPE_CHECKING:
    from . import datasets, nn, optim
    from .explaining import explain
    from .export import export
    from .nn import MLP, Layer, Module, Neuron
    from .reference import Value

__all__ = [
    "MLP",
    "Graph",
    "Layer",
    "Module",
    "Neuron",
    "Value",
    "__version__",
    "anomaly",
    "backends",
    "clip",
    "convert",
    "cos",
    "cross_entropy",
    "custom",
    "datasets",
    "detach",
    "differentiate",
    "dot",
    "errors",
    "exp",
    "explain",
    "export",
    "get_backend",
    "get_compiler",
    "get_exporter",
    "hinge",
    "hookimpl",
    "log",
    "log_softmax",
    "logsumexp",
    "maximum",
    "mean",
    "minimum",
    "mse",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "relu",
    "set_backend",
    "sigmoid",
    "sin",
    "softmax",
    "sqrt",
    "sum",
    "tanh",
    "use_backend",
    "where",
]

#: What is imported at first use, to keep the way to the first Value short.
_LATER = {
    "MLP": "nn",
    "Layer": "nn",
    "Module": "nn",
    "Neuron": "nn",
    "datasets": "",
    "explain": "explaining",
    "export": "export",
    "nn": "",
    "optim": "",
}


def __getattr__(name: str) -> Any:
    """`Value` is the class of the backend selected now; some modules load at first use."""
    if name == "Value":
        try:
            return get_backend().Value
        except AttributeError as error:  # an import would take it for "there is no Value"
            raise errors.BrokenPluginError(
                f"the selected backend does not load: {error}"
            ) from error
    if name not in _LATER:
        raise AttributeError(f"module 'rustygrad' has no attribute {name!r}")
    module = importlib.import_module(f"rustygrad.{_LATER[name] or name}")
    found = getattr(module, name) if _LATER[name] else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
