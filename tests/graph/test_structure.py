"""Cycles, dominators, quantiles, focus: the shape of graphs."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.edges import Window
from telemetry.graph import By, Graph, focused
from telemetry.graph.quantiles import quantile
from telemetry.graph.structure import cycles, reached, single_points_of_failure

BOUNDS = np.array([1.0, 10.0, 100.0])


def graph(*pairs: tuple[int, int]) -> Graph:
    count = max((one for pair in pairs for one in pair), default=-1) + 1
    names = [f"n{number}" for number in range(count)]
    nodes = pl.DataFrame({"id": names, "kind": "service", "namespace": None, "name": names, "version": None})
    ends = {"source": [a for a, _ in pairs], "target": [b for _, b in pairs]}
    return Graph(By.SERVICE, Window(0, 60), nodes, pl.DataFrame(ends, schema=dict.fromkeys(ends, pl.UInt32)))


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([(0, 1), (1, 2)], []),
        ([(0, 1), (1, 0)], [[0, 1]]),
        ([(0, 0), (0, 1)], [[0]]),
        ([(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3)], [[0, 1, 2], [3, 4]]),
    ],
)
def test_circles_are_found(pairs: list[tuple[int, int]], found: list[list[int]]) -> None:
    assert cycles(graph(*pairs)) == found


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([(0, 1), (1, 2)], {0: [1, 2], 1: [2]}),
        # Two ways to 3: neither 1 nor 2 is the only one.
        ([(0, 1), (0, 2), (1, 3), (2, 3)], {0: [1, 2, 3]}),
        # Two ways in.
        ([(0, 2), (1, 2), (2, 3)], {2: [3]}),
        # A circle that nobody calls is outside itself.
        ([(0, 1), (1, 0), (1, 2)], {1: [2]}),
    ],
)
def test_what_everything_goes_through_is_found(pairs: list[tuple[int, int]], found: dict[int, list[int]]) -> None:
    assert single_points_of_failure(graph(*pairs)) == found


def test_distances_are_the_shortest_and_end_in_circles() -> None:
    looped = graph((0, 1), (1, 2), (2, 0), (2, 3), (0, 3))
    assert reached(looped, 3, upstream=True) == {2: 1, 0: 1, 1: 2}
    assert reached(looped, 0, upstream=False) == {1: 1, 3: 1, 2: 2}


pairs = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=25, unique=True)


@settings(deadline=None)
@given(pairs)
def test_without_a_single_point_of_failure_those_behind_it_are_not_reached(edges: list[tuple[int, int]]) -> None:
    whole = graph(*edges)
    outside = [one for one in range(len(whole.nodes)) if not any(b == one and a != one for a, b in edges)]
    for point, behind in single_points_of_failure(whole).items():
        without = [pair for pair in edges if point not in pair] or [(0, 0)]
        rest = graph(*without)
        for start in outside:
            if start != point and start < len(rest.nodes):
                assert not set(behind) & set(reached(rest, start, upstream=False))


@settings(deadline=None)
@given(pairs, st.integers(1, 4))
def test_focus_keeps_just_the_paths_through_the_node(edges: list[tuple[int, int]], depth: int) -> None:
    whole = graph(*edges)
    near = focused(whole, [0], depth)
    upstream, downstream = (reached(whole, 0, upstream=way) for way in (True, False))
    names = {"n0"} | {f"n{one}" for one, far in {**upstream, **downstream}.items()
                      if min(upstream.get(one, 99), downstream.get(one, 99)) <= depth}  # fmt: skip
    assert set(near.nodes["id"]) == names
    assert len(near.edges) <= len(whole.edges)
    assert near.edges.is_empty() or near.edges["source"].max() < len(near.nodes)


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([10, 0, 0, 0], 0.5, 0.5),
        ([0, 10, 0, 0], 0.5, 5.5),
        ([5, 5, 0, 0], 0.5, 1.0),
        ([5, 5, 0, 0], 0.75, 5.5),
        ([0, 0, 0, 7], 0.99, 100.0),
    ],
)
def test_quantiles_are_those_of_histogram_quantile(buckets: list[float], share: float, expected: float) -> None:
    assert quantile(np.array([buckets], dtype=float), BOUNDS, share)[0] == pytest.approx(expected)


def test_an_empty_histogram_has_no_quantile() -> None:
    assert np.isnan(quantile(np.zeros((1, 4)), BOUNDS, 0.5)[0])
    assert len(quantile(np.zeros((0, 4)), BOUNDS, 0.5)) == 0


@given(st.lists(st.integers(0, 100), min_size=4, max_size=4), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_greater_share_is_no_smaller_value(buckets: list[int], one: float, other: float) -> None:
    low, high = sorted((one, other))
    values = np.array([buckets], dtype=float)
    if sum(buckets):
        assert quantile(values, BOUNDS, low)[0] <= quantile(values, BOUNDS, high)[0] + 1e-9
