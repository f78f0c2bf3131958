"""What a source file has in it, whatever the language: two functions, and what they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

from ..differentiation import differentiate
from ..errors import GraphError
from ..graph import Graph
from ..ops import ADD
from .expressions import Body, Language, Text, write
from .names import Names, comment_text

__all__ = ["Functions"]

_LISTED: Final = 12


class Functions:
    """A graph's outputs, and the derivatives of one of them, in a language.

    Args:
        value: a Graph, or a Value.
        language: how operations are spelt.
        reserved: words that no variable may have for its name.
        wrt: see `python_source`.
        of: see `python_source`.

    Attributes:
        graph: what is written.
        names: what variables are called.
        of: the node that is differentiated.
        wrt: with respect to which nodes.
    """

    def __init__(
        self, value: Any, language: Language, reserved: Iterable[str], wrt: Any, of: Any
    ) -> None:
        self.graph = graph = value if isinstance(value, Graph) else Graph.capture(value)
        if not graph.outputs:
            raise GraphError("the graph has no outputs, so there is nothing to write out")
        self.language = language
        self.names = names = Names(graph, reserved)
        self.of = graph.outputs[0] if of is None else _index(graph, of)
        if wrt is None:
            self.wrt = [*names.inputs, *names.parameters]
        elif isinstance(wrt, (str, bytes, Set, Mapping)) or not hasattr(wrt, "__iter__"):
            raise GraphError(f"wrt is a list of nodes, indices or labels, not {wrt!r:.60}")
        else:
            self.wrt = [_index(graph, node) for node in wrt]

    def forward(self) -> tuple[Body, list[Text]]:
        """The statements that compute the outputs, and the outputs."""
        graph = self.graph
        return write(graph, graph.outputs, self.names, self.language, len(graph))

    def gradient(self) -> tuple[Body, Text, list[Text]]:
        """The statements, the value that is differentiated, and its derivatives.

        They are what one `backward` leaves in gradients of 0.
        """
        graph = self.graph
        joint = differentiate(graph, range(len(graph)), of=self.of)
        for i in reversed(range(len(graph))):  # a result before the operands that share it
            self.names.set_derivative(joint.outputs[i], i)
        wanted = [self.of, *(joint.outputs[i] for i in self.wrt)]
        body, (value, *grads) = write(joint, wanted, self.names, self.language, len(graph))
        return body, value, [body.spell(ADD, (0.0, grad)) for grad in grads]

    def listed(self, nodes: Sequence[int]) -> str:
        """What nodes are called, in a line of text; the first ones if they are many."""
        shown = [self.names[i] for i in nodes[:_LISTED]]
        more = [f"and {len(nodes) - _LISTED} more"] if len(nodes) > _LISTED else []
        return ", ".join(shown + more)

    def comment(self, i: int) -> str:
        """What a node is, harmless in a comment: its name, and its label where that differs."""
        name, label = self.names[i], self.graph.labels.get(i, "")
        return f"{name} {comment_text(label)}" if label and label != name else name

    def parameter_rows(self) -> list[tuple[str, list[int]]]:
        """The parameters in order, those that one module is the first to use in a row."""
        rows: list[tuple[str, list[int]]] = []
        for i in self.names.parameters:
            path = self.names.users.get(i, "")
            if not rows or rows[-1][0] != path:
                rows.append((path, []))
            rows[-1][1].append(i)
        return rows


def _index(graph: Graph, node: Any) -> int:
    return graph.find(node).index if isinstance(node, str) else graph.index_of(node)
