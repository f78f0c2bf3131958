"""Modules: something with parameters, and a name for everything that it computes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from .convert import as_number, backend_of, kind_of
from .errors import ArgumentError, StateDictError
from .files import floats_from_json, floats_to_json, read_json, write_text
from .modes import Mode, current, mode, scope_id, scope_path

__all__ = ["Module", "Readers", "children", "each", "entries", "outdate", "readers"]


class Module:
    """Something with parameters: the leaves, and the modules, among its attributes.

    Write a subclass with a `forward` method and call the module itself; the call
    stamps the nodes it makes with the module's path, such as
    ``layers.0.neurons.3``, which pictures and messages use. A module that has
    several names has that of the module that calls it, and the first of them
    there; two outermost modules that share one both show the name that it had
    in the one that called it first.

    What `no_grad` made is a leaf like any other. Stored on a module, it would
    be one of its parameters: store its number, ``y.data``.
    """

    _scope_modes: dict[Mode, Mode]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, in this module's scope."""
        outer = current.get()
        try:
            inner = self._scope_modes[outer]
        except (AttributeError, KeyError):  # its first call in this mode
            inner = self._learn_mode(outer)
        token = current.set(inner)
        try:
            return self.forward(*args, **kwargs)
        finally:
            current.reset(token)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} needs a forward method")

    def parameters(self) -> list[Any]:
        """The leaves that training changes, each once, in the order of the attributes."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Any]]:
        """The parameters with their paths, such as ``layers.0.neurons.3.w.1``.

        Raises:
            ArgumentError: two of them have one path.
        """
        found: list[tuple[str, Any]] = []
        _collect(self, "", found, set())
        paths: set[str] = set()
        for path, _ in found:
            if path in paths:
                raise ArgumentError(
                    f"two parameters of this {type(self).__name__} have the path {path!r}: "
                    "give one of them another name, or another key"
                )
            paths.add(path)
        for path, parameter in found:
            parameter._role = "parameter"
            if len(path) > len(getattr(parameter, "_path", "")):  # of the outermost module
                parameter._path = path
        return found

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def state_dict(self) -> dict[str, float]:
        """The parameters' numbers by path."""
        return {name: parameter.data for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the numbers of a state dict: all of them, or none.

        Raises:
            StateDictError: a parameter is missing, one too many is there, or one
                is not a number. Nothing has been changed then.
        """
        if not isinstance(state, Mapping):
            raise StateDictError(f"a state dict maps names to numbers; this is {kind_of(state)}")
        parameters = dict(self.named_parameters())
        missing = [name for name in parameters if name not in state]
        unexpected = [name for name in state if name not in parameters]
        if missing or unexpected:
            raise StateDictError(
                f"the state dict does not fit this {type(self).__name__}: "
                f"missing {_some_of(missing)}; unexpected {_some_of(unexpected)}"
            )
        numbers = {}
        for name, number in state.items():
            try:
                numbers[name] = as_number(number)
            except OverflowError:
                raise StateDictError(f"the number for {name!r} is too large for a float") from None
            if numbers[name] is None:
                raise StateDictError(
                    f"the state dict holds no number for {name!r}: {kind_of(number)}"
                )
        for name, parameter in parameters.items():
            parameter.data = numbers[name]

    def save(self, path: str | Path) -> None:
        """Write the state dict to a JSON file, whole or not at all; floats keep their bits.

        Raises:
            OSError: the folder is missing or cannot be written to.
        """
        state = self.state_dict()
        numbers = dict(zip(state, floats_to_json(state.values()), strict=True))
        write_text(path, json.dumps(numbers, indent=1, allow_nan=False) + "\n")

    def load(self, path: str | Path) -> None:
        """Take over the numbers that `save` wrote.

        Raises:
            OSError: the file cannot be read.
            StateDictError: it is no saved module, or not one of this shape.
        """
        try:
            state = read_json(path)
            if not isinstance(state, dict):
                raise ValueError(f"expected numbers by name, not {kind_of(state)}")
            numbers = dict(zip(state, floats_from_json(state.values()), strict=True))
        except ValueError as error:
            raise StateDictError(f"{path} is not a saved module: {error}") from None
        try:
            self.load_state_dict(numbers)
        except StateDictError as error:
            raise StateDictError(f"{path}: {error}") from None

    def _learn_mode(self, outer: Mode) -> Mode:
        """The mode of calls that come from the mode `outer`: the same, in this module's scope."""
        caller = _calling_module()
        if caller is not None and self.__dict__.get("_scope_owner") != id(caller):
            _name_children(caller)  # it has got this module since its first call
        for child in _name_children(self):
            if "_scope_modes" in child.__dict__:
                outdate(readers(child))  # who else calls it goes by what it learns anew
            for learned in ("_scope_modes", "_leaves", "_stack", "_stacks"):  # under another name
                child.__dict__.pop(learned, None)
        self.named_parameters()  # marks them as parameters
        steps = scope_path(outer.scope), self.__dict__.get("_scope_name", "")
        scope = scope_id(".".join(filter(None, steps)))
        modes: dict[Mode, Mode] = self.__dict__.setdefault("_scope_modes", {})
        modes[outer] = mode(scope, outer.grad, outer.anomaly, outer.recording)
        return modes[outer]

    def __getstate__(self) -> dict[str, Any]:
        """What was learned of scopes holds for one process, and stays out of pickles and copies."""
        return {name: item for name, item in self.__dict__.items() if name not in _LEARNED}


#: What a module keeps for itself among its attributes.
_LEARNED = (
    "_scope_modes", "_scope_name", "_scope_owner", "_leaves", "_stack", "_stacks", "_readers",
    "_tries", "_version",
)  # fmt: skip


#: Who has learned what a module computes, see `stacking`; those that are gone are not there.
Readers = WeakValueDictionary[int, Any]
_NOBODY: Readers = WeakValueDictionary()


def readers(module: Module) -> Readers:
    """Those who have learned what a module computes."""
    known: Readers = module.__dict__.get("_readers", _NOBODY)
    return known


def each(told: Readers) -> list[Any]:
    """Each of them that is still there; other threads may add some meanwhile."""
    return [reader for ref in told.valuerefs() if (reader := ref()) is not None]


def outdate(told: Readers) -> None:
    """Let those who have learned what a module computes learn it anew, when they are called."""
    for reader in each(told):
        reader._version[0] += 1
        reader.__dict__["_tries"] = 0
    told.clear()


def _calling_module() -> Module | None:
    """The module in whose `forward` another one is being called for the first time."""
    frame: Any = sys._getframe(3)  # past this one, _learn_mode and the __call__ it serves
    while frame is not None and frame.f_code is not Module.__call__.__code__:
        frame = frame.f_back
    module: Module | None = frame and frame.f_locals["self"]
    return module


def _name_children(module: Module) -> list[Module]:
    """Tell the modules below what they are called here; the first of two names holds."""
    named = [*children(module)]
    for name, child in reversed(named):
        child.__dict__.update(_scope_name=name, _scope_owner=id(module))
    return [child for _, child in named]


def entries(holder: Any) -> Iterator[tuple[str, Any]]:
    """What a module, list, tuple or dict holds, by name."""
    if isinstance(holder, Module):
        attributes = list(vars(holder).items())  # another thread may be learning more
        yield from ((name, item) for name, item in attributes if name not in _LEARNED)
    elif isinstance(holder, (list, tuple)):
        yield from ((str(i), item) for i, item in enumerate(holder))
    elif isinstance(holder, dict):
        yield from ((str(key), item) for key, item in holder.items())


def _collect(holder: Any, path: str, found: list[tuple[str, Any]], seen: set[int]) -> None:
    """Add the leaves below a module or container, each once."""
    if id(holder) in seen:
        return
    seen.add(id(holder))
    for name, item in entries(holder):
        if backend_of((item,)) is None:
            _collect(item, f"{path}{name}.", found, seen)
        elif not item._prev and id(item) not in seen:
            seen.add(id(item))
            found.append((path + name, item))


def children(holder: Any, path: str = "") -> Iterator[tuple[str, Module]]:
    """The modules directly below, also inside lists and dicts, with their names."""
    for name, item in entries(holder):
        if isinstance(item, Module):
            yield path + name, item
        elif isinstance(item, (list, tuple, dict)):
            yield from children(item, f"{path}{name}.")


def _some_of(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3])) or "nothing"
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
