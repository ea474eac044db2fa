"""Envoys' circuit breakers, from their own metrics: what is in use, what waits, what was refused."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import polars as pl

from telemetry.mesh import consul, envoy_gateway, istio
from telemetry.node import ANONYMOUS
from telemetry.saturation.headroom import Pressure

__all__ = ["STATS", "Breakers", "service_of_cluster"]

_KINDS = {
    "cluster.upstream_rq_active": "cluster.circuit_breakers.default.remaining_rq",
    "cluster.upstream_cx_active": "cluster.circuit_breakers.default.remaining_cx",
    "cluster.upstream_rq_pending_active": "cluster.circuit_breakers.default.remaining_pending",
}
"""What is in use, and what remains of its limit, where the breaker says `track_remaining: true`."""
_OPEN = tuple(f"cluster.circuit_breakers.default.{name}" for name in ("rq_open", "cx_open", "rq_pending_open"))
_PENDING = "cluster.upstream_rq_pending_active"
_OVERFLOWS = ("cluster.upstream_rq_pending_overflow", "cluster.upstream_cx_overflow")

STATS = (*_KINDS, *_KINDS.values(), *_OPEN, *_OVERFLOWS)
"""The stats that `latest` is asked for."""

# What tells Envoys apart is the configuration's to say: all other columns.
_OF_STAT = ("stat", "labels", "kind", "value", "time", "snapshot", "alive")

Who = tuple[str | None, str]
Latest = Callable[[Collection[str]], pl.DataFrame]


def service_of_cluster(cluster: str) -> Who | None:
    """Give namespace and name of the service that an outbound cluster leads to; None for inbound ones."""
    for dialect in (istio, consul, envoy_gateway):
        named = dialect.cluster_name(cluster, ANONYMOUS)
        if named is not None and named.direction == "inbound":
            return None
        if named is not None and named.service:
            return named.namespace, named.service
    return None, cluster


class Breakers:
    """Is `Headroom`. `latest` gives what every Envoy said last of some stats (EnvoyStats.latest).

    `refresh` is for the thread that may call `latest`; `pressure` for any, as it reads the last refresh's answer.
    """

    def __init__(self, latest: Latest) -> None:
        self._latest = latest
        self._pressures: Mapping[Who, Pressure] = {}
        self._overflows: dict[Who, float] = {}
        self._at_ns: int | None = None

    def pressure(self, namespace: str | None, service: str) -> Pressure | None:
        """Give the state of the breakers toward a service; a cluster that tells no namespace is of any."""
        pressures = self._pressures
        return pressures.get((namespace, service)) or pressures.get((None, service))

    def refresh(self, now_ns: int) -> None:
        """Ask anew. Overflows are counted from the last refresh on."""
        of_services: defaultdict[Who, list[dict[str, float]]] = defaultdict(list)
        for cluster, stats in _by_envoy(self._latest(STATS).filter(pl.col("alive")).iter_rows(named=True)):
            if (who := service_of_cluster(cluster)) is not None:
                of_services[who].append(stats)
        lasted_s = 0.0 if self._at_ns is None else (now_ns - self._at_ns) / 1e9
        overflows = {
            who: sum(one.get(name, 0.0) for one in told for name in _OVERFLOWS) for who, told in of_services.items()
        }
        self._pressures = {
            who: Pressure(
                _in_use(told), sum(one.get(_PENDING, 0.0) for one in told), self._rate(who, overflows[who], lasted_s)
            )
            for who, told in of_services.items()
        }
        self._overflows, self._at_ns = overflows, now_ns

    def _rate(self, who: Who, total: float, lasted_s: float) -> float:
        before = self._overflows.get(who)
        return max(0.0, total - before) / lasted_s if before is not None and lasted_s > 0 else 0.0


def _by_envoy(rows: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, dict[str, float]]]:
    """Give for each Envoy and cluster the values of its stats."""
    found: dict[tuple[object, str], dict[str, float]] = {}
    for row in rows:
        names = [label["value"] for label in row["labels"] if label["name"].endswith("cluster_name")]
        if names:
            envoy = tuple(value for name, value in row.items() if name not in _OF_STAT)
            found.setdefault((envoy, names[0]), {})[row["stat"]] = row["value"]
    return [(cluster, stats) for (_, cluster), stats in found.items()]


def _in_use(told: Iterable[Mapping[str, float]]) -> float | None:
    """Give the share in use of the fullest breaker of the fullest Envoy: limits are each Envoy's own."""
    shares = [1.0 for stats in told for name in _OPEN if stats.get(name, 0.0) > 0]
    for stats in told:
        for active, remaining in _KINDS.items():
            limit = stats.get(active, 0.0) + stats.get(remaining, 0.0)
            if remaining in stats and limit > 0:
                shares.append(stats.get(active, 0.0) / limit)
    return max(shares, default=None)
