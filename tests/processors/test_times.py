"""A request's time falls into parts that add up, whatever Envoy could not tell."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.processors.times import EXCLUDED, PARTS, times
from tests.rows import logentries

MS = 1_000_000
NO = None  # what Envoy can not tell
MARKS = (
    "envoy.time_to_last_rx_byte",
    "envoy.time_to_first_upstream_tx_byte",
    "envoy.time_to_last_upstream_tx_byte",
    "envoy.time_to_first_upstream_rx_byte",
    "envoy.time_to_last_upstream_rx_byte",
    "envoy.time_to_first_downstream_tx_byte",
    "envoy.time_to_last_downstream_tx_byte",
    "response.duration",
)
RECEIVE, PROXY_IN, RETRIES, WAIT, TRANSFER, PROXY_OUT = PARTS


def request(*marks: float | None, **more: Any) -> dict[str, Any]:
    """A request with these marks in milliseconds, in Envoy's order (fields 6 to 12, 23)."""
    in_ns = (None if mark is None else round(mark * MS) for mark in marks)
    return {**dict(zip(MARKS, in_ns, strict=True)), "request.attempts": 1, "response.code": 200, **more}


def apart(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts in nanoseconds."""
    frame = times(logentries(*rows).rows)
    assert dict(frame.schema) == {EXCLUDED: pl.Boolean, **dict.fromkeys(PARTS, pl.Duration("ns"))}
    return frame.with_columns(pl.col(PARTS).to_physical()).to_dicts()


def in_ms(row: dict[str, Any]) -> list[float | None]:
    (found,) = apart(row)
    return [None if found[part] is None else found[part] / MS for part in PARTS]


MARK = st.one_of(st.none(), st.integers(-(10**9), 10**12))


@settings(deadline=None)
@given(
    marks=st.lists(st.tuples(*[MARK] * 7, st.integers(0, 10**12)), min_size=1, max_size=20),
    attempts=st.one_of(st.none(), st.integers(0, 5)),
)
def test_the_known_parts_add_up_to_the_whole_in_whatever_order_the_marks_come(marks, attempts):
    rows = [{**dict(zip(MARKS, row, strict=True)), "request.attempts": attempts} for row in marks]
    for row, parts in zip(rows, apart(*rows), strict=True):
        known = [parts[part] for part in PARTS if parts[part] is not None]
        assert sum(known) == row["response.duration"]
        assert min(known) >= 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=8, max_size=8).map(sorted))
def test_marks_in_order_are_taken_at_their_word(marks):
    received, _, handed_on, answered, answer_ended, _, _, whole = marks
    (parts,) = apart({**dict(zip(MARKS, marks, strict=True)), "request.attempts": 1})
    assert parts == {
        EXCLUDED: False,
        RECEIVE: received,
        PROXY_IN: handed_on - received,
        RETRIES: 0,
        WAIT: answered - handed_on,
        TRANSFER: answer_ended - answered,
        PROXY_OUT: whole - answer_ended,
    }


@pytest.mark.parametrize(
    ("case", "row", "parts"),
    [
        ("ordinary", request(1, 2, 3, 10, 14, 11, 15, 16), [1, 2, 0, 7, 4, 2]),
        ("retried", request(1, 30, 31, 40, 41, 40, 42, 43, **{"request.attempts": 3}), [1, NO, 30, 9, 1, 2]),
        ("attempts unknown", request(1, 2, 3, 10, 14, 11, 15, 16, **{"request.attempts": NO}), [1, 2, NO, 7, 4, 2]),
        ("route timeout, Envoy's own reply", request(1, 2, 3, NO, NO, 50, 50, 51), [1, 2, 0, 47, NO, 1]),
        ("client gone while waiting", request(1, 2, 3, NO, NO, NO, NO, 20), [1, 2, 0, 17, NO, NO]),
        ("client gone while sending", request(NO, 2, NO, NO, NO, NO, NO, 20), [20, NO, NO, NO, NO, NO]),
        ("answer cut short", request(1, 2, 3, 10, NO, 11, NO, 30), [1, 2, 0, 7, 20, NO]),
        ("direct response", request(1, NO, NO, NO, NO, 2, 2, 3, **{"request.attempts": 0}), [1, 1, 0, NO, NO, 1]),
        ("connection refused twice", request(1, NO, NO, NO, NO, 9, 9, 9, **{"request.attempts": 2}),
         [1, NO, 8, NO, NO, 0]),
        ("codec error", request(NO, NO, NO, NO, NO, NO, NO, 2), [2, NO, NO, NO, NO, NO]),
        ("answered before the request was complete", request(40, 2, 41, 10, 50, 11, 51, 52), [10, 0, 0, 0, 40, 2]),
        ("request streamed", request(30, 2, 31, 35, 36, 35, 36, 37), [30, 1, 0, 4, 1, 1]),
    ],
)  # fmt: skip
def test_what_envoy_cannot_tell_is_null_and_its_time_goes_to_the_stage_that_did_not_end(case, row, parts):
    assert in_ms(row) == parts, case


@pytest.mark.parametrize(
    ("row", "excluded"),
    [
        ({}, False),
        ({"response.code": None}, False),
        ({"response.code": 101}, True),
        ({"request.method": "CONNECT", "response.code": 200}, True),
        ({"request.method": "CONNECT", "response.code": 503}, False),
        ({"request.method": "CONNECT", "response.code": None}, False),
        ({"context.protocol": "tcp"}, True),
        ({"context.protocol": "grpc"}, False),
        ({"request.counts": False}, True),
    ],
)
def test_sessions_and_unfinished_requests_stay_out_of_latency(row, excluded):
    (parts,) = apart({**request(1, 2, 3, 4, 5, 6, 7, 8), **row})
    assert parts.pop(EXCLUDED) is excluded
    assert all((value is None) is excluded for value in parts.values())


@pytest.mark.parametrize("whole", [None, -1])
def test_without_a_whole_there_are_no_parts(whole):
    (parts,) = apart({**request(1, 2, 3, 4, 5, 6, 7, 8), "response.duration": whole})
    assert set(parts.values()) == {False, None}
