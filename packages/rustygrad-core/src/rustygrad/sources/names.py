"""What users wrote, made harmless: labels as identifiers and in comments."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..graph import ROLES, Graph
from ..modes import scope_path

__all__ = ["Names", "comment_text"]

#: How much of a label goes into an identifier, and how much into a comment.
_IDENTIFIER, _COMMENT = 40, 60
_PARAMETER = ROLES.index("parameter")


class Names:
    """What each node is called: a unique identifier, from its label where it has one.

    Parameters are elements of an array ``p``.

    Args:
        graph: whose nodes.
        reserved: words that the language or the text around uses.

    Attributes:
        inputs: the leaves with the role 'input', by index, in graph order.
        parameters: those with the role 'parameter', in the order of their first use.
        users: by parameter, the path of the module that is the first to use it.
    """

    def __init__(self, graph: Graph, reserved: Iterable[str]) -> None:
        self._taken = dict.fromkeys(reserved, 2)
        self.inputs = [node.index for node in graph.leaves("input")]
        self.users: dict[int, str] = {}
        for i in range(len(graph)):
            for j in graph.operands_of(i):
                if graph.role[j] == _PARAMETER and j not in self.users:
                    self.users[j] = scope_path(graph.scope[i])
        unused = [node.index for node in graph.leaves("parameter") if node.index not in self.users]
        self.parameters = [*self.users, *unused]
        self._names = {i: f"p[{position}]" for position, i in enumerate(self.parameters)}
        for i, label in sorted(graph.labels.items()):
            if ROLES[graph.role[i]] not in ("constant", "parameter"):
                self._names[i] = self.unique(_identifier(label, "v"))
        for position, i in enumerate(self.inputs):
            if i not in self._names:
                self._names[i] = self.unique(f"x{position}")

    def __getitem__(self, index: int) -> str:
        if index not in self._names:
            self._names[index] = self.unique(f"v{index}")
        return self._names[index]

    def set_derivative(self, index: int, of: int) -> None:
        """Call a node the derivative with respect to another one, unless it has a name."""
        if index not in self._names:
            self._names[index] = self.unique("d_" + re.sub(r"\W", "", self[of]))

    def unique(self, name: str) -> str:
        """The name itself, or with a number where it is taken."""
        wanted = name
        while name in self._taken:
            name = f"{wanted}_{self._taken[wanted]}"
            self._taken[wanted] += 1
        self._taken[name] = 2
        return name


def _identifier(label: str, otherwise: str) -> str:
    """The letters, digits and underscores of ASCII that a label has, after a letter."""
    word = re.sub(r"[^A-Za-z0-9]+", "_", label[: 4 * _IDENTIFIER])[:_IDENTIFIER].strip("_")
    if not word:
        return otherwise
    word = re.sub(r"^(FP|M)_", r"\1", word)  # how <math.h> begins the names of constants
    return word if word[0].isalpha() else f"{otherwise}_{word}"


def comment_text(label: str) -> str:
    """A label as it may stand in a comment of Python or C: on one line, and ending nothing."""
    text = repr(label if len(label) <= _COMMENT else f"{label[:_COMMENT]}…")
    text = re.sub(r"\?(?=\?)", "? ", text)  # a trigraph
    return text.replace("*/", "* /").replace("/*", "/ *")
