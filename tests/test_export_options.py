"""Every option of every exporter, given what makes no sense."""

import math
import re
from decimal import Decimal

import pytest
from rustygrad import Value, export
from rustygrad.errors import ArgumentError, OptionError

np = pytest.importorskip("numpy")
pytest.importorskip("rustygrad_graphviz")

HUGE = 10**400
ARRAY = np.array([1, 2])
NO_TEXT = [None, True, 1, 1.5, b"LR", ["LR"], ARRAY, Value(1.0)]
NO_SWITCH = [None, 0, 1, 1.0, "yes", "", [], ARRAY, Value(1.0)]
NO_WHOLE = [True, 1.5, math.nan, math.inf, "1", b"1", [1], ARRAY, Value(1.0), Decimal(1)]

PICTURE = {
    "rankdir": ([*NO_TEXT, "lr", "", " LR"], "one of LR, TB, RL, BT"),
    "digits": ([None, -1, 18, HUGE, -HUGE, *NO_WHOLE], "a whole number from 0 to 17"),
    "expand": (NO_SWITCH, "True or False"),
    "fold": (
        [0, -1, -HUGE, *[x for x in NO_WHOLE if x is not True]],
        "None, True, False or a whole number from 1 up",
    ),
    "page": ([None, 0, -1, -HUGE, *NO_WHOLE], "a whole number from 1 up"),
    "legend": (NO_SWITCH, "True or False"),
    "timeout": (
        [
            *(0, -1, 86_401, 1e9, 1e10, 1e300, HUGE, -HUGE, math.nan, math.inf, -math.inf),
            *(None, True, "1", b"1", [1], 1j, ARRAY, Value(1.0)),
        ],
        "a number of seconds above 0 and up to 86,400, a day",
    ),
}
PAGE = {
    "title": ([None, True, 1, b"t", ["t"], ARRAY, Value(1.0)], "text"),
    "expand": (NO_SWITCH, "True or False"),
}
_NODE = "a node is given as such or by its index"
_NO_INDEX = [True, 1.5, math.nan, b"a", [0], ARRAY, Decimal(0)]
SOURCE = {
    "wrt": ([True, 0, 1.5, "a", b"\0", Value(1.0)], "wrt is a list of nodes, indices or labels"),
    "of": (_NO_INDEX, _NODE),
    "prefix": (["1", "a-b", "*/", "é", " ", None, True, 1, b"a", ["a"], ARRAY], "names in C"),
}
NO_NODE = [-1, 3, HUGE, -HUGE, "b"]
OPTIONS = {
    **dict.fromkeys(["dot", "svg", "png", "pdf"], PICTURE),
    "html": PAGE,
    "py": {name: SOURCE[name] for name in ("wrt", "of")},
    "c": SOURCE,
}
CASES = [
    pytest.param(suffix, name, given, expected, id=f"{suffix}-{name}-{given!r:.20}")
    for suffix, options in OPTIONS.items()
    for name, (refused, expected) in options.items()
    for given in refused
]


def loss():
    return Value(2.0, label="a") * 3.0


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """What `export` says of an option, where it has not got as far as to look for Graphviz."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def refused(suffix, **options):
        with pytest.raises(ArgumentError) as caught:
            export(loss(), tmp_path / f"g.{suffix}", **options)
        assert list(tmp_path.iterdir()) == []
        return str(caught.value)

    return refused


@pytest.mark.parametrize(("suffix", "name", "given", "expected"), CASES)
def test_an_option_that_makes_no_sense_is_refused_with_what_was_given(
    refused, suffix, name, given, expected
):
    message = refused(suffix, **{name: given})
    assert expected in message
    assert f"{given!r:.60}" in message
    if OPTIONS[suffix] is not SOURCE and name not in SOURCE:
        assert message == f"{name} is {expected}, not {given!r:.60}"


@pytest.mark.parametrize("suffix", ["py", "c"])
@pytest.mark.parametrize("node", NO_NODE, ids=lambda node: f"{node!r:.20}")
def test_a_node_that_is_not_there_is_refused(refused, suffix, node):
    for options in ({"of": node}, {"wrt": [node]}):
        assert f"{node}" in refused(suffix, **options)


@pytest.mark.parametrize("suffix", ["py", "c"])
@pytest.mark.parametrize("node", _NO_INDEX, ids=repr)
def test_a_list_of_what_is_no_node_is_refused(refused, suffix, node):
    assert refused(suffix, wrt=[node]).startswith(_NODE)


@pytest.mark.parametrize("suffix", OPTIONS)
def test_the_table_has_every_option(tmp_path, suffix):
    with pytest.raises(OptionError) as caught:
        export(loss(), tmp_path / f"g.{suffix}", nonsense=1)
    known = re.search(r"It has: (.*)", str(caught.value))[1].split(", ")
    assert known == [*OPTIONS[suffix], "names"]


@pytest.mark.parametrize(
    "options",
    [
        {"digits": np.int64(2), "page": np.uint8(9), "fold": np.array(1)},
        {"digits": 0, "page": HUGE, "fold": HUGE},
        {"digits": 17, "timeout": np.float32(0.5)},
        {"timeout": 86_400, "fold": None},
    ],
    ids=repr,
)
def test_numbers_of_numpy_and_of_any_size_that_makes_sense_are_taken(tmp_path, options):
    assert export(loss(), tmp_path / "g.dot", **options).exists()
