"""Graphs as plain data, for JSON: what `Graph.to_json` gives and `Graph.from_json` takes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any, Final

from .convert import kind_of
from .files import floats_from_json, floats_to_json
from .graph import ROLES, Graph
from .modes import scope_id, scope_path
from .ops import LEAF, OPAQUE, OPS, by_code

__all__ = ["FORMAT", "columns_of", "record_of"]

#: What a saved graph says that it is.
FORMAT: Final = "rustygrad graph 1"


def record_of(graph: Graph) -> dict[str, Any]:
    """See `Graph.to_json`."""
    return {
        "format": FORMAT,
        "op": [by_code(code).name for code in graph.op],
        "operands": [list(graph.operands_of(i)) for i in range(len(graph))],
        "attribute": floats_to_json(graph.attribute),
        "data": floats_to_json(graph.data),
        "grad": floats_to_json(graph.grad),
        "role": [ROLES[number] for number in graph.role],
        "scope": [scope_path(number) for number in graph.scope],
        "labels": {str(i): label for i, label in sorted(graph.labels.items())},
        "names": {str(i): name for i, name in sorted(graph.names.items())},
        "repeats": {str(i): list(counts) for i, counts in sorted(graph.repeats.items())},
        "sources": {str(i): source for i, source in sorted(graph.sources.items())},
        "outputs": list(graph.outputs),
    }


def columns_of(record: Any) -> dict[str, Any]:
    """The arguments of a Graph, from what `record_of` gave.

    Raises:
        ValueError: the record is not one; the text says what is wrong with it.
    """
    if not isinstance(record, dict):
        raise ValueError(f"expected a record, not {kind_of(record)}")
    if record.get("format") != FORMAT:
        raise ValueError(f"its format is {record.get('format')!r:.60}, not {FORMAT!r}")
    kinds = dict.fromkeys(("labels", "names", "repeats", "sources"), dict)
    record = {"repeats": {}, "sources": {}} | record  # older graphs have none
    for name in Graph.__slots__:
        if name != "offsets" and not isinstance(record.get(name), kinds.get(name, list)):
            problem = f"is {kind_of(record[name])}" if name in record else "is missing"
            raise ValueError(f"its {name!r} {problem}")
    offsets, operands = array("Q", [0]), array("Q")
    for i, row in enumerate(record["operands"]):
        operands.extend(_indices(f"the operands of node %{i}", row))
        offsets.append(len(operands))
    for what in ("op", "role", "scope"):
        for i, item in enumerate(record[what]):
            if not isinstance(item, str):
                raise ValueError(f"node %{i}: its {what} is {kind_of(item)}, not text")
    columns = {name: array("d", _floats(name, record[name])) for name in _FLOATS}
    return columns | {
        "op": array("B", _positions("operation", record["op"], _CODES)),
        "offsets": offsets,
        "operands": operands,
        "role": array("B", _positions("role", record["role"], _ROLE_NUMBERS)),
        "labels": _texts("labels", record["labels"]),
        "names": _texts("names", record["names"]),
        "repeats": _counts("repeats", record["repeats"]),
        "sources": _texts("sources", record["sources"]),
        "outputs": _indices("the outputs", record["outputs"]),
        "scope": array("I", [scope_id(path) for path in record["scope"]]),
    }


_FLOATS = ("attribute", "data", "grad")
_CODES = {op.name: op.code for op in (LEAF, OPAQUE, *OPS.values())}
_ROLE_NUMBERS = {role: number for number, role in enumerate(ROLES)}


def _indices(what: str, items: Any) -> array[int]:
    try:
        return array("Q", items)
    except (TypeError, OverflowError):
        raise ValueError(f"{what} are {items!r:.60}, not a list of indices") from None


def _floats(what: str, items: list[Any]) -> list[float]:
    try:
        return floats_from_json(items)
    except ValueError as error:
        raise ValueError(f"its {what!r}: {error}") from None


def _positions(what: str, names: list[str], known: Mapping[str, int]) -> list[int]:
    for i, name in enumerate(names):
        if name not in known:
            raise ValueError(f"node %{i}: there is no {what} {name!r:.60}")
    return [known[name] for name in names]


def _texts(what: str, items: dict[str, Any]) -> dict[int, str]:
    return _by_node(what, items, "text", lambda item: isinstance(item, str))


def _counts(what: str, items: dict[str, Any]) -> dict[int, tuple[int, ...]]:
    def is_counts(item: Any) -> bool:
        return isinstance(item, list) and all(type(n) is int and n > 0 for n in item)

    found = _by_node(what, items, "a list of counts", is_counts)
    return {i: tuple(counts) for i, counts in found.items()}


def _by_node(
    what: str, items: dict[str, Any], kind: str, fits: Callable[[Any], bool]
) -> dict[int, Any]:
    for key, item in items.items():
        if not (str(key).isdecimal() and len(str(key)) < 20 and fits(item)):
            raise ValueError(
                f"its {what!r} have {item!r:.60} for {key!r:.60}, not {kind} for an index"
            )
    return {int(key): item for key, item in items.items()}
