"""The columns of METRIC rows: counters, gauges and histograms of groups of requests."""

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import EXEMPLAR, EXPONENTIAL, METRIC_KIND
from telemetry.processors.exponential import exponential
from telemetry.processors.groups import Groups

__all__ = ["EXEMPLAR_READS", "Buckets", "Fields", "Traced", "counter", "floats", "gauge", "histogram"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Fields = list[pl.Expr | pl.Series]

EXEMPLAR_READS = frozenset({"trace.id", "trace.span_id", "request.time"})


class Buckets:
    """How a histogram is told: by explicit bounds, by exponential buckets of a scale, or by both.

    Without bounds a row has the one bucket +Inf. Without scale its `exponential` is null.
    """

    def __init__(self, bounds: Floats, scale: int | None = None) -> None:
        self.bounds, self.scale = bounds, scale
        self._row = pl.Series([bounds.tolist()], dtype=pl.List(pl.Float64))

    def columns(self, values: Floats, present: Bools, groups: Groups) -> Fields:
        """Give `bounds`, `buckets` and `exponential`, a row for each group."""
        buckets = groups.histogram(values, present, self.bounds)
        native = None if self.scale is None else exponential(values, present, groups, self.scale)
        return [
            pl.Series("bounds", self._row.gather(np.zeros(len(groups), dtype=np.uint32))),
            pl.Series("buckets", buckets).arr.to_list(),
            pl.lit(None, EXPONENTIAL).alias("exponential") if native is None else native,
        ]


class Traced:
    """The traced requests among the rows: one of each group serves as exemplar, the last. Reads EXEMPLAR_READS."""

    def __init__(self, rows: pl.DataFrame, groups: Groups) -> None:
        at = np.flatnonzero(rows["trace.id"].is_not_null().to_numpy())
        chosen = np.full(len(groups), -1, dtype=np.int64)
        chosen[groups.of_row[at]] = at
        self._chosen = chosen
        self._ids: pl.DataFrame | None = None
        if len(at):
            chosen_or_null = pl.Series(chosen).replace(-1, None)
            self._ids = rows.select(pl.col("trace.id", "trace.span_id", "request.time").gather(chosen_or_null))

    def exemplars(self, values: Floats) -> pl.Series | None:
        """Give the `exemplar` column, one per group, with these values of the rows; None when nothing is traced."""
        if self._ids is None:
            return None
        fields = pl.struct(
            trace_id="trace.id", span_id="trace.span_id", value=pl.Series(values[self._chosen]), time="request.time"
        )
        exemplar = pl.when(pl.col("trace.id").is_not_null()).then(fields)
        return self._ids.select(exemplar=exemplar).to_series()


def floats(values: pl.Series) -> Floats:
    """Give numbers in numpy, 0 for null."""
    return values.fill_null(0).cast(pl.Float64).to_numpy()


def _described(metric: str, kind: str, unit: str, exemplars: pl.Series | None = None) -> Fields:
    return [
        pl.lit(metric).alias("metric"),
        pl.lit(kind, METRIC_KIND).alias("kind"),
        pl.lit(unit).alias("unit"),
        pl.lit(None, EXEMPLAR).alias("exemplar") if exemplars is None else exemplars,
    ]


def counter(metric: str, unit: str, values: Floats, exemplars: pl.Series | None = None) -> Fields:
    """Give the columns of a counter's increases, `values` by group."""
    return [*_described(metric, "counter", unit, exemplars), *_number(values)]


def gauge(metric: str, unit: str, values: Floats) -> Fields:
    """Give the columns of a gauge, `values` by group."""
    return [*_described(metric, "gauge", unit), *_number(values)]


def _number(values: Floats) -> Fields:
    return [
        pl.Series("value", values),
        pl.lit(None, pl.UInt64).alias("count"),
        pl.lit(None, pl.List(pl.Float64)).alias("bounds"),
        pl.lit(None, pl.List(pl.UInt64)).alias("buckets"),
        pl.lit(None, EXPONENTIAL).alias("exponential"),
    ]


def histogram(metric: str, unit: str, values: pl.Series, groups: Groups, traced: Traced, *, buckets: Buckets) -> Fields:
    """Give the columns of a histogram of the rows' values.

    Rows without a value (an old Envoy's, or one cut short) are in the request count but not in here.
    """
    present = values.is_not_null().to_numpy()
    numbers = np.maximum(floats(values), 0.0)
    return [
        *_described(metric, "histogram", unit, traced.exemplars(numbers)),
        pl.Series("value", groups.sum(numbers)),
        pl.Series("count", groups.count(present).astype(np.uint64)),
        *buckets.columns(numbers, present, groups),
    ]
