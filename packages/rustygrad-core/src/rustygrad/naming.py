"""Names that a program has for its Values, such as ``locals()`` gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .convert import kind_of
from .errors import GraphError
from .graph import Graph
from .nn import Module

__all__ = ["capture_named", "names_of"]


def capture_named(backend: Any, roots: Sequence[Any], names: Any) -> Graph:
    """See `Graph.capture`.

    Raises:
        GraphError: `names` is no mapping.
    """
    if not isinstance(names, Mapping):
        raise GraphError(f"names maps names to Values, as locals() does; this is {kind_of(names)}")
    found = names_of(names, backend.Value)
    # captured as roots, the named Values tell where they are; what only they need comes last
    graph: Graph = backend.capture([*roots, *found])
    outputs, places = graph.outputs[: len(roots)], graph.outputs[len(roots) :]
    labels = dict(graph.labels)
    for place, name in zip(places, found.values(), strict=True):
        labels.setdefault(place, name)
    return _beginning(graph, max(outputs) + 1, labels, outputs)


def names_of(names: Mapping[str, Any], kind: type[Any]) -> dict[Any, str]:
    """The names of the Values that a mapping reaches, each Value once.

    The path in a module goes before the name of a variable, and that before a
    place in a list; of several of one sort the first one holds.

    Args:
        names: Values, Modules, and lists, tuples and dicts of them, by name. Other
            things are passed over, and names that begin with ``_``.
        kind: the class of the Values.
    """
    parameters: dict[Any, str] = {}
    variables: dict[Any, str] = {}
    items: dict[Any, str] = {}
    holders = (kind, Module, list, tuple, dict)
    seen: set[int] = set()
    public = [(n, x) for n, x in names.items() if isinstance(n, str) and n[:1] != "_"]
    unvisited = [(name, x, variables) for name, x in reversed(public)]
    while unvisited:
        name, x, found = unvisited.pop()
        if _is(x, kind):
            found.setdefault(x, name)
        elif _is(x, Module):
            for path, parameter in x.named_parameters():
                parameters.setdefault(parameter, f"{name}.{path}")
        elif _is(x, list, tuple, dict) and id(x) not in seen:
            seen.add(id(x))
            entries = x.items() if _is(x, dict) else enumerate(x)
            inside = [(f"{name}[{k!r}]", y, items) for k, y in entries if _is(y, *holders)]
            unvisited.extend(reversed(inside))
    return items | variables | parameters


def _is(x: Any, *kinds: type[Any]) -> bool:
    """As `isinstance`, without asking the object: a lazy proxy may refuse to tell."""
    return issubclass(type(x), kinds)


def _beginning(graph: Graph, count: int, labels: dict[int, str], outputs: Sequence[int]) -> Graph:
    """The first nodes of a graph, with other labels and outputs."""
    columns = {slot: getattr(graph, slot) for slot in graph.__slots__}
    columns |= {"labels": labels, "outputs": outputs}
    for slot, column in columns.items():
        if isinstance(column, Mapping):
            columns[slot] = {i: x for i, x in column.items() if i < count}
        elif slot == "operands":
            columns[slot] = column[: graph.offsets[count]]
        elif slot != "outputs":
            columns[slot] = column[: count + (slot == "offsets")]
    return Graph(**columns)
