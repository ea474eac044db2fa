"""What lives as long as the service, whatever its configuration becomes: nothing started yet."""

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from itertools import count
from types import TracebackType
from typing import Self

import structlog
from fastapi import APIRouter

from telemetry.batch import Batch
from telemetry.completeness import Completeness, refusals_of
from telemetry.config import Settings
from telemetry.envoy_metrics import EnvoyMetrics, StatsWork
from telemetry.feed import Feed
from telemetry.http.asking import Mesh
from telemetry.http.completeness import completeness_router
from telemetry.journal.memory import MemoryJournal
from telemetry.journal.sqlite import SqliteJournal
from telemetry.mesh.resolve import Resolver
from telemetry.mesh_api import edge_store, mesh_routers
from telemetry.pipeline import Pipeline
from telemetry.processors.connections import Connections
from telemetry.receivers import access_logs
from telemetry.receivers.access_logs import AccessLogs
from telemetry.receivers.coalesce import Coalescer
from telemetry.receivers.server import Server
from telemetry.registers import Registers
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Assembly"]

log = structlog.get_logger(__name__)

Show = Callable[[Sequence[Batch]], None]


class Assembly:
    """The parts that a reload leaves alone. Made within the event loop that will run them; entered, they work.

    Raises ConfigError with every fault of the catalog, StartError when an extra is missing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.started_ns = time.time_ns()
        self.numbers = count(1)
        self.seed = secrets.randbits(64)
        self.metrics = SelfMetrics()
        self.journal = self._make_journal()
        self.registers = Registers(settings.mesh, self.metrics)
        self.resolver = Resolver(
            self.registers.addresses,
            settings.mesh.default_cluster,
            settings.mesh.dialect,
            services=self._service_of_host,
        )
        self.connections = Connections(started_ns=self.started_ns)
        self.coalescer = self._make_coalescer()
        self.edges = edge_store(settings.edges)
        self.envoys = self._make_envoys()
        self.completeness = self._make_completeness()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if isinstance(self.journal, SqliteJournal):
                await stack.enter_async_context(self.journal)
            if self._settings.edges.enabled:
                await stack.enter_async_context(self.edges)
            await stack.enter_async_context(self.registers)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def receiver(self) -> Server:
        """Give the gRPC server, which feeds the coalescer."""
        grpc = self._settings.receiver.grpc
        logs = AccessLogs(
            self.coalescer,
            self.metrics,
            max_message_bytes=grpc.max_message_bytes,
            max_streams_per_peer=grpc.max_streams_per_peer,
            learn=self.resolver.learn,
        )
        methods = {access_logs.METHOD: logs.stream}
        if self.envoys is None:
            return Server(grpc, methods)
        return Server(grpc, {**methods, **self.envoys.methods}, hard_limit_bytes=self.envoys.hard_limit_bytes)

    def feed(self, pipeline: Pipeline, show: Show) -> Feed[Pipeline]:
        """Give what takes entries through the pipeline into the journal, and shows what came of them."""
        return Feed(self.coalescer, pipeline, self.journal, self.metrics.rejected.labels("pipeline_error"), show)

    def stats_feed(self, show: Show) -> Feed[StatsWork] | None:
        """Give what takes Envoys' own metrics into the journal; None where nobody wants them."""
        if self.envoys is None or self.completeness is None:
            return None
        return self.envoys.feed(self.journal, show, [self.completeness.refresh])

    def mesh_routers(self) -> list[APIRouter]:
        """Give the routes that answer questions about the mesh: those about edges only where edges are kept."""
        routers: list[APIRouter] = []
        if self._settings.edges.enabled:
            headroom = self.envoys.breakers if self.envoys else None
            seen = self.completeness.ratio if self.completeness else _unknown
            routers += mesh_routers(Mesh(self.edges, self.registers.catalog, completeness=seen, headroom=headroom))
        if self.completeness:
            routers.append(completeness_router(self.completeness))
        return routers

    def close_receivers(self) -> None:
        """Take no more; what waits can still be fed."""
        self.coalescer.close()
        if self.envoys:
            self.envoys.coalescer.close()

    def forget_all_but(self, handlers: Collection[str]) -> None:
        """Let go of what the journal holds for handlers that there are no more; counted, and said."""
        for name in sorted(set(self.journal.cursors) - set(handlers)):
            rows = self.journal.detach(name)
            self.metrics.dropped.labels(name, "handler_removed").inc(rows)
            log.warning("the journal kept rows for a handler that is gone; they are given up", handler=name, rows=rows)

    def not_ready(self) -> dict[str, str]:
        """Give what keeps these parts from their work, by part."""
        return {**self.registers.not_ready(), **self.journal.problems()}

    def measure(self) -> None:
        """Bring the gauges of these parts up to date."""
        metrics = self.metrics
        metrics.pending_bytes.set(self.coalescer.pending_bytes)
        metrics.journal_bytes.set(self.journal.size_bytes)
        metrics.journal_batches.set(len(self.journal))
        metrics.journal_problems.set(len(self.journal.problems()))
        metrics.connections.set(len(self.connections))
        metrics.raise_to(metrics.connections_forgotten, self.connections.forgotten_total)
        self.registers.measure()
        if self.envoys:
            self.envoys.measure()

    def _make_envoys(self) -> EnvoyMetrics | None:
        if not self._settings.receiver.metrics.enabled:
            return None
        return EnvoyMetrics(self._settings, self.metrics, self.resolver, epoch=self.started_ns, numbers=self.numbers)

    def _make_completeness(self) -> Completeness | None:
        if self.envoys is None:
            return None
        return Completeness(
            self.envoys.stats.latest,
            receiver=self._settings.receiver.name,
            epoch=self.started_ns,
            seed=self.seed,
            refusals=refusals_of(self.metrics),
        )

    def _service_of_host(self, host: str) -> tuple[str, str | None] | None:
        """Give name and namespace of a host's service, where the catalog has it."""
        service = self.registers.catalog.service_of_host(host)
        return (service.name, service.namespace) if service else None

    def _make_journal(self) -> MemoryJournal | SqliteJournal:
        settings = self._settings.journal
        if settings.path is None:
            return MemoryJournal(max_bytes=settings.max_bytes)
        return SqliteJournal(
            settings.path,
            self.metrics,
            max_bytes=settings.max_bytes,
            max_age_s=settings.max_age_s,
            retention_s=settings.retention_s,
            retain=settings.retain,
            tail_bytes=settings.tail_bytes,
        )

    def _make_coalescer(self) -> Coalescer:
        limits = self._settings.receiver.coalesce
        return Coalescer(
            max_delay_s=limits.max_delay_s,
            max_entries=limits.max_entries,
            max_pending_bytes=limits.max_pending_bytes,
            clock_ns=time.time_ns,
        )


def _unknown() -> None:
    """How much of the traffic was seen, where Envoys' own counts are not read."""
