"""The stages of writing a backend, in the order that an author meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["STAGES", "Stage", "stage_of"]


class Stage(NamedTuple):
    """One file of the suite.

    Attributes:
        name: the file, without its suffix.
        about: what it asks of a backend.
        advice: what to do while it fails.
    """

    name: str
    about: str
    advice: str


STAGES: Final = (
    Stage(
        "construct",
        "a Value holds a number",
        "Start with the class: data, grad, label, _prev, _op, comparisons, and clear refusals.",
    ),
    Stage(
        "forward",
        "operations compute the right numbers",
        "Make Backend.apply compute every row of rustygrad.ops.OPS, then let operators, "
        "methods and functions end there.",
    ),
    Stage(
        "backward",
        "gradients are right, to the last bit",
        "Follow each row's vjp and the order of rustygrad.sweep: depth first, operands in "
        "order, backwards. Inner gradients start at 0 again, leaves accumulate.",
    ),
    Stage(
        "programs",
        "random programs agree with the reference",
        "Run the printed program by hand on both backends; it is the smallest that differs.",
    ),
    Stage(
        "drop_in",
        "programs written for micrograd run unchanged",
        "Allow free attributes, assigned _backward closures, hand-built nodes, subclasses "
        "and numpy object arrays.",
    ),
    Stage(
        "copying",
        "graphs pickle and copy, leaves keep their identity",
        "Use rustygrad.copying: a node takes the graph below it along in columns.",
    ),
    Stage(
        "lifetime",
        "a million nodes deep, freed at once, in threads",
        "Replace recursion by a list that serves as the stack, also in free and in pickle; "
        "keep no reference from a node to itself.",
    ),
    Stage(
        "graphs",
        "the captured graph equals the reference's",
        "Make Backend.capture write depth first, operands in order, with labels, roles, scopes "
        "and the paths of parameters.",
    ),
    Stage(
        "modes",
        "no_grad, anomaly, mixing and custom operations",
        "Look at rustygrad.modes.current.get() whenever a node is made.",
    ),
    Stage(
        "training",
        "networks and optimisers take the reference's path",
        "Everything below is right by now; compare the first step that differs.",
    ),
)


def stage_of(path: Path) -> Stage | None:
    """The stage that a file belongs to; None for files of others."""
    if path.parent != Path(__file__).parent / "suite":
        return None
    return next((stage for stage in STAGES if stage.name == path.stem), None)
