"""Fresh copies of the reference engine, for loopback tests and for breaking on purpose.

A copy is the same code run again under another package name: its own op table,
its own sweep, its own Value class. Changing an attribute of one of its modules
changes nothing else, so a bug can be put in with one assignment.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import Any, Final

from rustygrad import modes
from rustygrad.ops import Op

__all__ = ["Engine", "loopback", "other"]

#: What is run again, in the order of their imports; all else is shared with core.
_COPIED: Final = ("ops", "opaque", "sweep", "copying", "reference.value", "reference")


@cache
def _code(name: str) -> CodeType:
    spec = find_spec(f"rustygrad.{name}")
    assert spec is not None, f"rustygrad.{name} is gone"
    code: CodeType = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    return code


class Engine:
    """A copy of the reference engine, taken apart.

    Args:
        name: the name of its backend.

    Attributes:
        ops: its op table.
        sweep: its backward sweep.
        opaque: its module of nodes that are no operation of the table.
        copying: its module of pickling.
        value: its module of the Value class and of how nodes are made.
        reference: its module of the backend.
        backend: its backend.
        Value: its class of Values.
    """

    def __init__(self, name: str) -> None:
        self.package = f"rustygrad_copy_{name.replace('-', '_').replace('.', '_')}"
        root = self._module("", is_package=True)
        import_module("rustygrad.copying")  # and with it all that an engine needs
        for full, module in list(sys.modules.items()):
            package, _, shared = full.partition(".")
            if package == "rustygrad" and shared and shared not in _COPIED:
                sys.modules[f"{self.package}.{shared}"] = module
                if "." not in shared:
                    setattr(root, shared, module)
        reference = self._module("reference", is_package=True)
        for copied in _COPIED:
            module = reference if copied == "reference" else self._module(copied)
            holder, _, attribute = copied.rpartition(".")
            setattr(reference if holder else root, attribute, module)
            exec(_code(copied), module.__dict__)
        self.ops: Any = root.ops
        self.sweep: Any = root.sweep
        self.opaque: Any = root.opaque
        self.copying: Any = root.copying
        self.value: Any = reference.value
        self.reference: Any = reference
        self.backend: Any = reference.backend
        self.Value: Any = reference.Value
        self.backend.name = name
        self._translate()
        self._hide()

    def _module(self, name: str, is_package: bool = False) -> ModuleType:
        full = f"{self.package}.{name}" if name else self.package
        module = ModuleType(full)
        module.__package__ = full if is_package else full.rpartition(".")[0]
        if is_package:
            module.__path__ = []
        sys.modules[full] = module
        return module

    def _hide(self) -> None:
        """Let `anomaly` skip this package's frames, those of a bug that wraps a function."""

        def user_line(*engines: str) -> str:
            return modes.user_line("rustygrad_conformance", *engines)

        self.sweep.user_line = user_line

    def _translate(self) -> None:
        """Let `Backend.apply` take core's rows, and use its own of the same names."""
        by_name = self.ops.by_name
        value = self.value

        def apply(_: Any, op: Op, operands: Any, attribute: float | None = None) -> Any:
            return value.apply(by_name(op.name), operands, attribute)

        self.reference.ReferenceBackend.apply = apply


@cache
def loopback() -> Any:
    """A copy of the reference engine without a change, made once: the backend `loopback`."""
    return Engine("loopback").backend


@cache
def other() -> Any:
    """The same as the backend `other`, for mixing with the one under test."""
    return Engine("other").backend
