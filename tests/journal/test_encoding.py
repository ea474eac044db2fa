"""What is encoded comes back equal, whatever is in it; and far smaller, where rows repeat one another."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.by_context import ByContext
from telemetry.journal.encoding import Encoder, decode
from tests.journal.batches import assert_equal, batches
from tests.rows import logentries, metrics

ENCODER = Encoder()
"""One for all examples, as in a service: what it has learnt from other batches must not harm."""


@given(batches())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_what_is_decoded_equals_what_was_encoded(batch):
    assert_equal(decode(ENCODER.encode(batch).whole), batch)


def entries(count: int, **columns) -> Batch:
    batch = logentries({})
    rows = batch.rows.select(pl.all().gather(pl.Series([0] * count))).with_columns(**columns)
    return Batch(Template.LOGENTRY, rows.select(list(SCHEMAS[Template.LOGENTRY])), "r", 1, 1)


def keyed(count: int, kinds: int) -> Batch:
    index = pl.int_range(count, dtype=pl.UInt32, eager=True)
    key = index % kinds
    names = {
        f"{side}.{name}": pl.format("{}-of-a-long-enough-name", key)
        for side in ("source", "destination")
        for name in ("workload.name", "app", "canonical.service")
    }
    return entries(count, **{"context.key": key, "response.size": index.cast(pl.UInt64)}, **names)


def test_rows_of_one_key_are_stored_once():
    batch = keyed(10_000, 50)
    assert Encoder().encode(batch).size_bytes / 10_000 < 12
    assert_equal(decode(ENCODER.encode(batch).whole), batch)


NAMED = frozenset({"source.app", "source.workload.name", "source.labels", "destination.app"})


def told(batch: Batch, slots: Sequence[int], origin: object = "here") -> Batch:
    return replace(batch, by_context=ByContext(NAMED, origin, np.array(slots, np.uint32)))


def test_what_is_told_to_follow_from_the_key_comes_back_and_is_as_small():
    batch, encoder = keyed(10_000, 50), Encoder()
    one = told(batch, range(50))
    assert encoder.encode(one).size_bytes < 1.1 * Encoder().encode(batch).size_bytes
    assert_equal(decode(encoder.encode(one).whole), batch)


def test_what_keys_share_is_that_of_the_batch_however_it_changes_from_one_to_the_next():
    encoder, first, others = Encoder(), keyed(1000, 10), keyed(1000, 90)
    shifted = replace(first, rows=first.rows.with_columns(pl.col("context.key") + 7))
    reversed_ = replace(first, rows=first.rows.with_columns(9 - pl.col("context.key")))
    apart = keyed(1000, 4)  # in two columns that were equal so far
    apart = replace(apart, rows=apart.rows.with_columns(pl.col("source.app").str.to_uppercase()))
    changes = [
        told(first, range(10)),
        told(shifted, [0] * 7 + list(range(10))),
        told(reversed_, range(9, -1, -1)),
        told(first, range(10)).take(pl.Series(range(0, 1000, 2))),
        told(others, range(100, 190)),
        told(others, range(90), origin="elsewhere"),
        told(apart, range(20, 24)),
        told(first, [*range(9), 30]),
        replace(first, rows=apart.rows),
    ]
    for batch in changes * 3:
        assert_equal(decode(encoder.encode(batch).whole), batch)


def test_what_a_slot_has_is_looked_up_once():
    """Where slots lie, the second batch's rows are not asked: that is what it saves."""
    encoder, first, other = Encoder(), keyed(1000, 10), keyed(1000, 10)
    other = replace(other, rows=other.rows.with_columns(pl.lit("another").alias("source.app")))
    for _ in range(2):  # the second layout lasts for three batches
        encoder.encode(told(first, range(10)))
    assert decode(encoder.encode(told(other, range(10))).whole).rows["source.app"].equals(first.rows["source.app"])
    assert_equal(decode(encoder.encode(told(other, range(10), origin="elsewhere")).whole), other)


@pytest.mark.parametrize("value", ["", "HTTP/1.1", "é" * 300, True, False])
def test_one_value_in_every_row_comes_back(value):
    name = "response.code_details" if isinstance(value, str) else "request.counts"
    batch = entries(1000, **{name: pl.lit(value)})
    broken = batch.rows.with_columns(pl.when(pl.int_range(pl.len()) != 700).then(name).alias(name))
    for rows in (batch.rows, broken, batch.rows):
        one = replace(batch, rows=rows)
        assert_equal(decode(ENCODER.encode(one).whole), one)


IDS = ["", None, "A" * 36, "36583415-a7b1-432d-a0c5-2caf3557930d", "{36583415-a7b1-432d-a0c5-2caf3557930d}"]
IDS += ["36583415A7B1432DA0C52CAF3557930D", "36583415a7b1432g", "36583415-a7b1-432d-a0c5-2caf3557930\x00", "🦊" * 9]
HOSTILE = st.lists(st.sampled_from(IDS) | st.none() | st.text(max_size=40), min_size=1, max_size=8)


