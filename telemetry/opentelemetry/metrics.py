"""METRIC rows as OTLP's metrics, increases or totals, grouped by resource and metric.

https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/metrics/v1/metrics.proto
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Literal

import polars as pl

from telemetry.batch import Batch
from telemetry.opentelemetry.keyvalues import KeyValues
from telemetry.opentelemetry.points import ATTRIBUTES_FIELDS, exponential_points, histogram_points, number_points
from telemetry.opentelemetry.requests import Resources, request
from telemetry.opentelemetry.workloads import metric_resource
from telemetry.wire import delimited, varint_field

__all__ = ["Metrics", "Temporality", "broken_points"]

Temporality = Literal["delta", "cumulative"]

_TEMPORALITIES = {"delta": 1, "cumulative": 2}
_METRIC, _NAME, _UNIT = 2, 1, 3
_GAUGE, _SUM, _HISTOGRAM, _EXPONENTIAL = 5, 7, 9, 10
_WRITE = {"number": number_points, "histogram": histogram_points, "exponential": exponential_points}
_SHAPE = (
    pl.when(pl.col("kind") != "histogram")
    .then(pl.lit("number"))
    .when(pl.col("exponential").is_not_null())
    .then(pl.lit("exponential"))
    .otherwise(pl.lit("histogram"))
)


_HISTOGRAM_BROKEN = (pl.col("buckets").list.len() != pl.col("bounds").list.len() + 1).fill_null(value=True)
_BROKEN = (
    (pl.col("metric").fill_null("") == "")
    | pl.col("kind").is_null()
    | pl.col("value").is_null()
    | ((_SHAPE == "histogram") & _HISTOGRAM_BROKEN)
)


def broken_points(rows: pl.DataFrame) -> list[int]:
    """Give the positions of the rows that are no data points."""
    return rows.select(_BROKEN.arg_true()).to_series().to_list()


class Metrics:
    """Encodes METRIC batches as ExportMetricsServiceRequests. Not for several threads at once.

    A histogram with exponential buckets is sent as such; its explicit ones, if there are any, stay behind. `receiver`
    is the one part of the identity that points carry, on their resource: everything else would make new series.
    """

    def __init__(self, resources: Resources, own: Resources, temporality: Temporality) -> None:
        self._resources = resources
        self._own = own
        self._temporality = varint_field(2, _TEMPORALITIES[temporality])
        self._labels = {shape: KeyValues(field) for shape, field in ATTRIBUTES_FIELDS.items()}

    def encode(self, batch: Batch) -> bytes:
        """Give the request. Raises nothing for rows that `batch.fault_of` lets pass."""
        rows = batch.rows
        if rows.is_empty():
            return b""
        labels = rows["labels"].struct.unnest()
        resources = self._pieces(labels, batch.receiver)
        metrics: list[tuple[bytes, bytes]] = []
        shapes = rows.select(_SHAPE).to_series()
        for shape in shapes.unique(maintain_order=True).to_list():
            at = (shapes == shape).arg_true()
            metrics += self._metrics(shape, rows[at], labels[at], [resources[index] for index in at.to_list()])
        return request([one for one, _ in metrics], [metric for _, metric in metrics], {})

    def _pieces(self, labels: pl.DataFrame, receiver: str) -> list[bytes]:
        expressions = metric_resource(labels.columns)
        if not labels.columns:
            labels = pl.DataFrame({"": [None] * len(labels)})
        which = {**expressions, "telemetry.receiver": pl.lit(receiver)}
        resources = self._resources if expressions else self._own
        return resources.pieces(labels, which)

    def _metrics(
        self, shape: str, rows: pl.DataFrame, labels: pl.DataFrame, resources: list[bytes]
    ) -> Iterator[tuple[bytes, bytes]]:
        """Give each metric's resource and message."""
        # Prometheus' data model, which our metrics follow: an empty label is none.
        named = labels.select(pl.when(pl.all() != "").then(pl.all()))
        points = _WRITE[shape](rows, self._labels[shape].columns(named))
        described = rows.select("metric", pl.col("unit").fill_null(""), pl.col("kind").cast(pl.String)).rows()
        groups: defaultdict[tuple[bytes, tuple[str, str, str]], list[bytes]] = defaultdict(list)
        for resource, about, point in zip(resources, described, points, strict=True):
            groups[resource, about].append(point)
        for (resource, about), group in groups.items():
            yield resource, self._metric(shape, *about, b"".join(group))

    def _metric(self, shape: str, name: str, unit: str, kind: str, points: bytes) -> bytes:
        described = delimited(_NAME, name.encode()) + delimited(_UNIT, unit.encode())
        if kind == "gauge":
            data = delimited(_GAUGE, points)
        elif shape == "number":
            data = delimited(_SUM, points + self._temporality + varint_field(3, 1))
        else:
            data = delimited(_EXPONENTIAL if shape == "exponential" else _HISTOGRAM, points + self._temporality)
        return delimited(_METRIC, described + data)
