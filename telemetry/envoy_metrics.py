"""Envoys' own metrics, from their streams to the journal: what belongs together for that."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from telemetry.batch import Batch
from telemetry.config import Settings
from telemetry.envoy_stats.accumulate import EnvoyStats
from telemetry.envoy_stats.envoys import who_by
from telemetry.feed import Feed
from telemetry.journal import Journal
from telemetry.mesh.resolve import Resolver
from telemetry.receivers import metrics as receiver
from telemetry.receivers.coalesce import Chunk, Coalescer
from telemetry.receivers.server import StreamHandler
from telemetry.saturation import Breakers
from telemetry.selfmetrics import SelfMetrics

__all__ = ["EnvoyMetrics", "StatsWork"]

_LOOK_NS = 5_000_000_000


class StatsWork:
    """The engine as a feed runs it; now and then `watchers` are called, in the thread that may ask the engine."""

    def __init__(self, stats: EnvoyStats, watchers: Sequence[Callable[[int], None]]) -> None:
        self._stats = stats
        self._watchers = tuple(watchers)
        self._looked_ns = 0

    def run(self, chunk: Chunk) -> list[Batch]:
        """Give the batches that came of these flushes."""
        return self._stats.run(chunk)

    def flush(self, now_ns: int) -> list[Batch]:
        """Forget what is no longer sent, and let watchers look."""
        if now_ns - self._looked_ns >= _LOOK_NS:
            self._looked_ns = now_ns
            for watcher in self._watchers:
                watcher(now_ns)
        return self._stats.flush(now_ns)

    def retire(self, successor: "StatsWork") -> list[Batch]:
        """Nothing is held back."""
        return []


class EnvoyMetrics:
    """The metrics service's parts; they live as long as the service. `numbers`: as the pipeline's."""

    def __init__(
        self, settings: Settings, metrics: SelfMetrics, resolver: Resolver, *, epoch: int, numbers: Iterator[int]
    ) -> None:
        own, grpc = settings.receiver.metrics, settings.receiver.grpc
        self._metrics = metrics
        self.coalescer = Coalescer(
            max_delay_s=own.max_delay_s,
            max_entries=receiver.MAX_STATS,
            max_pending_bytes=own.max_pending_bytes,
            clock_ns=time.time_ns,
        )
        service = receiver.Metrics(
            self.coalescer,
            metrics,
            max_message_bytes=own.max_message_bytes,
            max_pending_bytes=own.max_pending_bytes,
            max_streams_per_peer=grpc.max_streams_per_peer,
            learn=resolver.learn,
        )
        self.methods: Mapping[str, StreamHandler] = {receiver.METHOD: service.stream}
        self.hard_limit_bytes = 2 * own.max_message_bytes
        self.stats = EnvoyStats(
            own.rules(),
            metrics,
            who_by(resolver),
            receiver=settings.receiver.name,
            epoch=epoch,
            seed=secrets.token_bytes(32),
            numbers=numbers,
        )
        self.breakers = Breakers(self.stats.latest)

    def feed(
        self,
        journal: Journal,
        show: Callable[[Sequence[Batch]], None],
        watchers: Sequence[Callable[[int], None]] = (),
    ) -> Feed[StatsWork]:
        """Give what takes flushes through the engine into the journal."""
        work = StatsWork(self.stats, [self.breakers.refresh, *watchers])
        return Feed(self.coalescer, work, journal, self._metrics.stats_rejected.labels("pipeline_error"), show)

    def measure(self) -> None:
        """Bring the gauges of these parts up to date."""
        self.stats.measure()
        self._metrics.stat_pending_bytes.set(self.coalescer.pending_bytes)
