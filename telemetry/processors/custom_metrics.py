"""Metrics that the operator defines: a number and labels of each request, in CEL, added up."""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import polars as pl

from telemetry.processors.groups import Groups
from telemetry.processors.metric_labels import label_of, number_of, rows_of
from telemetry.processors.points import EXEMPLAR_READS, Buckets, Fields, Traced, counter, floats, gauge, histogram
from telemetry.processors.standard_metrics import BOUNDS
from telemetry.processors.tables import Table

__all__ = ["DIMENSIONS", "Custom", "Skipped", "custom_table"]

DIMENSIONS: Mapping[str, str] = {
    "reporter": 'context.reporter.kind == "outbound" ? "source" : '
    'context.reporter.kind == "inbound" ? "destination" : context.reporter.kind'
}
"""Without it the two ends of a request would add up to two requests."""

Skipped = MutableMapping[tuple[str, str], int]
"""How many values were left out, by metric and reason."""

_VALUE = "metric.value"


@dataclass(frozen=True, slots=True)
class Custom:
    """One metric. `kind`: counter, gauge or histogram. `match`: None for all requests that are no probes."""

    name: str
    kind: str = "counter"
    unit: str = "1"
    value: str = "1"
    dimensions: Mapping[str, str] = field(default_factory=lambda: DIMENSIONS)
    buckets: tuple[float, ...] = tuple(BOUNDS.tolist())
    match: str | None = None


def custom_table(metric: Custom, ignored: pl.Expr | None, skipped: Skipped) -> Table:
    """Give its table; what is left out is counted in `skipped`. Raises ExpressionError."""
    rows = pl.col("request.counts")
    if metric.match is not None:
        rows &= rows_of(metric.match)
    elif ignored is not None:
        rows &= ~ignored
    value = number_of(metric.value, metric.unit)
    labels = {name: label_of(text) for name, text in metric.dimensions.items()}
    uses = EXEMPLAR_READS.union(value.meta.root_names())
    points = partial(_points, metric, value, skipped)
    return Table(rows, labels, points, uses, sparse=metric.kind == "gauge")


def _points(metric: Custom, value: pl.Expr, skipped: Skipped, rows: pl.DataFrame, groups: Groups) -> Iterator[Fields]:
    """Give its columns; a value that can't be told, or that its kind can't take, is left out and counted."""
    values = rows.with_columns(value.alias(_VALUE))[_VALUE]
    values = _only(values, values.is_not_null(), (metric.name, "absent"), skipped)
    values = _only(values, values.is_finite(), (metric.name, "not_finite"), skipped)
    if metric.kind != "gauge":
        values = _only(values, values >= 0, (metric.name, "negative"), skipped)
    yield from _of_kind(metric, values, groups, Traced(rows, groups))


def _only(values: pl.Series, usable: pl.Series, why: tuple[str, str], skipped: Skipped) -> pl.Series:
    """Put null in the place of the others."""
    usable = usable.fill_null(value=True)
    if count := len(usable) - int(usable.sum()):
        skipped[why] = skipped.get(why, 0) + count
        return values.set(~usable, None)
    return values


def _of_kind(metric: Custom, values: pl.Series, groups: Groups, traced: Traced) -> Iterator[Fields]:
    numbers, present = floats(values), values.is_not_null().to_numpy()
    if metric.kind == "histogram":
        yield histogram(metric.name, metric.unit, values, groups, traced, buckets=Buckets(np.array(metric.buckets)))
    elif metric.kind == "gauge":
        yield gauge(metric.name, metric.unit, groups.last(numbers, present))
    else:
        yield counter(metric.name, metric.unit, groups.sum(numbers), traced.exemplars(numbers))
