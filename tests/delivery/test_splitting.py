"""Pieces are within the limits, in order, and none of the rows is missing."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.delivery.splitting import halves, limits_of, pieces
from telemetry.journal.memory import MemoryJournal
from telemetry.plugin import Limits
from tests.delivery.sinks import ROOMY, Sink, delivery, run_until_delivered
from tests.rows import logentries, metrics


@given(rows=st.integers(1, 50), limit=st.integers(1, 60))
def test_rows_are_cut_to_the_limit(rows, limit):
    cut = list(pieces(metrics(*range(rows)), Limits(limit)))
    assert [len(piece.rows) for piece in cut[:-1]] == [limit] * (len(cut) - 1)
    assert pl.concat([piece.row_numbers for piece in cut]).to_list() == list(range(rows))


@given(sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=40), limit=st.integers(2048, 20_000))
def test_no_piece_of_several_rows_holds_more_text_than_the_limit(sizes, limit):
    batch = logentries(*({"request.path": "x" * size} for size in sizes))
    cut = list(pieces(batch, Limits(size_bytes=limit)))
    assert pl.concat([piece.row_numbers for piece in cut]).to_list() == list(range(len(sizes)))
    text_bytes = [piece.rows["request.path"].str.len_bytes().sum() for piece in cut]
    assert all(size <= limit or len(piece.rows) == 1 for size, piece in zip(text_bytes, cut, strict=True))


def test_a_batch_within_the_limits_stays_whole():
    batch = metrics(1, 2, 3)
    [whole] = pieces(batch, Limits(3, batch.size_bytes))
    assert whole.rows.equals(batch.rows)


@given(rows=st.integers(2, 50))
def test_halves_hold_every_row_once(rows):
    first, second = halves(metrics(*range(rows)))
    assert abs(len(first.rows) - len(second.rows)) <= 1
    assert [*first.row_numbers, *second.row_numbers] == list(range(rows))


@pytest.mark.parametrize(
    ("settings", "adapter", "lower"),
    [
        (Limits(10), Limits(5, 100), Limits(5, 100)),
        (Limits(3, 50), Limits(5, 100), Limits(3, 50)),
        (Limits(), Limits(), Limits()),
        (Limits(), Limits(0, 0), Limits(1, 1)),
    ],
)
def test_the_lower_limit_holds(settings, adapter, lower):
    assert limits_of(Sink(limits=adapter), settings) == lower


async def test_a_sink_is_offered_no_more_than_its_limits():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink(limits=Limits(4))
    one = delivery(sink, journal)
    await journal.append([metrics(*range(10))])
    await run_until_delivered(one)
    assert [len(batch.rows) for batch in sink.offered] == [4, 4, 2]
    assert sink.rows == [(1, number) for number in range(10)]
