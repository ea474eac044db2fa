"""Metrics on the wire come out as they were written; what is broken is counted, and harms nothing beside it."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.native import StatNames, decode_metrics, inspect_metrics
from tests.envoy_stats.messages import CLASSES, counter, family, gauge, histogram, message, summary
from tests.native.wire import UNKNOWN_FIELDS, field

NAMES = st.text(min_size=1, max_size=12).filter(lambda text: text.encode(errors="ignore").decode() == text)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
LABELS = st.lists(st.tuples(NAMES, NAMES), max_size=3, unique_by=lambda pair: pair[0]).map(dict)
FAMILIES = st.one_of(
    st.builds(counter, NAMES, NUMBERS.map(abs), LABELS),
    st.builds(gauge, NAMES, NUMBERS, LABELS),
)
GOOD = message(counter("good", 1))


@given(st.lists(FAMILIES, max_size=8), st.integers(1, 2**60))
def test_numbers_come_out_in_their_order_with_their_names(families: list, at_ms: int) -> None:
    for one in families:
        one.metric[0].timestamp_ms = at_ms
    decoded = decode_metrics([message(*families)], [0], StatNames(100))
    known = {number: (kind, name, dict(labels)) for number, _, kind, name, labels in decoded.stats}
    rows = pl.DataFrame(decoded.numbers)
    told = [(*known[stat], value) for stat, value in rows.select("stat", "value").rows()]
    assert told == [
        (one.type, one.name, {label.name: label.value for label in one.metric[0].label},
         (one.metric[0].counter if one.type == 0 else one.metric[0].gauge).value)
        for one in families
    ]  # fmt: skip
    assert decoded.timestamps_ms == [at_ms if families else 0]
    assert decoded.rejected == decoded.repaired == {}


def test_a_stat_keeps_its_number_from_call_to_call_and_has_another_for_another_style() -> None:
    names = StatNames(100)
    first = decode_metrics([GOOD, GOOD], [0, 1], names)
    assert [(stat[0], stat[1]) for stat in first.stats] == [(0, 0), (1, 1)]
    again = decode_metrics([GOOD], [1], names)
    assert (again.stats, pl.DataFrame(again.numbers)["stat"].to_list(), len(names)) == ([], [1], 2)
    names.forget([0, 1, 99])
    assert len(names) == 0


def test_buckets_are_counted_singly_up_to_infinity() -> None:
    decoded = decode_metrics([message(histogram("h", 1, 0, 3, 5, total=2.5))], [0], StatNames(1))
    (row,) = pl.DataFrame(decoded.histograms).rows(named=True)
    assert row == {
        "message": 0, "stat": 0, "count": 9, "sum": 2.5, "bounds": [0.5, 1, 5], "buckets": [1, 0, 3, 5],
        "exponential": None,
    }  # fmt: skip


def test_a_written_bucket_of_infinity_is_the_count_and_floats_are_rounded() -> None:
    value = {
        "sample_count_float": 2.6,
        "bucket": [{"cumulative_count_float": 1.0, "upper_bound": 1}, {"upper_bound": math.inf}],
    }
    decoded = decode_metrics([message(family("h", 4, histogram=value))], [0], StatNames(1))
    assert pl.DataFrame(decoded.histograms)["buckets"].to_list() == [[1, 2]]
    assert decoded.repaired == {"rounded_count": 1}


def test_quantiles_of_an_empty_interval_are_left_out() -> None:
    raw = message(summary("s", 0, 0, {0.5: math.nan, 0.9: 1.0}))
    (row,) = pl.DataFrame(decode_metrics([raw], [0], StatNames(1)).summaries).rows(named=True)
    assert (row["quantiles"], row["values"]) == ([0.9], [1.0])


def test_unknown_fields_and_a_name_behind_its_metrics_are_read() -> None:
    metric = CLASSES["Metric"](counter={"value": 3.0}).SerializeToString() + UNKNOWN_FIELDS
    raw = field(2, field(4, metric) + UNKNOWN_FIELDS + field(3, 0) + field(1, b"late")) + UNKNOWN_FIELDS
    decoded = decode_metrics([raw], [0], StatNames(9))
    assert decoded.stats == [(0, 0, 0, "late", [])]
    assert pl.DataFrame(decoded.numbers)["value"].to_list() == [3.0]


def test_a_name_that_is_not_utf_8_is_repaired() -> None:
    raw = field(2, field(1, b"a\xff") + field(4, field(3, b"")))
    decoded = decode_metrics([raw], [0], StatNames(9))
    assert decoded.stats == [(0, 0, 0, "a\ufffd", [])]
    assert decoded.repaired == {"invalid_utf8": 1, "no_type": 1}


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(raw: bytes) -> None:
    decoded = decode_metrics([GOOD, raw, GOOD], [0, 0, 0], StatNames(4))
    rows = pl.DataFrame(decoded.numbers).filter(pl.col("message") != 1)
    assert rows["value"].to_list() == [1.0, 1.0]
    inspect_metrics(raw)


def test_the_frame_tells_who_sends_how_much_and_when() -> None:
    raw = message(counter("a", 1, at_ms=77), gauge("b", 1, at_ms=78), node="envoy-1", cluster="web")
    identifier, families, timestamp_ms, whole = inspect_metrics(raw)
    assert identifier is not None
    assert (identifier.node_id, identifier.node_cluster, families, timestamp_ms, whole) == (
        "envoy-1",
        "web",
        2,
        77,
        True,
    )
    assert inspect_metrics(raw[:-1])[3] is False
    assert inspect_metrics(b"") == (None, 0, None, True)


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="one style for each"):
        decode_metrics([GOOD], [], StatNames(1))
