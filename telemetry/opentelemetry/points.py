"""METRIC rows as OTLP's data points: numbers, explicit histograms, exponential histograms.

https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/metrics/v1/metrics.proto
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import polars as pl
from numpy.typing import NDArray

from telemetry.opentelemetry.ids import ids
from telemetry.wire import Heads, delimited, doubles, fixed64, messages, packed, varint, varint_field, zigzag

__all__ = ["ATTRIBUTES_FIELDS", "exponential_points", "histogram_points", "number_points"]

_POINTS = 1
ATTRIBUTES_FIELDS = {"number": 7, "histogram": 9, "exponential": 1}
"""The field of a point's attributes, by the point's type."""

Pieces = list[list[bytes]]


def number_points(rows: pl.DataFrame, attributes: Pieces) -> list[bytes]:
    """Write NumberDataPoints: of columns start, time, value, exemplar."""
    start, time = _times(rows)
    numbers = fixed64((2, start), (3, time), (4, rows["value"].to_numpy()))
    return messages(Heads(_POINTS), [numbers, *attributes, _exemplars(5, rows["exemplar"])])


def histogram_points(rows: pl.DataFrame, attributes: Pieces) -> list[bytes]:
    """Write HistogramDataPoints: of columns start, time, value (the sum), count, bounds, buckets, exemplar."""
    start, time = _times(rows)
    numbers = fixed64((2, start), (3, time), (4, _counts(rows)), (5, rows["value"].to_numpy()))
    parts = [packed(6, rows["buckets"], "<u8"), packed(7, rows["bounds"], "<f8"), _exemplars(8, rows["exemplar"])]
    return messages(Heads(_POINTS), [numbers, *attributes, *parts])


def exponential_points(rows: pl.DataFrame, attributes: Pieces) -> list[bytes]:
    """Write ExponentialHistogramDataPoints: of columns start, time, value (the sum), count, exponential, exemplar."""
    start, time = _times(rows)
    native = rows["exponential"].struct.unnest()
    zeros = native["zero_count"].fill_null(0).to_numpy()
    thresholds = native["zero_threshold"]
    parts = [
        fixed64((2, start), (3, time), (4, _counts(rows)), (5, rows["value"].to_numpy()), (7, zeros)),
        [varint_field(6, zigzag(scale)) for scale in native["scale"].fill_null(0).to_list()],
        [_buckets(8, buckets) for buckets in native["positive"].to_list()],
        [_buckets(9, buckets) for buckets in native["negative"].to_list()],
        _exemplars(11, rows["exemplar"]),
        doubles(14, thresholds.fill_null(0).to_numpy(), (thresholds > 0).fill_null(value=False).to_numpy()),
    ]
    return messages(Heads(_POINTS), [*parts, *attributes])


def _times(rows: pl.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    start, time = (rows[name].to_physical().fill_null(0).to_numpy() for name in ("start", "time"))
    return start, time


def _counts(rows: pl.DataFrame) -> NDArray[Any]:
    return rows["count"].fill_null(0).to_numpy()


def _buckets(field: int, buckets: Sequence[dict[str, int]] | None) -> bytes:
    """Write sparse buckets as offset and counts; what lies between two of them is zero."""
    if not buckets:
        return b""
    first = min(bucket["index"] for bucket in buckets)
    counts = [0] * (max(bucket["index"] for bucket in buckets) - first + 1)
    for bucket in buckets:
        counts[bucket["index"] - first] += bucket["count"]
    packed_counts = b"".join(map(_small, counts))
    return delimited(field, varint_field(1, zigzag(first)) + delimited(2, packed_counts))


@lru_cache(maxsize=4096)
def _small(count: int) -> bytes:
    return varint(count)


def _exemplars(field: int, column: pl.Series) -> list[bytes]:
    """Write each row's exemplar; most rows have one or none."""
    if column.null_count() == len(column):
        return [b""] * len(column)
    there = column.is_not_null()
    flat = column.filter(there).struct.unnest()
    times, values = flat["time"].to_physical().fill_null(0), flat["value"].fill_null(0.0)
    parts = [
        fixed64((2, times.to_numpy()), (3, values.to_numpy())),
        flat.select(ids((5, "trace_id", 32), (4, "span_id", 16))).to_series().to_list(),
    ]
    written = iter(messages(Heads(field), parts))
    return [next(written) if present else b"" for present in there.to_list()]
