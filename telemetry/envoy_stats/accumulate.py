"""From flushes of Envoys' stats to METRIC batches: what has grown, what has changed."""

from collections.abc import Callable, Collection, Iterator
from itertools import count

import polars as pl

from telemetry import native
from telemetry.batch import Batch, Template
from telemetry.envoy_stats.adding import Adding
from telemetry.envoy_stats.envoys import Envoys, Who
from telemetry.envoy_stats.latest import latest
from telemetry.envoy_stats.rules import Rules
from telemetry.envoy_stats.stats import VERDICTS, Stats
from telemetry.envoy_stats.tables import Chunk, Flushes, chunk_of
from telemetry.node import Node
from telemetry.selfmetrics import SelfMetrics

__all__ = ["EnvoyStats"]

_DENIED = VERDICTS[1]


class EnvoyStats:
    """Gives METRIC batches of increases (counters, histograms) and values (gauges). For one thread.

    A stat that has not changed makes no row, but for one each `refresh_ns`: a sink that forgets idle series keeps it.
    `who` tells who an Envoy is; `epoch` (ns) is when we began to listen; `seed` (64 bytes at most) hashes series;
    `numbers` gives batches their sequence: the pipeline's, where both are one receiver.
    """

    def __init__(
        self,
        rules: Rules,
        metrics: SelfMetrics,
        who: Callable[[Node], Who],
        *,
        receiver: str,
        epoch: int,
        seed: bytes,
        numbers: Iterator[int] | None = None,
    ) -> None:
        self._rules = rules
        self._metrics = metrics
        self._receiver = receiver
        self._epoch = epoch
        self._numbers = count(1) if numbers is None else numbers
        self._names = native.StatNames(rules.max_names)
        # Whoever asks the decoder's own count waits for it, with the GIL in hand.
        self._named = 0
        self._stats = Stats(rules, seed=seed)
        self._envoys = Envoys(rules, who, self._stats.hash_of)
        self._expired_ns = 0

    def run(self, flushes: Flushes) -> list[Batch]:
        """Give the batches that came of the flushes."""
        senders = [self._envoys.sender(node, flushes.received_ns) for node in flushes.distinct]
        chunk = self._decode(flushes, [senders[at].style for at in flushes.nodes])
        with self._metrics.stage("envoy_accumulate"):
            for flush, at in enumerate(flushes.nodes):
                envoy = senders[at].envoy
                if envoy.takes(flushes.distinct[at], chunk.timestamps_ms[flush]):
                    before = envoy.counting.resets_total
                    Adding(self._rules, self._stats, chunk, flush, envoy, self._epoch).run()
                    self._metrics.stat_resets.inc(envoy.counting.resets_total - before)
                else:
                    chunk.rejected["duplicate_stream"] += chunk.rows(flush)
        self._count(chunk)
        with self._metrics.stage("envoy_batches"):
            frames = list(chunk.points.frames(self._stats, self._envoys.identities, chunk.histograms.rows))
        return [Batch(Template.METRIC, frame, self._receiver, self._epoch, next(self._numbers)) for frame in frames]

    def flush(self, now_ns: int) -> list[Batch]:
        """Forget, now and then, what has not been sent for `expire_after_ns`. Gives no batches."""
        if now_ns - self._expired_ns >= self._rules.expire_after_ns // 16:
            self._expired_ns = now_ns
            before_ns = now_ns - self._rules.expire_after_ns
            self._envoys.expire(before_ns)
            self._names.forget(self._stats.forget_unseen(before_ns))
            self._named = len(self._names)
        return []

    def measure(self) -> None:
        """Bring our own gauges up to date."""
        self._metrics.stat_envoys.set(sum(envoy.alive for envoy in self._envoys))
        self._metrics.stat_names.set(self._named)
        self._metrics.stat_series.set(self._envoys.series)

    def latest(self, stats: Collection[str]) -> pl.DataFrame:
        """Give what every Envoy said last of these stats, named as Envoy does without tags: cluster.upstream_rq_active.

        Columns: the identity labels, stat, labels (list of struct name, value), kind (counter, gauge), value (of a
        counter: its increase since we know the Envoy), time (ns since 1970, when it came), snapshot (when the Envoy
        made its last flush, ns since 1970 by its own clock; 0 if not told), alive (its stream is open).
        For the thread that calls `run`.
        """
        return latest(stats, self._stats, self._envoys.identities, list(self._envoys))

    def _decode(self, flushes: Flushes, styles: list[int]) -> Chunk:
        with self._metrics.stage("envoy_decode"):
            decoded = native.decode_metrics(flushes.messages, styles, self._names)
            chunk = chunk_of(decoded, flushes.received_ns)
            self._named = len(self._names)
        with self._metrics.stage("envoy_names"):
            self._stats.learn(decoded.stats, flushes.received_ns)
        chunk.rejected.update(decoded.rejected)
        for reason, repaired in decoded.repaired.items():
            self._metrics.stats_repaired.labels(reason).inc(repaired)
        self._metrics.stats_decoded.inc(sum(len(t.stat) for t in (chunk.numbers, chunk.histograms, chunk.summaries)))
        return chunk

    def _count(self, chunk: Chunk) -> None:
        self._metrics.stats_denied.inc(chunk.rejected.pop(_DENIED, 0))
        for reason, rejected in chunk.rejected.items():
            if rejected:
                self._metrics.stats_rejected.labels(reason).inc(rejected)
