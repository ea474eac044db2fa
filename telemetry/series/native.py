"""Running totals of native (exponential) histograms, a series each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from telemetry.series.labels import MAX_TEXT_BYTES, OVERFLOW_TEXT, label_texts

__all__ = ["MAX_BUCKETS", "NativeHistograms", "NativeSeries"]

MAX_BUCKETS = 160
"""On each side, as in OpenTelemetry's SDKs: where there would be more, pairs of buckets become one."""

Sparse = list[dict[str, int]]


@dataclass(slots=True)
class NativeSeries:
    """One series. Bucket i ends at base**(i+1), base = 2**(2**-scale); its count is that of the bucket alone."""

    metric: str
    unit: str
    labels: bytes
    birth: int
    scale: int
    last_ns: int = 0
    count: int = 0
    sum: float = 0.0
    zero_count: int = 0
    zero_threshold: float = 0.0
    positive: dict[int, int] = field(default_factory=dict)
    negative: dict[int, int] = field(default_factory=dict)
    exemplar: Mapping[str, Any] | None = None

    def add(self, row: Mapping[str, Any], now_ns: int) -> None:
        """Add a METRIC row's increase."""
        grown = row["exponential"]
        self._coarsen(min(self.scale, grown["scale"]))
        shift = grown["scale"] - self.scale
        for buckets, increase in ((self.positive, grown["positive"]), (self.negative, grown["negative"])):
            _merge(buckets, increase or (), shift)
        while max(map(_width, (self.positive, self.negative))) > MAX_BUCKETS:
            self._coarsen(self.scale - 1)
        self.zero_count += grown["zero_count"] or 0
        self.zero_threshold = max(self.zero_threshold, grown["zero_threshold"] or 0.0)
        self.count += row["count"] or 0
        self.sum += row["value"]
        self.last_ns = now_ns
        self.exemplar = row["exemplar"] or self.exemplar

    def _coarsen(self, scale: int) -> None:
        if shift := self.scale - scale:
            self.positive, self.negative = (_shifted(buckets, shift) for buckets in (self.positive, self.negative))
            self.scale = scale

    def exponential(self) -> dict[str, Any]:
        """Give the totals as METRIC's column `exponential` has them."""
        return {
            "scale": self.scale,
            "zero_threshold": self.zero_threshold,
            "zero_count": self.zero_count,
            "positive": _sparse(self.positive),
            "negative": _sparse(self.negative),
        }


def _merge(buckets: dict[int, int], increase: Iterable[Mapping[str, int]], shift: int) -> None:
    for bucket in increase:
        index = bucket["index"] >> shift
        buckets[index] = buckets.get(index, 0) + bucket["count"]


def _shifted(buckets: dict[int, int], shift: int) -> dict[int, int]:
    merged: dict[int, int] = {}
    for index, count in buckets.items():
        merged[index >> shift] = merged.get(index >> shift, 0) + count
    return merged


def _width(buckets: dict[int, int]) -> int:
    return max(buckets) - min(buckets) + 1 if buckets else 0


def _sparse(buckets: dict[int, int]) -> Sparse:
    return [{"index": index, "count": count} for index, count in sorted(buckets.items()) if count]


class NativeHistograms:
    """All series of native histograms; what has no room is folded into one series of its metric."""

    def __init__(self, max_series: int) -> None:
        self._max_series = max_series
        self._series: dict[tuple[str, bytes], NativeSeries] = {}
        self.overflow_points = 0

    def __len__(self) -> int:
        return len(self._series)

    def __iter__(self) -> Iterator[NativeSeries]:
        return iter(self._series.values())

    def add(self, rows: pl.DataFrame, *, now_ns: int, birth: int) -> None:
        """Add METRIC rows that have `exponential`."""
        texts = label_texts(rows["labels"])
        columns = rows.select("metric", "unit", "value", "count", "exponential", "exemplar")
        named = zip(columns.iter_rows(named=True), texts["text"], texts["identity"], strict=True)
        for row, text, identity in named:
            self._add(row, text, identity, now_ns, birth)

    def of(self, rows: pl.DataFrame) -> list[NativeSeries | None]:
        """Give the series of each row; None where it has expired."""
        identities = label_texts(rows["labels"])["identity"]
        return [
            self._series.get((metric, identity)) or self._series.get((metric, OVERFLOW_TEXT))
            for metric, identity in zip(rows["metric"], identities, strict=True)
        ]

    def _add(self, row: dict[str, Any], text: bytes, identity: bytes, now_ns: int, birth: int) -> None:
        key = (row["metric"], identity)
        if key not in self._series and (len(self) >= self._max_series or len(text) > MAX_TEXT_BYTES):
            key, text = (row["metric"], OVERFLOW_TEXT), OVERFLOW_TEXT
            self.overflow_points += 1
        if key not in self._series:
            scale = row["exponential"]["scale"]
            self._series[key] = NativeSeries(row["metric"], row["unit"] or "", text, birth, scale)
        self._series[key].add(row, now_ns)

    def expire(self, before_ns: int) -> list[NativeSeries]:
        """Drop and give the series that have not changed since."""
        gone = {key: one for key, one in self._series.items() if one.last_ns < before_ns}
        for key in gone:
            del self._series[key]
        return list(gone.values())
