"""Counts entries as they pass, and compares them with what their Envoys say that there were."""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import Batch, Template
from telemetry.completeness.entries import READS, Senders, entries
from telemetry.completeness.envoys import Envoys
from telemetry.completeness.levels import OTHER_LISTENERS, SINKS, STATS, Level, levels
from telemetry.completeness.pending import Pending
from telemetry.completeness.points import frames
from telemetry.completeness.report import FIELDS, Report, report
from telemetry.completeness.window import Window

__all__ = ["Completeness", "Latest"]

Latest = Callable[[Collection[str]], pl.DataFrame]
Floats = npt.NDArray[np.float64]

# A flush at the end of all time: nothing that is still under way can be judged by then.
_NEVER_NS = 2**62
_KEPT_NS = 60 * 10**9
_SEEN = {"http": FIELDS.index("http_seen"), "tcp": FIELDS.index("tcp_seen")}
# Where the numbers of LEVELS are among FIELDS.
_TOLD = [FIELDS.index(name) for name in
         ("http_expected", "tcp_expected", "written", "dropped", "connect_failures", "broken_streams")]  # fmt: skip


def _nothing() -> Mapping[str, float]:
    return {}


class Completeness:
    """Adds METRIC batches (points.METRICS) every `interval_s`; entries pass as they are. Stands behind Connections.

    For every moment that an Envoy tells of (its flush), the requests that ended since the moment before, by its
    counters, are compared with the entries of requests that ended between the same two moments, by its clock. It is
    done `settle_s` after we heard of it: by then what was buffered has come. Sums go over the last `window_s`.

    `latest`: EnvoyStats.latest. `refresh` is for the thread that may call it, `process` and `flush` are for the
    pipeline's, `report` and `ratio` for any. `refusals` gives counters of what we refused ourselves, by reason. At most
    `max_envoys` are counted; `ignored` says how often there was one more.
    """

    reads = READS

    def __init__(
        self,
        latest: Latest,
        *,
        receiver: str,
        epoch: int,
        seed: int,
        window_s: float = 300.0,
        interval_s: float = 10.0,
        settle_s: float = 10.0,
        max_envoys: int = 10_000,
        max_pending: int = 2_000_000,
        other_listeners: Collection[str] = OTHER_LISTENERS,
        sinks: str = SINKS,
        refusals: Callable[[], Mapping[str, float]] = _nothing,
    ) -> None:
        self._latest = latest
        self._receiver, self._epoch = receiver, epoch
        self._seed = seed
        self._interval_ns, self._settle_ns = round(interval_s * 1e9), round(settle_s * 1e9)
        self._window_ns = round(window_s * 1e9)
        self._keep_ns = max(_KEPT_NS, 3 * self._settle_ns)
        self._others, self._sinks = other_listeners, re.compile(sinks)
        self._told: deque[list[Level]] = deque(maxlen=64)
        self._envoys = Envoys(limit=max_envoys)
        self._senders = Senders(self._envoys)
        self._pending = {name: Pending(keep_ns=self._keep_ns, max_entries=max_pending) for name in _SEEN}
        intervals = max(1, round(window_s / interval_s))
        self._window = Window(intervals=intervals, interval_ns=self._interval_ns, fields=len(FIELDS))
        self._refusals = refusals
        self._refused: deque[float] = deque([sum(refusals().values())], maxlen=intervals + 1)
        self._flushed_ns = 0
        self._report = Report()

    @property
    def ignored(self) -> int:
        """Batches' Envoys, and Envoys' flushes, beyond `max_envoys`."""
        return self._envoys.ignored

    @property
    def pending(self) -> int:
        """Entries that wait to be compared."""
        return sum(map(len, self._pending.values()))

    @property
    def report(self) -> Report:
        """What is known by now; made anew every `interval_s`."""
        return self._report

    def ratio(self) -> float | None:
        """Give the share of all requests and connections that was seen, None when nobody knows."""
        return self._report.all.ratio

    def refresh(self, now_ns: int) -> None:
        """Ask Envoys' stats."""
        self._told.append(levels(self._latest(STATS), self._others, self._sinks))

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch, having counted its entries."""
        if batch.template is Template.LOGENTRY and len(batch.rows):
            now_ns = int(batch.rows["context.time"].to_numpy().view(np.int64)[0])
            counted = entries(batch.rows, self._senders, now_ns)
            for name, (code, time_ns) in (("http", counted.http), ("tcp", counted.tcp)):
                if len(code):
                    self._pending[name].add(now_ns, code, time_ns)
        return (batch,)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Give METRIC batches when an interval is over."""
        if now_ns >= _NEVER_NS or now_ns - self._flushed_ns < self._interval_ns:
            return ()
        start_ns, self._flushed_ns = self._flushed_ns or now_ns - self._interval_ns, now_ns
        self._hear()
        added = self._compared(now_ns)
        self._window.add(now_ns, added)
        self._refused.append(sum(self._refusals().values()))
        self._forget(now_ns)
        self._report = self._made(now_ns, self._window.sums())
        more = self._made(now_ns, added)
        return [self._batch(frame) for frame in frames(self._report, more, start_ns, self._seed)]

    def _hear(self) -> None:
        while self._told:
            for level in self._told.popleft():
                envoy = self._envoys.find(level.node, (level.workload, level.namespace, None), level.received_ns)
                if envoy is not None:
                    envoy.tell(level)

    def _compared(self, now_ns: int) -> Floats:
        """Give what every Envoy has more, a row each, as FIELDS, up to the newest moment whose entries have come."""
        added = np.zeros((self._envoys.size, len(FIELDS)))
        until_ns = np.full(self._envoys.size, -1, np.int64)
        judged = np.zeros(self._envoys.size, np.bool_)
        for envoy in self._envoys:
            level = envoy.due(now_ns - self._settle_ns)
            if level is not None:
                until_ns[envoy.code] = level.snapshot_ns
                told = envoy.advance(level)
                if told is not None:
                    added[envoy.code, _TOLD] = told
                    judged[envoy.code] = True
            envoy.known = envoy.base is not None and envoy.base.received_ns >= now_ns - self._window_ns
        for name, column in _SEEN.items():
            seen = self._pending[name].close(until_ns, now_ns)
            added[judged, column] = seen[judged]
        return added

    def _made(self, now_ns: int, sums: Floats) -> Report:
        refused_here = self._refused[-1] - self._refused[0]
        return report(now_ns, self._window_ns / 1e9, self._envoys, sums, refused_here=refused_here)

    def _forget(self, now_ns: int) -> None:
        self._senders.clear()
        # Who is known to Senders is not asked again in this interval, and entries wait: they still have its number.
        for envoy in self._envoys.silent(now_ns - self._window_ns - self._interval_ns - self._keep_ns):
            self._window.forget(envoy.code)
            for pending in self._pending.values():
                pending.forget(envoy.code)

    def _batch(self, frame: pl.DataFrame) -> Batch:
        return Batch(Template.METRIC, frame, self._receiver, self._epoch, 0)
