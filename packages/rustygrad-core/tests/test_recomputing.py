"""Which numbers no longer follow from those that they were made of."""

import math

import pytest
from rustygrad import Graph, Value
from rustygrad.recomputing import changed


def found(root):
    graph = Graph.capture(root)
    return [changed(graph, i) for i in range(len(graph))]


def test_what_was_computed_from_numbers_that_were_changed_gives_another_one_now():
    a = Value(3.0)
    root = a * a + a
    assert found(root) == [None, None, None]
    a.data = 100.0
    assert found(root) == [None, 10000.0, 109.0]


def test_an_attribute_is_an_argument_too():
    a = Value(3.0)
    root = a**2
    a.data = 4.0
    assert found(root) == [None, 16.0]


def test_of_an_opaque_node_nobody_can_tell():
    a = Value(3.0)
    root = Value(9.0, (a,), "mine")
    a.data = 4.0
    assert found(root) == [None, None]


@pytest.mark.parametrize("data", [math.nan, math.inf, -math.inf])
def test_nan_and_inf_follow_from_themselves(data):
    assert found(-Value(data)) == [None, None]


def test_last_places_may_differ_as_backends_do():
    root = Value(3.0).exp()
    root.data *= 1.0 + 1e-12
    assert found(root) == [None, None]
    root.data *= 1.0 + 1e-6
    assert found(root) == [None, math.exp(3.0)]
