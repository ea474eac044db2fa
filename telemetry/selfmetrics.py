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
        self.registry = CollectorRegistry()
        self.described: list[Described] = []
        self._totals: dict[Counter, float] = {}
        self._receiver()
        self._envoy_stats()
        self._processing()
        self._knowledge()
        self._of_hops()
        self._of_edges()
        self._own_life()
        self._handlers()
        self._exports()

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        self.described.append(Described(name, "counter", labels, meaning))
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        self.described.append(Described(name, "gauge", labels, meaning))
        return Gauge(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        self.described.append(Described(name, "histogram", labels, meaning))
        return Histogram(name, meaning, labels, registry=self.registry, buckets=buckets)

    def _receiver(self) -> None:
        """Make those of what comes in, and of its decoding."""
        self.messages = self._counter("telemetry_receiver_messages_total", "Messages read from Envoy's streams.")
        self.bytes = self._counter("telemetry_receiver_bytes_total", "Bytes of those messages.")
        self.entries = self._counter("telemetry_receiver_entries_total", "Access log entries decoded.")
        self.rejected = self._counter(
            "telemetry_receiver_rejected_total",
            "Entries, or rests of messages, that could not be used; pipeline_error: after decoding.",
            "reason",
        )
        self.repaired = self._counter(
            "telemetry_receiver_repaired_total", "Entries kept though something in them was not right.", "reason"
        )
        self.refused = self._counter("telemetry_receiver_refused_total", "Messages and streams not accepted.", "reason")
        self.streams = self._gauge("telemetry_receiver_streams", "Streams open now.")
        self.streams_opened = self._counter("telemetry_receiver_streams_opened_total", "Streams that Envoys opened.")
        self.streams_closed = self._counter(
            "telemetry_receiver_streams_closed_total", "Streams that ended, and how.", "reason"
        )
        self.nodes = self._gauge("telemetry_receiver_nodes", "Envoys with a stream open now.")
        self.pending_bytes = self._gauge("telemetry_receiver_pending_bytes", "Messages read and not yet decoded.")
        self.chunk_entries = self._histogram(
            "telemetry_receiver_chunk_entries",
            "Entries decoded together.",
            buckets=(1, 10, 100, 1000, 2000, 4000, 8000, 16000, 32000),
        )
        self.stage_seconds = self._counter(
            "telemetry_stage_seconds_total", "CPU time by stage of the pipeline.", "stage"
        )

    def _envoy_stats(self) -> None:
        """Make those of Envoys' own metrics."""
        self.stats_decoded = self._counter("telemetry_envoy_stats_total", "Stats decoded of Envoys' own metrics.")
        self.stats_rejected = self._counter(
            "telemetry_envoy_stats_rejected_total", "Stats, or rests of messages, that could not be used.", "reason"
        )
        self.stats_repaired = self._counter(
            "telemetry_envoy_stats_repaired_total", "Stats kept though something in them was not right.", "reason"
        )
        self.stats_denied = self._counter(
            "telemetry_envoy_stats_denied_total", "Stats left out because the configuration says so."
        )
        self.stat_resets = self._counter(
            "telemetry_envoy_stats_resets_total", "Counters that went backwards: an Envoy or a stat began anew."
        )
        self.stat_envoys = self._gauge("telemetry_envoy_stats_envoys", "Envoys whose metrics stream is open now.")
        self.stat_names = self._gauge("telemetry_envoy_stats_names", "Distinct stats known, over all Envoys.")
        self.stat_series = self._gauge("telemetry_envoy_stats_series", "Series remembered, over all Envoys.")
        self.stat_pending_bytes = self._gauge(
            "telemetry_envoy_stats_pending_bytes", "Messages of metrics read and not yet decoded."
        )

    def _of_hops(self) -> None:
        """Make those of what waits for its other end, or for the rest of its trace."""
        self.hops = self._counter(
            "telemetry_hops_total",
            "Hops by whose entries they were made of: both, source, destination. And entries that are in none: "
            "duplicate, attempt (of a request tried again), told (by a connection's other end); evicted: not waited "
            "for, for lack of room.",
            "result",
        )
        self.hops_waiting = self._gauge("telemetry_hops_waiting_entries", "Entries that wait for their other end's.")
        self.traces = self._counter(
            "telemetry_traces_total",
            "Traces kept for their head, or by tail rules, and dropped. And spans: unsampled, which were not held; "
            "hurried, which were judged before their time for lack of room.",
            "result",
        )
        self.spans_waiting = self._gauge("telemetry_traces_waiting_spans", "Spans that wait for their traces.")

    def _of_edges(self) -> None:
        """Make those of the edges between workloads."""
        self.edges = self._gauge("telemetry_edges", "Edges whose names are kept.")
        self.edges_bytes = self._gauge("telemetry_edges_bytes", "What the file of edges takes.")
        self.edges_folded = self._counter(
            "telemetry_edges_folded_total",
            "Times that an edge had no room and its traffic counted as {other}: in an interval, or in the store.",
            "where",
        )
        self.edges_discarded = self._counter(
            "telemetry_edges_discarded_total",
            "What the store let go of: rows of segments that were expired, or too much (full); damaged files; "
            "duplicate batches.",
            "reason",
        )
        self.edge_events_dropped = self._counter(
            "telemetry_edge_events_dropped_total", "Events beyond 1000 in one interval."
        )

    def _processing(self) -> None:
        """Make those of what becomes of entries."""
        self.processor_failures = self._counter(
            "telemetry_processor_failures_total", "Batches and flushes that a processor could not do.", "processor"
        )
        self.processor_failed_rows = self._counter(
            "telemetry_processor_failed_rows_total",
            "Rows of those batches: they went on without it, those that redaction failed on were dropped.",
            "processor",
        )
        self.contexts = self._gauge("telemetry_normalise_contexts", "Distinct kinds of entry remembered.")
        self.contexts_resolved = self._counter("telemetry_normalise_resolved_total", "Kinds of entry resolved anew.")
        self.redacted = self._counter(
            "telemetry_redacted_total", "Values concealed before anything stored them.", "rule"
        )
        self.skipped_values = self._counter(
            "telemetry_metrics_skipped_values_total",
            "Values that a metric of the configuration's could not take: absent, negative or not_finite.",
            "metric",
            "reason",
        )

    def _knowledge(self) -> None:
        """Make those of what is known of the mesh."""
        self.addresses = self._gauge("telemetry_mesh_addresses", "Addresses whose workload is known.")
        self.catalog_services = self._gauge("telemetry_catalog_services", "Services in the catalog.")
        self.catalog_reloads = self._counter(
            "telemetry_catalog_reloads_total",
            "Readings of a changed catalog file: changed, same (nothing new in it), refused (it has faults).",
            "result",
        )
        self.kubernetes_objects = self._gauge("telemetry_kubernetes_objects", "Objects known of the cluster.", "kind")
        self.kubernetes_refused = self._gauge(
            "telemetry_kubernetes_refused_objects", "Objects not taken, for mesh.kubernetes.max_objects.", "kind"
        )
        self.kubernetes_relists = self._counter(
            "telemetry_kubernetes_relists_total", "Lists read, and why: start, expired, refused.", "kind", "reason"
        )
        self.kubernetes_problems = self._gauge(
            "telemetry_kubernetes_problems", "Watches that fail now; the log says why."
        )
        self.connections = self._gauge("telemetry_connections_open", "Connections whose totals are remembered.")
        self.connections_forgotten = self._counter(
            "telemetry_connections_forgotten_total", "Connections forgotten for lack of room."
        )

    def _own_life(self) -> None:
        """Make those of configuration and journal."""
        self.config_reloads = self._counter(
            "telemetry_config_reloads_total",
            "Readings of the configuration file while running: changed, same, refused (nothing was changed).",
            "result",
        )
        self.config_reload_successful = self._gauge(
            "telemetry_config_last_reload_successful", "Whether the configuration file is in force as it stands."
        )
        self.config_reload_success_time = self._gauge(
            "telemetry_config_last_reload_success_timestamp_seconds", "When it last was taken, seconds since 1970."
        )
        self.journal_bytes = self._gauge("telemetry_journal_bytes", "Batches kept, in memory or on the disk.")
        self.journal_batches = self._gauge("telemetry_journal_batches", "Batches in the journal.")
        self.journal_problems = self._gauge(
            "telemetry_journal_problems", "What keeps the journal from working now; /debug/pipelines says what."
        )
        self.journal_disk_bytes = self._gauge("telemetry_journal_disk_bytes", "The journal's file and its log.")
        self.journal_append_seconds = self._histogram(
            "telemetry_journal_append_seconds",
            "Time that one transaction took until the disk had it.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.journal_failures = self._counter(
            "telemetry_journal_failures_total",
            "disk: a transaction that had to be tried again; file: a damaged file set aside; batch: a damaged batch.",
            "kind",
        )

    def _handlers(self) -> None:
        """Make those of each handler: its account before all."""
        handler = ("handler",)
        self.offered = self._gauge(
            "telemetry_handler_offered_rows", "Rows that the journal took for the handler.", *handler
        )
        self.delivered = self._counter("telemetry_handler_delivered_rows_total", "Rows that the sink has.", *handler)
        self.filtered = self._counter("telemetry_handler_filtered_rows_total", "Rows that no rule chose.", *handler)
        self.sampled_out = self._counter(
            "telemetry_handler_sampled_out_rows_total", "Rows left out by sampling.", *handler
        )
        self.dead_lettered = self._counter(
            "telemetry_handler_dead_lettered_rows_total", "Rows that the sink rejected, kept as dead letters.", *handler
        )
        self.dropped = self._counter(
            "telemetry_handler_dropped_rows_total", "Rows given up, and why.", "handler", "reason"
        )
        self.pending = self._gauge(
            "telemetry_handler_pending_rows", "Rows in the journal that the sink has yet to take.", *handler
        )
        self.unaccounted = self._gauge(
            "telemetry_handler_unaccounted_rows",
            "offered - delivered - filtered - sampled_out - dropped - dead_lettered - pending; other than 0 is a bug "
            "in this program.",
            *handler,
        )
        self.lag_batches = self._gauge(
            "telemetry_handler_lag_batches", "Batches that the sink has yet to take.", *handler
        )
        self.lag_seconds = self._gauge(
            "telemetry_handler_lag_seconds", "Age of the oldest batch that the sink has yet to take.", *handler
        )

    def _exports(self) -> None:
        """Make those of how handing over goes, and of what lies aside."""
        handler = ("handler",)
        self.retries = self._counter("telemetry_handler_retries_total", "Exports tried again.", *handler)
        self.too_large = self._counter(
            "telemetry_handler_too_large_total", "Exports that were too large for the sink, and were halved.", *handler
        )
        self.consecutive_failures = self._gauge(
            "telemetry_handler_consecutive_failures", "Exports that failed since the sink last answered.", *handler
        )
        self.circuit_open = self._gauge(
            "telemetry_handler_circuit_open", "1: the sink fails and is only probed, one batch at a time.", *handler
        )
        self.dead_letter_bytes = self._gauge("telemetry_dead_letters_bytes", "Size of the dead letters kept.", *handler)
        self.dead_letter_files = self._gauge("telemetry_dead_letters_files", "Files of dead letters kept.", *handler)
        self.dead_letters_given_up = self._counter(
            "telemetry_dead_letters_given_up_rows_total", "Dead letters removed to make room for newer ones.", *handler
        )
        self.export_seconds = self._histogram(
            "telemetry_handler_export_seconds",
            "Time that one export took.",
            *handler,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )

    def raise_to(self, counter: Counter, total: float) -> None:
        """Bring a counter (of one label set) up to a total that someone else keeps; who keeps less begins anew."""
        before = self._totals.get(counter, 0.0)
        counter.inc(total - before if total >= before else total)
        self._totals[counter] = total

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the CPU time that this thread spends inside to the stage's."""
        began = thread_time()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).inc(thread_time() - began)
