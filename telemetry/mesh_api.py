"""What understands the mesh, put together: the store of edges, the processors that feed it, the routes that ask it."""

from collections.abc import Iterator, Sequence
from functools import partial
from operator import attrgetter

from fastapi import APIRouter

from telemetry.catalog import Catalog
from telemetry.config.edges import EdgeSettings
from telemetry.edges import EdgeStore, Retention
from telemetry.http.asking import Mesh
from telemetry.http.edges import edges_router
from telemetry.http.graph import graph_router
from telemetry.http.health import health_router
from telemetry.http.impact import impact_router
from telemetry.http.services import services_router
from telemetry.http.signals import signals_router
from telemetry.plugin import Processor
from telemetry.processors.edge_events import EdgeEvents
from telemetry.processors.edge_memory import Before, EdgeMemory, Remembered
from telemetry.processors.edges import Edges, Targets
from telemetry.saturation import Headroom, SaturationGauges
from telemetry.selfmetrics import SelfMetrics

__all__ = ["EdgeWork", "edge_memory", "edge_store", "mesh_routers"]


def edge_store(settings: EdgeSettings) -> EdgeStore:
    """Make the store, not yet entered; `EdgeHandler(store)` is the handler that feeds it."""
    retention = Retention(
        settings.minutes_for_s, settings.ten_minutes_for_s, settings.hours_for_s, int(settings.max_bytes)
    )
    return EdgeStore(settings.path, retention, max_edges=settings.max_kept_edges)


def edge_memory(store: EdgeStore, settings: EdgeSettings) -> EdgeMemory:
    """Make what remembers edges, for as long as somebody tells of new ones; what the store knows is no news.

    Made before the store is entered or after.
    """
    return EdgeMemory(partial(_before, store), limit=settings.max_kept_edges)


class EdgeWork:
    """The processors of edges, in their order: behind those that make HOP rows and istio_requests_total.

    Without a memory nothing is told of what is new.
    """

    def __init__(
        self,
        settings: EdgeSettings,
        store: EdgeStore,
        catalog: Catalog,
        *,
        seed: int,
        started_ns: int,
        headroom: Headroom | None = None,
        memory: EdgeMemory | None = None,
    ) -> None:
        mesh = Mesh(store, catalog)
        self._store = store
        self._edges = Edges(
            seed=seed,
            started_ns=started_ns,
            interval_s=settings.interval_s,
            max_edges=settings.max_edges,
            targets=_targets(catalog),
        )
        self._gauges = SaturationGauges(mesh.capacity, seed=seed, headroom=headroom)
        self._events: EdgeEvents | None = None
        if memory is not None:
            told = settings.events
            self._events = EdgeEvents(memory, warm_up_s=told.warm_up_s, vanish_after_s=told.vanish_after_s)

    @property
    def processors(self) -> Sequence[Processor]:
        """Give them."""
        return (self._edges, self._gauges, self._events) if self._events else (self._edges, self._gauges)

    def measure(self, metrics: SelfMetrics) -> None:
        """Bring our own metrics of edges up to date."""
        counts = self._store.counts
        metrics.edges.set(len(self._store))
        metrics.edges_bytes.set(self._store.size_bytes)
        metrics.raise_to(metrics.edges_folded.labels("interval"), self._edges.folded)
        metrics.raise_to(metrics.edges_folded.labels("store"), counts["folded"] + counts["forgotten"])
        for reason in ("expired", "full", "damaged", "duplicate"):
            metrics.raise_to(metrics.edges_discarded.labels(reason), counts[reason])
        if self._events:
            metrics.raise_to(metrics.edge_events_dropped, self._events.dropped)


def mesh_routers(mesh: Mesh) -> list[APIRouter]:
    """Give the routes under /api/v1 that answer questions about the mesh."""
    routers = (graph_router, services_router, edges_router, signals_router, impact_router, health_router)
    return [router(mesh) for router in routers]


def _targets(catalog: Catalog) -> Targets:
    def targets(host: str) -> Sequence[float]:
        service = catalog.service_of_host(host)
        objectives = service.objectives if service else None
        latency = objectives.latency if objectives else None
        return [seconds * 1000 for _, seconds in latency.targets] if latency else []

    return targets


def _before(store: EdgeStore) -> Before:
    return Before(store.created_ns, _known(store))


def _known(store: EdgeStore) -> Iterator[tuple[tuple[str | None, ...], Remembered]]:
    for edge in sorted(store.known(), key=attrgetter("last_ns")):
        principals = {("source", one) for one in edge.source_principals}
        principals |= {("destination", one) for one in edge.destination_principals}
        yield edge.identity, Remembered(edge.last_ns, edge.secure, edge.failed, principals)
