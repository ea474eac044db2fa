"""What the service is made of: its parts from its settings, nothing started yet."""

import secrets
import time
from collections.abc import Collection, Iterator

from telemetry.batch import SCHEMAS, Template
from telemetry.catalog_operations import CatalogOperations
from telemetry.config import Settings
from telemetry.explain import Explainer
from telemetry.expressions import compile  # noqa: A004 - the verb of that room
from telemetry.journal.memory import MemoryJournal
from telemetry.mesh.resolve import Resolver
from telemetry.pipeline import Pipeline, Wanted
from telemetry.plugin import Processor
from telemetry.processors.connections import Connections
from telemetry.processors.contexts import Contexts, peer_columns
from telemetry.processors.endings import Outcome
from telemetry.processors.normalise import Normalise
from telemetry.processors.outcome import KNOWN, Override
from telemetry.processors.redaction import Redaction
from telemetry.processors.signals import Signals
from telemetry.receivers import access_logs
from telemetry.receivers.access_logs import AccessLogs
from telemetry.receivers.coalesce import Coalescer
from telemetry.receivers.server import Server
from telemetry.registers import Registers
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Assembly"]


class Assembly:
    """The parts that live as long as the service. Made within the event loop that will run them.

    Raises ConfigError with every fault of the catalog, StartError when an extra is missing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started_ns = time.time_ns()
        self.metrics = SelfMetrics()
        self.journal = MemoryJournal(max_bytes=settings.journal.max_bytes, on_full=settings.journal.on_full)
        self.registers = Registers(settings.mesh, self.metrics)
        self.addresses = self.registers.addresses
        self.resolver = Resolver(
            self.addresses, settings.mesh.default_cluster, settings.mesh.dialect, services=self._service_of_host
        )
        self.contexts = self._make_contexts()
        self.connections = Connections(started_ns=self._started_ns)
        self.redaction = Redaction(settings.redaction) if settings.redaction.enabled else None
        self.coalescer = self._make_coalescer()

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
        return Server(grpc, {access_logs.METHOD: logs.stream})

    def pipeline(self, templates: Collection[Template]) -> Pipeline:
        """Give the pipeline that makes these templates, which are what the handlers accept."""
        entries = Template.LOGENTRY in templates
        processors = list(self._processors(entries=entries))
        read = SCHEMAS[Template.LOGENTRY] if entries else {name for each in processors for name in each.reads}
        return Pipeline(
            Normalise(self.contexts, read, self._overrides()),
            processors,
            self._wanted(),
            self.metrics,
            templates=templates,
            receiver=self._settings.receiver.name,
            epoch=self._started_ns,
        )

    def explainer(self) -> Explainer:
        """Give an explainer that knows the addresses that the pipeline knows."""
        return Explainer(self._make_contexts(), self._wanted())

    def measure(self) -> None:
        """Bring the gauges of these parts up to date."""
        metrics = self.metrics
        metrics.pending_bytes.set(self.coalescer.pending_bytes)
        metrics.journal_bytes.set(self.journal.size_bytes)
        metrics.journal_batches.set(len(self.journal))
        metrics.contexts.set(len(self.contexts))
        metrics.raise_to(metrics.contexts_resolved, self.contexts.resolved_total)
        metrics.connections.set(len(self.connections))
        metrics.raise_to(metrics.connections_forgotten, self.connections.forgotten_total)
        if self.redaction:
            for rule, count in self.redaction.counts.items():
                metrics.raise_to(metrics.redacted.labels(rule), count)
        self.registers.measure()

    def _overrides(self) -> list[Override]:
        return [(compile(rule.match, KNOWN).expression, Outcome(rule.outcome)) for rule in self._settings.outcomes]

    def _processors(self, *, entries: bool) -> Iterator[Processor]:
        """Give the processors in their order. What only entries show is made only where they are wanted."""
        yield self.connections
        # Redaction comes first: what must not be stored must not become an operation's name either.
        if entries and self.redaction:
            yield self.redaction
        if entries and self._settings.operations.enabled:
            yield CatalogOperations(self._settings.operations, self.registers.catalog)
        yield Signals(seed=secrets.randbits(64), started_ns=self._started_ns)

    def _service_of_host(self, host: str) -> tuple[str, str | None] | None:
        """Give name and namespace of a host's service, where the catalog has it."""
        service = self.registers.catalog.service_of_host(host)
        return (service.name, service.namespace) if service else None

    def _make_contexts(self) -> Contexts:
        peers = peer_columns(self._settings.receiver.access_logs.filter_state)
        catalog = self.registers.catalog
        return Contexts(
            self.resolver,
            self.addresses,
            seed=secrets.randbits(64),
            peers=peers,
            generation=lambda: catalog.generation,
        )

    def _make_coalescer(self) -> Coalescer:
        limits = self._settings.receiver.coalesce
        return Coalescer(
            max_delay_s=limits.max_delay_s,
            max_entries=limits.max_entries,
            max_pending_bytes=limits.max_pending_bytes,
            clock_ns=time.time_ns,
        )

    def _wanted(self) -> Wanted:
        logs = self._settings.receiver.access_logs
        return Wanted(logs.request_headers, logs.response_headers, logs.response_trailers, logs.filter_state)