@given(st.lists(HOSTILE, min_size=1, max_size=4), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_texts_come_back_whatever_the_batches_before_had(batches_, cut):
    for texts in batches_:
        path = pl.Series([texts[at % len(texts)] for at in range(600)], dtype=pl.String)
        batch = entries(
            600,
            **{
                "request.path": path,
                "request.url_path": path.str.head(cut),
                "request.useragent": path.reverse(),
                "request.id": path + pl.int_range(600, eager=True).cast(pl.String),
                "trace.id": path,
            },
        )
        assert_equal(decode(ENCODER.encode(batch).whole), batch)


def paths(query: str) -> Batch:
    index = pl.int_range(2000, eager=True)
    url_path = pl.select(pl.format("/items/{}/é", index)).to_series()
    return entries(2000, **{"request.path": url_path + query, "request.url_path": url_path})


def test_a_path_is_stored_once_with_and_without_its_query():
    both = Encoder().encode(paths("?page=1")).size_bytes
    alone = Encoder().encode(entries(2000, **{"request.path": paths("?page=1").rows["request.path"]})).size_bytes
    assert both < 1.1 * alone


def test_a_path_that_does_not_begin_another_is_stored_all_the_same():
    encoder = Encoder()
    for batch in (paths("?page=1"), paths(""), paths("?page=1")):
        broken = batch.rows.with_columns(pl.lit(None, pl.String).alias("request.path"))
        other = batch.rows.with_columns(pl.col("request.path").str.to_uppercase())
        for rows in (batch.rows, broken, other):
            one = replace(batch, rows=rows)
            assert_equal(decode(encoder.encode(one).whole), one)


@pytest.mark.parametrize("count", [1, 255, 256, 2000])
def test_few_texts_and_many_come_back(count):
    texts = pl.select(pl.format("a browser with a long enough name {}", pl.int_range(2000) % count)).to_series()
    for first in ("nothing", None, "a browser with a long enough name 3"):
        column = pl.concat([pl.Series([first], dtype=pl.String), texts[1:]])
        batch = entries(2000, **{"request.useragent": column})
        assert_equal(decode(ENCODER.encode(batch).whole), batch)


def test_a_text_that_is_one_of_few_takes_a_byte():
    texts = pl.select(pl.format("a browser with a long enough name {}", pl.int_range(20_000) * 7 % 11)).to_series()
    assert Encoder().encode(entries(20_000, **{"request.useragent": texts})).size_bytes < 1.2 * 20_000


def test_a_row_that_breaks_with_its_key_is_stored_all_the_same():
    first, encoder = keyed(1000, 10), Encoder()
    encoder.encode(first)
    broken = first.rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 777).then(pl.lit("alone")).otherwise("source.app").alias("source.app")
    )
    batch = Batch(Template.LOGENTRY, broken, "r", 1, 2)
    assert_equal(decode(encoder.encode(batch).whole), batch)


def test_labels_that_differ_only_in_nulls_are_told_apart():
    labels = [
        [{"key": "a", "value": None}],
        [None],
        [],
        None,
        [{"key": "a", "value": ""}],
        [{"key": None, "value": None}],
    ]
    dtype = SCHEMAS[Template.LOGENTRY]["source.labels"]
    for left in labels:
        for right in labels:
            column = pl.Series("source.labels", [left, right] * 200, dtype=dtype)
            batch = entries(400, **{"source.labels": column})
            assert_equal(decode(ENCODER.encode(batch).whole), batch)


@pytest.mark.parametrize("largest", [255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("least", [0, 1, 1000])
def test_integers_at_the_ends_of_a_byte_come_back(least, largest):
    column = pl.Series("request.size", [least, None, largest, least] * 100, dtype=pl.UInt64)
    batch = entries(400, **{"request.size": column})
    assert_equal(decode(ENCODER.encode(batch).whole), batch)


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int16, pl.Int32, pl.Int64])
def test_integers_below_nought_come_back(dtype):
    column = pl.Series("request.size", [-100, None, 100, -1] * 100, dtype=dtype)
    batch = Batch(Template.LOGENTRY, entries(400).rows.with_columns(column), "r", 1, 1)
    assert_equal(decode(Encoder().encode(batch).whole), batch)


def test_an_empty_batch_and_one_of_an_unknown_label_set_come_back():
    empty = Batch(Template.LOGENTRY, logentries({}).rows.clear(), "r", 1, 1)
    assert_equal(decode(ENCODER.encode(empty).whole), empty)
    assert_equal(decode(ENCODER.encode(metrics(1, 2)).whole), metrics(1, 2))


def test_few_rows_of_a_large_frame_do_not_take_the_frame_with_them():
    large = keyed(20_000, 20_000)
    batch = large.take(pl.Series([5, 900]))
    assert ENCODER.encode(batch).size_bytes < 20_000
