"""Completeness as METRIC rows."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import METRIC_KIND, NUMBERS_LACK, SCHEMAS, Template
from telemetry.completeness.report import Report, WorkloadShare

__all__ = ["METRICS", "frames"]

METRICS = {
    "telemetry_completeness_ratio": "Share of a workload's requests, or connections, whose entries we have seen.",
    "telemetry_completeness_expected_total": "Requests that ended, connections opened, by Envoys' own counters.",
    "telemetry_completeness_seen_total": "Those of them whose entries have come.",
    "telemetry_completeness_unknown_envoys": "Envoys that send entries and no metrics: nobody knows what is missing.",
}
_RATIO, _EXPECTED, _SEEN, _UNKNOWN = METRICS
_WHO = ("workload", "workload_namespace", "cluster_id")
_SCHEMA = SCHEMAS[Template.METRIC]
_Row = dict[str, Any]


def frames(
    now: Report, added: Report, start_ns: int, seed: int
) -> Iterator[pl.DataFrame]:  # fmt: skip
    """Yield METRIC rows. `added`: of the same workloads, over the time since `start_ns` only."""
    pairs = zip(now.workloads, added.workloads, strict=True)
    shares = [row for one, more in pairs for row in _shares(one, more)]
    unknown = [{**_who(one), "metric": _UNKNOWN, "value": float(one.unknown_envoys)} for one in now.workloads]
    for rows, labels in ((shares, (*_WHO, "protocol")), (unknown, _WHO)):
        if rows:
            yield _frame(rows, labels, start_ns, now.time_ns, seed)


def _shares(one: WorkloadShare, added: WorkloadShare) -> Iterator[_Row]:
    for protocol, share, more in (("http", one.http, added.http), ("tcp", one.tcp, added.tcp)):
        labels = {**_who(one), "protocol": protocol}
        if (ratio := share.ratio) is not None:
            yield {**labels, "metric": _RATIO, "value": ratio}
        if more.expected or more.seen:
            # A moment's disagreement of two counters is no decrease.
            yield {**labels, "metric": _EXPECTED, "value": max(more.expected, 0.0)}
            yield {**labels, "metric": _SEEN, "value": more.seen}


def _who(one: WorkloadShare) -> _Row:
    return dict(zip(_WHO, (one.workload or "unknown", one.namespace or "unknown", one.cluster or ""), strict=True))


def _frame(rows: list[_Row], labels: tuple[str, ...], start_ns: int, end_ns: int, seed: int) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={**dict.fromkeys(labels, pl.String), "metric": pl.String, "value": pl.Float64})
    return frame.select(
        *(pl.lit(None, dtype).alias(name) for name, dtype in NUMBERS_LACK.items()),
        "metric",
        "value",
        kind=pl.when(pl.col("metric").str.ends_with("_total")).then(pl.lit("counter")).otherwise(pl.lit("gauge"))
        .cast(METRIC_KIND),
        unit=pl.lit("1"),
        labels=pl.struct(labels),
        series=pl.struct(labels).hash(seed),
        start=pl.lit(start_ns).cast(TIMESTAMP),
        time=pl.lit(end_ns).cast(TIMESTAMP),
    ).select(list(_SCHEMA))  # fmt: skip
