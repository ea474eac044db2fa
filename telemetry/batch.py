"""Template, SCHEMAS and Batch: the only thing that flows."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from telemetry.attributes import ATTRIBUTES, TIMESTAMP

__all__ = ["EXEMPLAR", "METRIC_KIND", "SCHEMAS", "Batch", "Template", "fault_of"]


class Template(StrEnum):
    """Mixer's word: the kinds of thing that an adapter may accept."""

    LOGENTRY = "logentry"
    """One row per finished (or periodic) request or connection, all attributes."""
    METRIC = "metric"
    """Metric points: deltas for counters and histograms, values for gauges."""
    TRACESPAN = "tracespan"
    """One row per span."""
    EDGE = "edge"
    """Traffic between two workloads over the batch's interval."""


METRIC_KIND = pl.Enum(["counter", "gauge", "histogram"])
EXEMPLAR = pl.Struct({"trace_id": pl.String, "span_id": pl.String, "value": pl.Float64, "time": TIMESTAMP})

_DType = pl.DataType | type[pl.DataType]

SCHEMAS: Mapping[Template, Mapping[str, _DType]] = {
    Template.LOGENTRY: {attribute.name: attribute.dtype for attribute in ATTRIBUTES},
    Template.METRIC: {
        # The full name as Prometheus knows it, `_total` included: istio_requests_total.
        "metric": pl.String,
        "kind": METRIC_KIND,
        # UCUM, as OpenTelemetry writes units: 1, ms, s, By.
        "unit": pl.String,
        # One String field per label; all rows of a batch have the same label names. Any names.
        "labels": pl.Struct,
        # 64-bit hash of the label names and values: with `metric` it names the series, without the
        # cost of comparing 25 strings. Equal label sets have equal values within one epoch.
        "series": pl.UInt64,
        # Counter: the increase. Gauge: the value. Histogram: the increase of the sum.
        "value": pl.Float64,
        # Histogram only: the increase of the count; null otherwise.
        "count": pl.UInt64,
        # Histogram only: upper bounds, ascending, without +Inf; null otherwise.
        "bounds": pl.List(pl.Float64),
        # Histogram only: increase per bucket, NOT cumulative; one more than bounds, the last is +Inf.
        "buckets": pl.List(pl.UInt64),
        # One traced request among those summed up, or null. `value` is in the metric's unit.
        "exemplar": EXEMPLAR,
        # The interval that the increase belongs to, by the receiver's clock.
        "start": TIMESTAMP,
        "time": TIMESTAMP,
    },
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one template. `receiver`, `epoch` and `sequence` name it, so that a sink can drop duplicates.

    `rows` has exactly the columns and dtypes of SCHEMAS[template]; `epoch` is the start of the receiving process
    in nanoseconds since 1970, `sequence` counts its batches.
    """

    template: Template
    rows: pl.DataFrame
    receiver: str
    epoch: int
    sequence: int

    @property
    def size_bytes(self) -> int:
        """How much memory the rows hold, estimated; buffers shared between batches count in each."""
        return int(self.rows.estimated_size())


def fault_of(batch: Batch) -> str | None:
    """Say how a batch breaks its schema, or None: for tests and for plugins under development."""
    want = SCHEMAS[batch.template]
    have = batch.rows.schema
    if list(have) != list(want):
        missing, extra = sorted(set(want) - set(have)), sorted(set(have) - set(want))
        return (
            f"{batch.template}: missing columns {missing}, unknown columns {extra}"
            if missing or extra
            else (f"{batch.template}: columns are out of order")
        )
    for name, dtype in want.items():
        if have[name] != dtype:
            return f"{batch.template}: column {name} is {have[name]}, not {dtype}"
    return None
