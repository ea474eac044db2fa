"""What is encoded comes back equal, whatever is in it; and far smaller, where rows repeat one another."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.journal.encoding import Encoder, decode
from tests.journal.batches import assert_equal, batches
from tests.rows import logentries, metrics

ENCODER = Encoder()
"""One for all examples, as in a service: what it has learnt from other batches must not harm."""


@given(batches())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_what_is_decoded_equals_what_was_encoded(batch):
    assert_equal(decode(ENCODER.encode(batch)), batch)


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
    assert len(Encoder().encode(batch)) / 10_000 < 12
    assert_equal(decode(ENCODER.encode(batch)), batch)


def test_what_is_told_to_follow_from_the_key_is_stored_the_same_without_looking():
    batch, looked = keyed(10_000, 50), Encoder()
    told = replace(batch, by_context=frozenset({"source.app", "source.workload.name", "destination.app"}))
    assert Encoder().encode(told) == looked.encode(batch)
    assert_equal(decode(looked.encode(told)), batch)


def test_a_row_that_breaks_with_its_key_is_stored_all_the_same():
    first, encoder = keyed(1000, 10), Encoder()
    encoder.encode(first)
    broken = first.rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 777).then(pl.lit("alone")).otherwise("source.app").alias("source.app")
    )
    batch = Batch(Template.LOGENTRY, broken, "r", 1, 2)
    assert_equal(decode(encoder.encode(batch)), batch)


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
            assert_equal(decode(ENCODER.encode(batch)), batch)


@pytest.mark.parametrize("largest", [255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("least", [0, 1, 1000])
def test_integers_at_the_ends_of_a_byte_come_back(least, largest):
    column = pl.Series("request.size", [least, None, largest, least] * 100, dtype=pl.UInt64)
    batch = entries(400, **{"request.size": column})
    assert_equal(decode(ENCODER.encode(batch)), batch)


def test_an_empty_batch_and_one_of_an_unknown_label_set_come_back():
    empty = Batch(Template.LOGENTRY, logentries({}).rows.clear(), "r", 1, 1)
    assert_equal(decode(ENCODER.encode(empty)), empty)
    assert_equal(decode(ENCODER.encode(metrics(1, 2))), metrics(1, 2))


def test_few_rows_of_a_large_frame_do_not_take_the_frame_with_them():
    large = keyed(20_000, 20_000)
    batch = large.take(pl.Series([5, 900]))
    assert len(ENCODER.encode(batch)) < 20_000
