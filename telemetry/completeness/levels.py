"""What each Envoy has handled so far by its own counters: requests, connections, log entries, failures of the sink."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["LEVELS", "OTHER_LISTENERS", "SINKS", "STATS", "Level", "levels"]

Floats = npt.NDArray[np.float64]

LEVELS = ("http", "tcp", "written", "dropped", "connect_failures", "broken_streams")
"""Requests ended, TCP connections opened; entries that the loggers took, and dropped; the sink's failures."""

OTHER_LISTENERS = frozenset(
    {"admin", "agent", "stats", "envoy_prometheus_metrics", "envoy_ready", "eg-ready-http", "eg-stats-http"}
)
"""Stat prefixes of listeners that nobody logs: Envoy's own page, probes and scrapes of Istio, Consul, Envoy Gateway."""

SINKS = r"mesh_telemetry|envoy_accesslog_service|accesslog_als_.*|.*\bmesh-telemetry\b.*"
"""The clusters that access logs go to: ours, Istio's old one, Envoy Gateway's, `outbound|…` of our host."""

_SIGNS: Mapping[str, tuple[str, float]] = {
    "http.downstream_rq_total": ("http", 1),
    # What still goes on has no entry yet.
    "http.downstream_rq_active": ("http", -1),
    "tcp.downstream_cx_total": ("tcp", 1),
    "access_logs.grpc_access_log.logs_written": ("written", 1),
    "access_logs.grpc_access_log.logs_dropped": ("dropped", 1),
    "cluster.upstream_cx_connect_fail": ("connect_failures", 1),
    "cluster.upstream_cx_connect_timeout": ("connect_failures", 1),
    "cluster.upstream_rq_pending_failure_eject": ("connect_failures", 1),
    "cluster.upstream_cx_destroy_remote_with_active_rq": ("broken_streams", 1),
}
STATS = tuple(_SIGNS)
"""The stats that `latest` is asked for."""

_PREFIX = "http_conn_manager_prefix"
_CLUSTER = "cluster_name"


@dataclass(frozen=True, slots=True)
class Level:
    """One Envoy at one moment. `values` are in the order of LEVELS.

    `snapshot_ns`: the moment by the Envoy's clock, which is its entries' too; `received_ns`: when we heard of it, by
    ours. `active`: how many requests had not ended; Envoy reads it and its counters one after the other, so that the
    requests that ended may seem to become fewer, by some, where the counters have not.
    """

    node: str
    workload: str | None
    namespace: str | None
    snapshot_ns: int
    received_ns: int
    values: Floats
    active: float = 0.0

    @property
    def counters(self) -> Floats:
        """What can't become less, unless an Envoy has lost a counter."""
        started = self.values.copy()
        started[0] += self.active
        return started


def levels(told: pl.DataFrame, others: Collection[str], sinks: re.Pattern[str]) -> list[Level]:
    """Give the level of each Envoy whose stream is open, of the rows that EnvoyStats.latest gives.

    `others`: stat prefixes that don't count. Without the identity label `node_id` nobody knows whose entries are whose:
    then there are none.
    """
    if "node_id" not in told.columns:
        return []
    of_node: dict[str, list[dict[str, Any]]] = {}
    for row in told.filter(pl.col("alive")).iter_rows(named=True):
        if row["node_id"]:
            of_node.setdefault(row["node_id"], []).append(row)
    return [_level(node, rows, others, sinks) for node, rows in of_node.items()]


def _level(node: str, rows: list[dict[str, Any]], others: Collection[str], sinks: re.Pattern[str]) -> Level:
    values, active = np.zeros(len(LEVELS)), 0.0
    for row in rows:
        name, sign = _SIGNS[row["stat"]]
        if _counts(row["stat"], row["labels"], others, sinks):
            values[LEVELS.index(name)] += sign * row["value"]
            active += row["value"] if sign < 0 else 0.0
    newest = max(rows, key=lambda row: row["time"])
    received_ns = newest["time"]
    return Level(
        node,
        newest.get("workload") or None,
        newest.get("workload_namespace") or None,
        newest["snapshot"] or received_ns,
        received_ns,
        values,
        active,
    )


def _counts(stat: str, labels: Iterable[Mapping[str, str]], others: Collection[str], sinks: re.Pattern[str]) -> bool:
    if stat.startswith("http."):
        return _label(labels, _PREFIX).rstrip(";") not in others
    if stat.startswith("cluster."):
        return sinks.fullmatch(_label(labels, _CLUSTER).rstrip(";")) is not None
    return True


def _label(labels: Iterable[Mapping[str, str]], end: str) -> str:
    return next((label["value"] for label in labels if label["name"].endswith(end)), "")
