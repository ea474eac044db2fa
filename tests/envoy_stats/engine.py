"""The engine with a page behind it, fed by hand."""

import asyncio
from collections.abc import Sequence
from typing import Any

from telemetry.adapters.prometheus import Prometheus
from telemetry.batch import Batch, fault_of
from telemetry.envoy_stats.accumulate import EnvoyStats
from telemetry.envoy_stats.envoys import Who
from telemetry.envoy_stats.rules import Rules
from telemetry.mesh.workload import Workload
from telemetry.node import Node
from telemetry.receivers.coalesce import Chunk
from telemetry.selfmetrics import SelfMetrics
from tests.envoy_stats.messages import message
from tests.envoy_stats.pages import Series, samples

STARTED_NS = 1_000_000 * 10**9
IDENTITY = ("node_id", "workload", "workload_namespace")


def stream(node_id: str = "envoy-1", cluster: str = "c") -> Node:
    """A new stream of an Envoy: it is open as long as somebody holds it."""
    return Node(node_id, cluster, {}, "1.40.0", "")


class Engine:
    """`page`: what Prometheus sees; `rows`: what the last flush has brought."""

    def __init__(self, rules: Rules | None = None, style: str = "envoy") -> None:
        self.metrics = SelfMetrics()
        who = Who(Workload(name="web", namespace="shop"), style)
        self.stats = EnvoyStats(
            rules or Rules(), self.metrics, lambda _: who, receiver="r", epoch=STARTED_NS, seed=b"seed"
        )
        self._page = Prometheus(Prometheus.Config())
        self.now_ns = STARTED_NS
        self.rows = 0

    def flush(self, node: Node, *families: Any, after_s: float = 5.0) -> list[Batch]:
        return self.flush_all([(node, families)], after_s=after_s)

    def flush_all(self, flushes: Sequence[tuple[Node, Sequence[Any]]], after_s: float = 5.0) -> list[Batch]:
        """Each in turn, received together."""
        return self.raw([(node, message(*families)) for node, families in flushes], after_s)

    def raw(self, flushes: Sequence[tuple[Node, bytes]], after_s: float = 5.0) -> list[Batch]:
        self.now_ns += int(after_s * 1e9)
        distinct = list(dict.fromkeys(node for node, _ in flushes))
        nodes = [distinct.index(node) for node, _ in flushes]
        batches = self.stats.run(Chunk([raw for _, raw in flushes], nodes, distinct, [0] * len(flushes), self.now_ns))
        self.rows = sum(len(batch.rows) for batch in batches)
        for batch in batches:
            assert fault_of(batch) is None, fault_of(batch)
            asyncio.run(self._page.export(batch))
        return batches

    def text(self, *, openmetrics: bool = False) -> str:
        return b"".join(self._page.exposition(openmetrics=openmetrics)).decode()

    def page(self, *, identity: bool = False) -> dict[Series, float]:
        """All samples but the adapter's own, without the identity labels unless asked for."""
        found = samples(self.text(), () if identity else IDENTITY)
        return {series: value for series, value in found.items() if not series[0].startswith("telemetry_")}

    def value(self, name: str) -> float:
        return self.page()[name, ()]

    def rejected(self) -> dict[str, float]:
        """What was kept out, by reason."""
        (family,) = (each for each in self.metrics.registry.collect() if each.name == "telemetry_envoy_stats_rejected")
        return {one.labels["reason"]: one.value for one in family.samples if one.name.endswith("_total")}
