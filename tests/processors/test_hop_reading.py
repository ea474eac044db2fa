"""What joining and tracing share: an entry is read once, and what few kinds have in common is worked out once."""

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from telemetry.processors.buckets import Bounds
from telemetry.processors.hops.network_times import BOUNDS as OF_HOPS
from telemetry.processors.hops.reading import METHOD_OF_GRPC, Reader
from telemetry.processors.hops.register import Register
from telemetry.processors.signals import BOUNDS
from tests.rows import logentries


def rows(*entries: dict[str, Any]) -> pl.DataFrame:
    usual = {"context.protocol": "http", "context.reporter.kind": "outbound", "response.code": 200}
    return logentries(*({**usual, **entry} for entry in entries)).rows


def test_a_frame_is_read_once_whoever_asks() -> None:
    reader, frame, other = Reader(), rows({}, {}), rows({})
    reading = reader.read(frame)
    assert reader.read(frame) is reading
    assert len(reader.read(other).client) == 1
    assert reader.read(frame) is not reading


def test_entries_that_agree_are_of_one_kind() -> None:
    reading = Reader().read(rows({}, {"response.code": 404}, {}, {"response.code": None}))
    assert reading.kind[0] == reading.kind[2]
    codes = reading.kinds["response.code"].to_list()
    assert [codes[kind] for kind in reading.kind] == [200, 404, 200, None]


def test_a_path_makes_a_kind_only_where_it_is_a_grpc_method() -> None:
    paths = [{METHOD_OF_GRPC: f"/{at}"} for at in range(3)]
    called = [{METHOD_OF_GRPC: f"/shop.Cart/{name}", "context.protocol": "grpc"} for name in ("Add", "Drop", "Add")]
    reading = Reader().read(rows(*paths, *called))
    shown = [reading.kinds[METHOD_OF_GRPC][int(kind)] for kind in reading.kind]
    assert shown == [None] * 3 + ["/shop.Cart/Add", "/shop.Cart/Drop", "/shop.Cart/Add"]
    assert len(reading.kinds) == 3


def test_a_reading_of_some_rows_keeps_their_kinds() -> None:
    reading = Reader().read(rows({"request.attempts": 3}, {"request.attempts": None}, {"request.attempts": 2}))
    assert reading.attempts.tolist() == [3, 0, 2]
    assert reading.take(np.array([False, True, True])).attempts.tolist() == [0, 2]


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 2)), min_size=1), max_size=5))
def test_rows_have_one_number_across_batches_and_numbers_lead_to_rows(
    batches: list[list[tuple[str, int | None]]],
) -> None:
    register = Register({"text": pl.String, "number": pl.UInt8}, seed=1)
    known: dict[tuple[str, int | None], int] = {}
    for batch in batches:
        frame = pl.DataFrame(batch, {"text": pl.String, "number": pl.UInt8}, orient="row")
        numbers = register.numbers(frame)
        assert register.table[pl.Series(numbers)].rows() == batch
        assert all(known.setdefault(row, number) == number for row, number in zip(batch, numbers.tolist(), strict=True))
    assert len(register) == len(known)


@given(st.lists(st.integers(-(10**9), 2**62) | st.sampled_from([round(bound * 1e6) for bound in BOUNDS]), min_size=1))
def test_a_time_belongs_to_the_first_bound_that_is_not_below_it(times: list[int]) -> None:
    ns = np.array([one + off for one in times for off in (-1, 0, 1)], np.float64)
    for bounds in (BOUNDS, OF_HOPS):
        assert (Bounds(bounds).bucket_of(ns) == np.searchsorted(bounds, ns / 1e6)).all()
