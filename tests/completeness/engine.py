"""A Completeness with Envoys that say what the test says, and a clock that goes where it is told."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from telemetry.batch import Batch
from telemetry.completeness import Completeness, WorkloadShare
from tests.rows import NOW_NS, SECOND_NS, logentries

LATEST = {
    "node_id": pl.String,
    "workload": pl.String,
    "workload_namespace": pl.String,
    "stat": pl.String,
    "labels": pl.List(pl.Struct({"name": pl.String, "value": pl.String})),
    "value": pl.Float64,
    "time": pl.Int64,
    "snapshot": pl.Int64,
    "alive": pl.Boolean,
}
TOTAL, ACTIVE = "http.downstream_rq_total", "http.downstream_rq_active"
TCP = "tcp.downstream_cx_total"
WRITTEN = "access_logs.grpc_access_log.logs_written"
DROPPED = "access_logs.grpc_access_log.logs_dropped"
CONNECT_FAIL = "cluster.upstream_cx_connect_fail"


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp((NOW_NS + round(seconds * SECOND_NS)) / 1e9, UTC)


class Engine:
    """Times are seconds since the beginning. An interval is 10 s long, entries have 10 s to come."""

    def __init__(self, **options: Any) -> None:
        self.refused: dict[str, float] = {}
        self._rows: dict[tuple[str, str, str], dict[str, Any]] = {}
        options = {"window_s": 300.0, **options}
        self.completeness = Completeness(
            self._latest, receiver="r", epoch=1, seed=1, refusals=lambda: self.refused, **options
        )

    def _latest(self, stats: Collection[str]) -> pl.DataFrame:
        rows = [row for row in self._rows.values() if row["stat"] in stats]
        return pl.DataFrame(rows, schema=LATEST)

    def say(
        self, at: float, stats: Mapping[str, float], node: str = "a", *, prefix: str = "inbound", alive: bool = True,
        ahead_s: float = 0.0, workload: str | None = "web",
    ) -> None:  # fmt: skip
        """Let an Envoy, whose clock may be ahead, flush these stats; those it has flushed before stay as they were."""
        for stat, value in stats.items():
            name = "envoy_cluster_name" if stat.startswith("cluster.") else "envoy_http_conn_manager_prefix"
            self._rows[node, stat, prefix] = {
                "node_id": node, "workload": workload, "workload_namespace": "shop", "stat": stat, "value": value,
                "labels": [{"name": name, "value": prefix}],
            }  # fmt: skip
        for row in self._rows.values():
            if row["node_id"] == node:
                row |= {"time": _ns(at), "snapshot": _ns(at + ahead_s), "alive": alive}

    def refresh(self, at: float) -> None:
        self.completeness.refresh(_ns(at))

    def tell(self, at: float, stats: Mapping[str, float], node: str = "a", **more: Any) -> None:
        self.say(at, stats, node, **more)
        self.refresh(at)

    def entries(self, number: int, ended: float, node: str = "a", *, came: float | None = None, **more: Any) -> None:
        """Let so many entries come, of requests of half a second."""
        row = {
            "context.time": moment(ended + 1 if came is None else came),
            "context.reporter.uid": node,
            "destination.workload.name": "web",
            "destination.workload.namespace": "shop",
            "request.time": moment(ended - 0.5),
            "response.duration": SECOND_NS // 2,
            **more,
        }
        self.take(logentries(*[row] * number))

    def take(self, batch: Batch) -> None:
        (given,) = self.completeness.process(batch)
        assert given is batch

    def flush(self, at: float) -> list[Batch]:
        return list(self.completeness.flush(_ns(at)))

    @property
    def share(self) -> WorkloadShare:
        (share,) = self.completeness.report.workloads
        return share

    @property
    def whys(self) -> dict[str, float]:
        return {why.reason: why.count for why in self.share.reasons}


def _ns(at: float) -> int:
    return NOW_NS + round(at * SECOND_NS)
