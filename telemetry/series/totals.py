"""Running totals of everything that METRIC batches bring, each batch counted once however often it comes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.attributes import TIMESTAMP
from telemetry.errors import Rejected
from telemetry.series.applied import Applied, BatchName
from telemetry.series.families import Families
from telemetry.series.family import Expiry, Rows
from telemetry.series.labels import NONE, OVERFLOW, OVERFLOW_TEXT
from telemetry.series.native import NativeHistograms

__all__ = ["Gone", "Totals"]

_NATIVE = pl.col("exponential").is_not_null()
_OVERFLOW_LABEL, _OVERFLOW_VALUE = OVERFLOW_TEXT.decode().replace('"', "").split("=")
_BROKEN = pl.col("value").is_null() | pl.col("exponential").struct.field("scale").is_null()


@dataclass(frozen=True, slots=True)
class Gone:
    """Series of one metric that have expired, by their labels as the exposition formats write them."""

    metric: str
    kind: str
    bounds: tuple[float, ...]
    labels: list[bytes]
    native: bool


class Totals:
    """Adds up counters and histograms, explicit and native, and keeps the last value of gauges.

    No locks: one thread at a time. Times are nanoseconds; `now_ns` never goes back.
    """

    def __init__(self, max_series: int, expire_after_ns: int) -> None:
        self.families = Families(max_series, frozenset())
        self.native = NativeHistograms(max_series)
        self._expire_after_ns = expire_after_ns
        self._applied = Applied()
        self._expired_ns = 0

    def add(self, rows: pl.DataFrame, batch: BatchName, numbers: pl.Series, *, now_ns: int, birth: int) -> None:
        """Add a METRIC batch's rows, all or none; those with numbers that were added before are left out.

        `birth`: the time (ns since 1970) from which new series count. Raises Rejected, naming the metric, for names,
        kinds, bounds or values that Prometheus' data model does not have.
        """
        fresh = rows.filter(pl.Series(self._applied.new(batch, numbers)))
        if len(fresh):
            explicit, native = fresh.filter(~_NATIVE), fresh.filter(_NATIVE)
            _check(native)
            if len(explicit):
                self.families.add(explicit, now_ns=now_ns, birth=birth)
            if len(native):
                self.native.add(native, now_ns=now_ns, birth=birth)
        self._applied.note(batch, numbers)

    def expire(self, now_ns: int) -> list[Gone]:
        """Drop the series that have not changed for so long; give what is gone.

        A look costs time, so nothing happens until a sixteenth of that time has passed since the last.
        """
        if now_ns - self._expired_ns < self._expire_after_ns // 16:
            return []
        self._expired_ns = now_ns
        gone = [
            Gone(family.name, family.kind, tuple(family.bounds.tolist()), labels, native=False)
            for family, labels in self.families.expire(Expiry(now_ns, self._expire_after_ns, now_ns))
        ]
        native = self.native.expire(now_ns - self._expire_after_ns)
        return gone + [Gone(one.metric, "histogram", (), [one.labels], native=True) for one in native]

    def cumulated(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give the series of these rows, which were added, once each, as METRIC rows with totals and `start`.

        What was folded has the one label otel_metric_overflow; series that have expired since are left out.
        """
        explicit, native = rows.filter(~_NATIVE), rows.filter(_NATIVE)
        known = {family.name for family in self.families.all()}
        metrics = explicit.partition_by("metric", maintain_order=True)
        parts = [self._explicit(part) for part in metrics if part["metric"][0] in known]
        return _together([*parts, self._native(native)])

    def _explicit(self, rows: pl.DataFrame) -> pl.DataFrame:
        family = self.families.family(rows["metric"][0])
        sets = self.families.series_of(rows)
        series = family.of(sets)
        totals = rows.with_columns(value=pl.Series(series["value"]), start=_starts(series["birth"]))
        if family.kind == "histogram":
            bounds = pl.Series([family.bounds.tolist()], dtype=rows.schema["bounds"])
            buckets = series["buckets"].astype(np.uint64)
            totals = totals.with_columns(
                bounds=bounds.gather(np.zeros(len(rows), np.uint32)),
                buckets=pl.Series(buckets).arr.to_list(),
                count=pl.Series(buckets.sum(axis=1, dtype=np.uint64)),
            )
        return _once(totals, series)

    def _native(self, rows: pl.DataFrame) -> pl.DataFrame:
        found = self.native.of(rows)
        rows = rows.filter(pl.Series([one is not None for one in found], dtype=pl.Boolean))
        series = [one for one in found if one is not None]
        totals = rows.with_columns(
            pl.Series("value", [one.sum for one in series], dtype=pl.Float64),
            pl.Series("count", [one.count for one in series], dtype=pl.UInt64),
            pl.Series("exponential", [one.exponential() for one in series], dtype=rows.schema["exponential"]),
            pl.Series("start", [one.birth for one in series], dtype=pl.Int64).cast(TIMESTAMP),
        )
        return _distinct(totals, [id(one) for one in series], [one.labels == OVERFLOW_TEXT for one in series])


def _together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Concatenate frames of which some have the label of what was folded."""
    names = max((part["labels"].struct.fields for part in parts), key=len)
    return pl.concat(
        part if part["labels"].struct.fields == names else part.with_columns(labels=_labels(part, names))
        for part in parts
    )


def _labels(part: pl.DataFrame, names: Sequence[str]) -> pl.Expr:
    there = part["labels"].struct.fields
    absent = pl.lit(None, pl.String)
    return pl.struct((pl.col("labels").struct.field(name) if name in there else absent).alias(name) for name in names)


def _once(totals: pl.DataFrame, series: Rows) -> pl.DataFrame:
    there = series["set"] != NONE
    sets = series["set"][there]
    return _distinct(totals.filter(pl.Series(there)), sets.tolist(), (sets == OVERFLOW).tolist())


def _distinct(totals: pl.DataFrame, series: Sequence[int], overflow: Sequence[bool]) -> pl.DataFrame:
    """Keep the last row of each series; label what was folded."""
    folded = pl.Series(overflow, dtype=pl.Boolean)
    if folded.any():
        fields = totals["labels"].struct.unnest().columns
        none = [pl.when(~folded).then(pl.col("labels").struct.field(name)).alias(name) for name in fields]
        label = pl.when(folded).then(pl.lit(_OVERFLOW_VALUE)).alias(_OVERFLOW_LABEL)
        totals = totals.with_columns(labels=pl.struct(*none, label))
    keyed = totals.with_columns(pl.Series(" series", series), pl.Series(" folded", overflow))
    kept = keyed.unique([" series", " folded", "metric"], keep="last", maintain_order=True)
    return kept.drop(" series", " folded")


def _starts(births: NDArray[np.int64]) -> pl.Series:
    return pl.Series(births).cast(TIMESTAMP)


def _check(native: pl.DataFrame) -> None:
    if len(native) and native.select(_BROKEN.any()).item():
        raise Rejected(f"metric {native['metric'][0]!r}: a native histogram needs a scale and a value")
