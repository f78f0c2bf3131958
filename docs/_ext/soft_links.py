"""What docstrings write in single backticks links to its documentation, if it has some.

An argument's name has none, and that is no error: it is then shown as code.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.nodes import Element
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole


class SoftRole(PyXRefRole):
    """``:py:obj:``, marked as dispensable."""

    def process_link(
        self, env: Any, refnode: Element, has_explicit_title: bool, title: str, target: str
    ) -> tuple[str, str]:
        """Look the name up as any Python object."""
        refnode["soft"] = True
        refnode["refdomain"], refnode["reftype"] = "py", "obj"
        return super().process_link(env, refnode, has_explicit_title, title, target)


def _as_code(app: Sphinx, env: Any, node: Element, content: Element) -> Element | None:
    return nodes.literal("", content.astext()) if node.get("soft") else None


def _without_signature(
    app: Sphinx, what: str, name: str, item: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """A protocol without an `__init__` of its own has none to show."""
    bare = what == "class" and signature == "(*args, **kwargs)"
    return ("", returns) if bare else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the role, and the language of blocks that show what a program prints."""
    app.add_role("soft", SoftRole())
    app.add_lexer("output", TextLexer)
    app.connect("missing-reference", _as_code)
    app.connect("autodoc-process-signature", _without_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
