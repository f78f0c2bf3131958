"""Random programs on the C engine and on the reference: the same bits, errors and wiring.

The session `native` runs more of them, and the session `fuzz` a hundred thousand.
"""

from pathlib import Path

import pytest
import rustygrad
from rustygrad_conformance.fuzz import Fuzzer, difference, write
from rustygrad_conformance.fuzz.__main__ import read_seeds
from rustygrad_conformance.programs import Program

BACKEND = rustygrad.get_backend("c")
SEEDS = read_seeds(Path(__file__).parent / "fuzz_seeds.txt")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_committed_seed_gives_the_same_outcome(seed):
    assert difference(write(seed), BACKEND) == []


def test_random_programs_give_the_same_outcome():
    found = Fuzzer(BACKEND).run(range(1_000_000, 1_000_400))
    assert found is None, f"the program of seed {found[0]} differs:\n{found[1]!r}"


ONCE_WRONG = {
    "a tuple of one number is no number": ["a = Value(1.0)", "b = a + (2.0,)"],
    "... on the left neither": ["a = Value(1.0)", "b = (2.0,) * a"],
    "a float's own __float__ counts": [
        "class Five(float):\n    __float__ = lambda self: 5.0",
        "a = Value(1.0)",
        "b = a * Five(1.0)",
    ],
    "an integer's own __float__ counts": [
        "class Five(int):\n    __float__ = lambda self: 5.0",
        "a = Value(1.0)",
        "b = a * Five(1)",
    ],
    "a node initialised again keeps its scope": [
        "m = rustygrad.MLP(2, [2], backend=backend.name)",
        "a = m([1.0, 2.0])[0]",
        "a.__init__(1.0)",
        "b = str(rustygrad.Graph.capture(a))",
    ],
    "a label of the class is captured": [
        "class Named(Value):\n    label = 'kind'",
        "a = Named(1.0)",
        "b = str(rustygrad.Graph.capture(a * 2.0))",
    ],
    "no children given as None are refused": ["a = Value(1.0, None)"],
}


@pytest.mark.parametrize("fact", ONCE_WRONG)
def test_what_once_differed_does_so_no_more(fact):
    assert difference(Program(ONCE_WRONG[fact], ["a", "b"]), BACKEND) == []
