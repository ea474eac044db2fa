"""Totals and increases are told apart, and nothing is counted twice or missed across restarts."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.envoy_stats.counting import Counting, Process

NAN = float("nan")


def increments(least: int) -> st.SearchStrategy[list[float]]:
    return st.lists(st.integers(least, 50).map(float), min_size=12, max_size=12)


# Envoy sends no counter before its first increment.
INCREASES = st.tuples(increments(1), st.lists(increments(0), max_size=8)).map(lambda drawn: [drawn[0], *drawn[1]])


def counted(counting: Counting, flushes: Sequence[Sequence[float]]) -> list[float]:
    """Give what was counted in sum after these flushes of one process."""
    last = np.full(len(flushes[0]), NAN)
    total = np.zeros(len(last))
    for flush in flushes:
        value = np.array(flush)
        total += counting.increases(last, value, "same")
        last = value
    return total.tolist()


@given(INCREASES)
def test_totals_come_out_as_they_are(increases: list[list[float]]) -> None:
    totals = np.cumsum(increases, axis=0)
    for kind in ("auto", "absolute"):
        assert counted(Counting(kind), totals.tolist()) == totals[-1].tolist()


@given(INCREASES)
def test_increases_add_up_when_we_are_told_that_they_are(increases: list[list[float]]) -> None:
    assert counted(Counting("delta"), increases) == np.sum(increases, axis=0).tolist()


def test_increases_are_known_by_what_falls() -> None:
    started = [3.0, 2.0, 1.0, 4.0, 9.0, 1.0, 1.0, 1.0, 7.0, 100.0]
    idle = [0.0] * 9
    flushes = [started, [*idle, 120.0], [*idle, 130.0], [5.0, *idle[:8], 140.0]]
    assert counted(Counting("auto"), flushes) == np.sum(flushes, axis=0).tolist()


def test_a_cluster_that_came_again_does_not_make_totals_increases() -> None:
    counting = Counting("auto")
    steady = [10.0] * 20
    assert counted(counting, [[*steady, 5.0], [*steady, 2.0], [*steady, 4.0]]) == [*steady, 9.0]
    assert (counting.deltas, counting.resets_total) == (False, 1)


def test_an_operator_s_reset_of_all_counters_does_not_make_totals_increases() -> None:
    counting = Counting("auto")
    assert counted(counting, [[10.0] * 9, [12.0] * 9, [1.0] * 9, [3.0] * 9, [4.0] * 9]) == [16.0] * 9
    assert not counting.deltas


def test_nor_do_the_counters_that_stay_zero_after_it() -> None:
    counting = Counting("auto")
    idle = [10.0] * 20
    flushes = [[*idle, 5.0], [*idle, 7.0], [0.0] * 21, [*([0.0] * 20), 3.0], [*([0.0] * 20), 4.0]]
    assert counted(counting, flushes) == [*idle, 11.0]
    assert not counting.deltas


def test_increases_are_known_at_once_though_we_come_late_and_traffic_only_rises() -> None:
    flushes = [[*([0.0] * 20), *([float(number)] * 10)] for number in (1, 2, 3)]
    assert counted(Counting("auto"), flushes) == [*([0.0] * 20), *([6.0] * 10)]


def test_a_wrong_guess_is_given_up_after_two_flushes() -> None:
    counting = Counting("auto")
    counted(counting, [[5.0] * 9, [0.0] * 9, [7.0] * 9])
    assert counting.deltas
    counted(counting, [[10.0] * 9, [11.0] * 9, [12.0] * 9])
    assert not counting.deltas


@pytest.mark.parametrize(
    ("process", "first", "counted_from_zero"),
    [("new", 200.0, True), ("suspect", 1.0, True), ("suspect", 200.0, False), ("unknown", 1.0, False)],
)
def test_a_new_process_counts_from_zero(process: Process, first: float, counted_from_zero: bool) -> None:
    last, value = np.array([100.0, *([5.0] * 9)]), np.array([first, *([6.0] * 9)])
    grown = Counting("absolute").increases(last, value, process)
    assert (grown[1:] == (6.0 if counted_from_zero else 1.0)).all()


def test_where_a_quarter_has_fallen_it_is_a_new_process() -> None:
    last, value = np.array([100.0, 50.0, 5.0]), np.array([7.0, 3.0, 6.0])
    assert Counting("absolute").increases(last, value, "unknown").tolist() == [7.0, 3.0, 6.0]


def test_a_new_stream_of_the_same_process_goes_on() -> None:
    last, value = np.array([100.0, 50.0, 5.0]), np.array([100.0, 53.0, 6.0])
    grown = Counting("auto").increases(last, value, "unknown")
    assert grown.tolist() == [0.0, 3.0, 1.0]
