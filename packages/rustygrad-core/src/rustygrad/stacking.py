"""Layers in one call: what `Layer` and `MLP` learn of themselves, for a backend that has them.

A first call goes node by node. Then the backend is asked for a function that does the same
in one step (`interfaces.LayersInOneCall`). It is right for as long as nothing changes that
it was made from: the lists of layers, neurons and weights, which it looks at in each call,
and the attributes that modules compute with. Each module knows who has learned from it,
and tells them when such an attribute is assigned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .interfaces import DenseLayer, Stack
from .modes import Mode, current
from .modules import Module, Readers, children, each, entries, outdate, readers

__all__ = ["Observed", "Stacked", "learn_ways", "runs"]

#: The attributes that neurons, layers and MLPs compute with.
_COMPUTE: Final = {
    "w", "b", "nonlin", "activation", "neurons", "layers", "forward", "__class__", "__dict__",
}  # fmt: skip
#: What may hold parameters, beside Values.
_HOLDERS: Final = (Module, list, tuple, dict)
#: What holds none.
_PLAIN: Final = (int, float, str, type(None))
#: How often in a row it is tried to learn what cannot be learned, and then each how many calls.
_TRIES: Final = 4
_SELDOM: Final = 1000


class Observed(Module):
    """A module that tells those who have learned from it when an attribute changes."""

    def __setattr__(self, name: str, value: Any) -> None:
        told, before = readers(self), self.__dict__.get(name)
        super().__setattr__(name, value)
        _tell(told, name, before, value)

    def __delattr__(self, name: str) -> None:
        told, before = readers(self), self.__dict__.get(name)
        super().__delattr__(name)
        _tell(told, name, before)


def _tell(told: Readers, name: str, *items: Any) -> None:
    """Tell those who have learned from a module that an attribute has changed, from and to this."""
    if name in _COMPUTE:
        outdate(told)
    elif not all(isinstance(item, _PLAIN) for item in items):
        for reader in each(told):
            reader.__dict__["_leaves"] = None  # there may be more parameters now, or fewer


def _add_reader(module: Module, reader: Module) -> None:
    """Note that one learns what another computes."""
    known = module.__dict__.setdefault("_readers", Readers())
    known[id(reader)] = reader


class Stacked(Observed):
    """What `Layer` and `MLP` share: a backend may evaluate them as a whole.

    A first call goes node by node. Then the backend is asked for a function that
    does the same in one step (`interfaces.LayersInOneCall`), for calls from the
    same mode, as long as nothing that it was made from changes.
    """

    _stack: Stack | None = None
    _leaves: list[Any] | None = None
    #: What a call goes through, one layer after the other; None if it is something else.
    _layers: Callable[[], list[Any] | None]
    #: How often what was learned has been out of date; an engine looks at it.
    _version: list[int]

    def __call__(self, x: Any) -> Any:
        """Run `forward`, in this module's scope."""
        stack = self._stack
        y = None if stack is None else stack(x)
        return self._call_and_learn(x) if y is None else y

    def parameters(self) -> list[Any]:
        """The leaves that training changes, each once, in the order of the attributes."""
        if self._leaves and self._stack is not None and self._stack.is_current():
            return list(self._leaves)
        return super().parameters()

    def _call_and_learn(self, x: Any) -> Any:
        outer = current.get()
        stacks = self.__dict__.setdefault("_stacks", {})
        stack = stacks.get(outer)
        y = None if stack is None else stack(x)
        if y is None:
            y = super().__call__(x)
            result = y[0] if type(y) is list and y else y
            make = getattr(getattr(result, "_backend", None), "stack", None)
            stack = stacks[outer] = self._learn_stack(outer, make) if make else None
        self.__dict__["_stack"] = stack
        return y

    def _learn_stack(self, outer: Mode, make: Callable[..., Stack | None]) -> Stack | None:
        """The backend's function for calls from the mode `outer`, None if there is none."""
        layers = self._layers()
        if outer.recording or not layers or not self._tries_again():
            return None
        version = self.__dict__.setdefault("_version", [0])
        before = version[0]
        for module in (self, *layers, *(m for layer in layers for _, m in children(layer))):
            _add_reader(module, self)
        watched: list[list[Any]] = [] if layers[0] is self else [layers]
        records: list[DenseLayer] = []
        for layer in layers:
            record = layer._record(outer if layer is self else self._scope_modes[outer], watched)
            if record is None:
                return None
            records.append(record)
        if before != version[0]:
            return None
        stack = make(records, watched, version, outer)
        if stack is not None:
            self.__dict__["_tries"] = 0
        self.__dict__["_leaves"] = (
            super().parameters() if stack and self._is_within(watched) else None
        )
        return stack

    def _tries_again(self) -> bool:
        """Whether to ask the backend: what was refused a few times is seldom asked again."""
        tries: int = self.__dict__.get("_tries", 0)
        self.__dict__["_tries"] = tries + 1
        return tries < _TRIES or tries % _SELDOM == 0

    def _is_within(self, watched: list[list[Any]]) -> bool:
        """Whether all parameters are in these lists, or attributes of modules in them."""
        known = set(map(id, watched))
        modules = [self, *(item for items in watched for item in items if isinstance(item, Module))]
        items = [item for module in modules for _, item in entries(module)]
        return all(id(item) in known for item in items if isinstance(item, _HOLDERS))


#: How the classes compute, as they are before anybody changes one.
_WAYS: dict[type[Module], list[Any]] = {}


def learn_ways(*classes: type[Module]) -> None:
    """Remember how these classes compute."""
    _WAYS.update((cls, _ways(cls)) for cls in classes)


def runs(module: Any, cls: type[Module]) -> bool:
    """Whether a module does what its class does here, and nothing of its user's."""
    return (
        isinstance(module, cls)
        and _ways(type(module)) == _WAYS[cls]
        and "forward" not in vars(module)
    )


def _ways(cls: type[Module]) -> list[Any]:
    """What says how modules of a class compute, and how they keep what they compute with."""
    names = ["__call__", "forward", "__getattribute__", "__getattr__", "__setattr__", "__delattr__"]
    names += ["w", "b", "nonlin", "activation", "neurons", "layers"]  # a subclass's properties
    return [getattr(cls, name, None) for name in names]
