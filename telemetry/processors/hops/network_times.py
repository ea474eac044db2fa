"""What the two ends together show of time, as histograms by edge."""

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import EXEMPLAR, EXPONENTIAL, METRIC_KIND, SCHEMAS, Template
from telemetry.processors.buckets import Bounds
from telemetry.processors.hops.addresses import numbers

__all__ = ["LABELS", "METRICS", "times_by_edge"]

METRICS = {
    "telemetry_network_duration_milliseconds": "hop.network",
    "telemetry_application_duration_milliseconds": "hop.application",
    "telemetry_proxy_duration_milliseconds": "hop.proxy",
}
"""Histograms, and the part of a hop's time that each shows."""

_NAMED = {
    "source_workload": "source.workload.name",
    "source_workload_namespace": "source.workload.namespace",
    "destination_workload": "destination.workload.name",
    "destination_workload_namespace": "destination.workload.namespace",
    "destination_service": "destination.service.host",
}
LABELS = {label: pl.col(name).fill_null("unknown") for label, name in _NAMED.items()}
"""Istio's labels of who and whom, no others: a hop is one edge's."""

# Milliseconds: within a node a packet takes 0.05.
BOUNDS = np.array([0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000])
_CONSTANT = {
    "kind": pl.lit("histogram", METRIC_KIND),
    "unit": pl.lit("ms"),
    "bounds": pl.lit(pl.Series([BOUNDS.tolist()], dtype=pl.List(pl.Float64)).first(), pl.List(pl.Float64)),
    "exponential": pl.lit(None, EXPONENTIAL),
    "exemplar": pl.lit(None, EXEMPLAR),
}
_ORDER = list(SCHEMAS[Template.METRIC])
_NS_PER_MS = 1e6
_BUCKETS = Bounds(BOUNDS)

Ints = npt.NDArray[np.int64]


def times_by_edge(hops: pl.DataFrame, seed: int, start_ns: int, end_ns: int) -> pl.DataFrame | None:
    """Give METRIC rows of these HOP rows, an interval's; None where no part of any is known."""
    if all(hops[part].null_count() == len(hops) for part in METRICS.values()):
        return None
    of_row, first = _edges(hops["context.key"].to_numpy())
    shown = hops[[*_NAMED.values()]][pl.Series(first)].select_seq(**LABELS)
    labels = shown.to_struct("labels")
    named = pl.DataFrame([labels, labels.hash(seed).alias("series")])
    frames = [_points(metric, hops[part], of_row, named) for metric, part in METRICS.items()]
    points = pl.concat(frames, rechunk=False)
    told = {name: pl.lit(at_ns).cast(TIMESTAMP) for name, at_ns in (("start", start_ns), ("time", end_ns))} | _CONSTANT
    return points.filter(points["count"] > 0).select_seq(told.get(name, pl.col(name)).alias(name) for name in _ORDER)


def _edges(keys: npt.NDArray[np.uint32]) -> tuple[Ints, Ints]:
    """Give each row's context.key, whose values are consecutive and all in use; and for each a row that has it."""
    numbers = keys.astype(np.int64)
    first = np.empty(int(numbers.max()) + 1, np.int64)
    first[numbers] = np.arange(len(numbers))
    return numbers, first


def _points(metric: str, values: pl.Series, of_row: Ints, named: pl.DataFrame) -> pl.DataFrame:
    if values.null_count():
        of_row, values = of_row[values.is_not_null().to_numpy()], values.drop_nulls()
    nanoseconds, edges, width = numbers(values).astype(np.float64), len(named), len(BOUNDS) + 1
    cells = of_row * width + _BUCKETS.bucket_of(nanoseconds)
    buckets = np.bincount(cells, minlength=edges * width).reshape(edges, width)
    columns = {
        "metric": pl.Series([metric]).new_from_index(0, edges),
        "value": np.bincount(of_row, weights=nanoseconds, minlength=edges) / _NS_PER_MS,
        "count": buckets.sum(axis=1).astype(np.uint64),
        "buckets": pl.Series(buckets.astype(np.uint64)).arr.to_list(),
    }
    return named.hstack(pl.DataFrame(columns))
