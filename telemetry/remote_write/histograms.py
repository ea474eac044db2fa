"""Native histograms as both protocols' message `Histogram`, whose fields agree.

https://github.com/prometheus/prometheus/blob/v3.8.0/prompb/io/prometheus/write/v2/types.proto
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.series.native import NativeSeries
from telemetry.wire import delimited, double, varint, varint_field, zigzag

__all__ = ["STALE", "NativeHistogram", "custom_buckets", "exponential_buckets", "histogram_message"]

STALE: float = struct.unpack("<d", bytes.fromhex("020000000000f07f"))[0]
"""The NaN that ends a series: 0x7ff0000000000002."""

_CUSTOM = -53
# Prometheus takes schemas from -4 to 8.
_COARSEST, _FINEST = -4, 8


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """Counts by sparse index, Prometheus' own: bucket i ends at base**i (custom bounds: at the i-th)."""

    schema: int
    count: int
    sum: float
    zero_count: int
    zero_threshold: float
    positive: Mapping[int, int]
    negative: Mapping[int, int]
    bounds: tuple[float, ...] = ()


def exponential_buckets(one: NativeSeries) -> NativeHistogram:
    """Give an exponential histogram; a finer scale than Prometheus' finest is coarsened."""
    shift = max(0, one.scale - _FINEST)
    sides: list[dict[int, int]] = []
    for buckets in (one.positive, one.negative):
        merged: dict[int, int] = {}
        for index, count in buckets.items():
            # OpenTelemetry's bucket i ends at base**(i+1), Prometheus' at base**i.
            merged[(index >> shift) + 1] = merged.get((index >> shift) + 1, 0) + count
        sides.append(merged)
    scale = max(_COARSEST, one.scale - shift)
    positive, negative = sides
    return NativeHistogram(scale, one.count, one.sum, one.zero_count, one.zero_threshold, positive, negative)


def custom_buckets(bounds: NDArray[np.float64], counts: NDArray[np.int64], total: float) -> NativeHistogram:
    """Give a histogram with bounds of its own (schema -53); `counts` are each bucket's, +Inf's the last."""
    positive = {index: int(count) for index, count in enumerate(counts.tolist()) if count}
    return NativeHistogram(_CUSTOM, int(counts.sum()), total, 0, 0.0, positive, {}, tuple(bounds.tolist()))


def histogram_message(one: NativeHistogram, time_ms: int, start_ms: int) -> bytes:
    """Write the message; `start_ms` (2.0 only) where it is not 0."""
    message = varint_field(1, one.count) + double(3, one.sum) + varint_field(4, zigzag(one.schema))
    message += double(5, one.zero_threshold) + varint_field(6, one.zero_count)
    message += _side(8, one.negative) + _side(11, one.positive) + varint_field(15, time_ms)
    if one.bounds:
        message += delimited(16, np.array(one.bounds, "<f8").tobytes())
    return message + (varint_field(17, start_ms) if start_ms else b"")


def _side(field: int, buckets: Mapping[int, int]) -> bytes:
    """Write spans of neighbouring buckets, and their counts as differences from one to the next."""
    indexes = sorted(buckets)
    if not indexes:
        return b""
    spans = b"".join(
        delimited(field, varint_field(1, zigzag(offset)) + varint_field(2, length))
        for offset, length in _spans(indexes)
    )
    counts = [buckets[index] for index in indexes]
    deltas = [after - before for before, after in zip([0, *counts], counts, strict=False)]
    return spans + delimited(field + 1, b"".join(varint(zigzag(delta)) for delta in deltas))


def _spans(indexes: list[int]) -> Iterator[tuple[int, int]]:
    """Give each run of neighbours: its distance from the end of the last run (the first: its index), its length."""
    end, start = 0, indexes[0]
    for at, index in enumerate(indexes):
        if at + 1 == len(indexes) or indexes[at + 1] != index + 1:
            yield start - end, index + 1 - start
            end = index + 1
            start = indexes[at + 1] if at + 1 < len(indexes) else end
