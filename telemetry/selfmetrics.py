"""What we count about ourselves. Names follow the field: `_total`, `_seconds`, `_bytes`, reasons as labels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import thread_time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

__all__ = ["SelfMetrics"]

# Prometheus would store each time of creation as a series of its own.
disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Described:
    """One metric as the reference page shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class SelfMetrics:
    """Our own metrics, all in one registry of their own; docs/metrics.md lists them (a test compares)."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.described: list[Described] = []
        self._totals: dict[Counter, float] = {}

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            self.described.append(Described(name, "counter", labels, meaning))
            return Counter(name, meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            self.described.append(Described(name, "gauge", labels, meaning))
            return Gauge(name, meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, *labels: str, buckets: Sequence[float]) -> Histogram:
            self.described.append(Described(name, "histogram", labels, meaning))
            return Histogram(name, meaning, labels, registry=registry, buckets=buckets)

        self.messages = counter("telemetry_receiver_messages_total", "Messages read from Envoy's streams.")
        self.bytes = counter("telemetry_receiver_bytes_total", "Bytes of those messages.")
        self.entries = counter("telemetry_receiver_entries_total", "Access log entries decoded.")
        self.rejected = counter(
            "telemetry_receiver_rejected_total",
            "Entries, or rests of messages, that could not be used; pipeline_error: after decoding.",
            "reason",
        )
        self.repaired = counter(
            "telemetry_receiver_repaired_total", "Entries kept though something in them was not right.", "reason"
        )
        self.refused = counter("telemetry_receiver_refused_total", "Messages and streams not accepted.", "reason")
        self.streams = gauge("telemetry_receiver_streams", "Streams open now.")
        self.streams_opened = counter("telemetry_receiver_streams_opened_total", "Streams that Envoys opened.")
        self.streams_closed = counter(
            "telemetry_receiver_streams_closed_total", "Streams that ended, and how.", "reason"
        )
        self.nodes = gauge("telemetry_receiver_nodes", "Envoys with a stream open now.")
        self.pending_bytes = gauge("telemetry_receiver_pending_bytes", "Messages read and not yet decoded.")
        self.chunk_entries = histogram(
            "telemetry_receiver_chunk_entries",
            "Entries decoded together.",
            buckets=(1, 10, 100, 1000, 2000, 4000, 8000, 16000, 32000),
        )
        self.stage_seconds = counter("telemetry_stage_seconds_total", "CPU time by stage of the pipeline.", "stage")
        self.contexts = gauge("telemetry_normalise_contexts", "Distinct kinds of entry remembered.")
        self.contexts_resolved = counter("telemetry_normalise_resolved_total", "Kinds of entry resolved anew.")
        self.redacted = counter("telemetry_redacted_total", "Values concealed before anything stored them.", "rule")
        self.addresses = gauge("telemetry_mesh_addresses", "Addresses whose workload is known.")
        self.catalog_services = gauge("telemetry_catalog_services", "Services in the catalog.")
        self.catalog_reloads = counter(
            "telemetry_catalog_reloads_total",
            "Readings of a changed catalog file: changed, same (nothing new in it), refused (it has faults).",
            "result",
        )
        self.kubernetes_objects = gauge("telemetry_kubernetes_objects", "Objects known of the cluster.", "kind")
        self.kubernetes_refused = gauge(
            "telemetry_kubernetes_refused_objects", "Objects not taken, for mesh.kubernetes.max_objects.", "kind"
        )
        self.kubernetes_relists = counter(
            "telemetry_kubernetes_relists_total", "Lists read, and why: start, expired, refused.", "kind", "reason"
        )
        self.kubernetes_problems = gauge("telemetry_kubernetes_problems", "Watches that fail now; the log says why.")
        self.connections = gauge("telemetry_connections_open", "Connections whose totals are remembered.")
        self.connections_forgotten = counter(
            "telemetry_connections_forgotten_total", "Connections forgotten for lack of room."
        )
        self.journal_bytes = gauge("telemetry_journal_bytes", "Memory held by the journal.")
        self.journal_batches = gauge("telemetry_journal_batches", "Batches in the journal.")
        handler = ("handler",)
        self.offered = gauge("telemetry_handler_offered_rows", "Rows that the journal took for the handler.", *handler)
        self.delivered = counter("telemetry_handler_delivered_rows_total", "Rows that the sink has.", *handler)
        self.dropped = counter("telemetry_handler_dropped_rows_total", "Rows given up, and why.", "handler", "reason")
        self.pending = gauge(
            "telemetry_handler_pending_rows", "Rows in the journal that the sink has yet to take.", *handler
        )
        self.unaccounted = gauge(
            "telemetry_handler_unaccounted_rows",
            "offered - delivered - dropped - pending; other than 0 is a bug in this program.",
            *handler,
        )
        self.retries = counter("telemetry_handler_retries_total", "Exports tried again.", *handler)
        self.export_seconds = histogram(
            "telemetry_handler_export_seconds",
            "Time that one export took.",
            *handler,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )

    def raise_to(self, counter: Counter, total: float) -> None:
        """Bring a counter (of one label set) up to a total that someone else keeps."""
        counter.inc(total - self._totals.get(counter, 0.0))
        self._totals[counter] = total

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the CPU time that this thread spends inside to the stage's."""
        began = thread_time()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).inc(thread_time() - began)
