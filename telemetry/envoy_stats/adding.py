"""One flush of one Envoy, added to what it said before: what has grown or changed becomes points."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.envoy_stats.counting import Process
from telemetry.envoy_stats.envoy import NO_ROOM, TWIN, Envoy, Slots
from telemetry.envoy_stats.points import Part
from telemetry.envoy_stats.rules import Rules
from telemetry.envoy_stats.stats import COUNTER, DENIED, KEPT, VERDICTS, Stats
from telemetry.envoy_stats.tables import Chunk, Floats, Numbers

__all__ = ["UPTIME", "Adding"]

UPTIME = "server.uptime"


@dataclass(frozen=True, slots=True)
class Adding:
    """Adds flush number `flush` of the chunk, which is this Envoy's. `listening_ns`: since when we listen."""

    rules: Rules
    stats: Stats
    chunk: Chunk
    flush: int
    envoy: Envoy
    listening_ns: int

    def run(self) -> None:
        """Add everything in it."""
        part = self.chunk.numbers.part(self.flush)
        stat, value = self.chunk.numbers.stat[part], self.chunk.numbers.value[part]
        timestamp_ms = self.chunk.timestamps_ms[self.flush]
        process = self.envoy.begin(timestamp_ms, self._uptime_s(stat, value), self.chunk.now_ns)
        self._numbers("numbers", stat, value, process=process)
        histograms, summaries = self.chunk.histograms.part(self.flush), self.chunk.summaries.part(self.flush)
        if histograms.start < histograms.stop:
            # Envoy sends both by default: the summaries tell nothing more.
            self._histograms(histograms)
        elif summaries.start < summaries.stop:
            self._summaries(summaries)
        self.envoy.end(self.chunk.now_ns)

    def _uptime_s(self, stat: Numbers, value: Floats) -> float:
        if not self.envoy.new_stream and not np.isnan(self.envoy.uptime_s):
            return self.envoy.uptime_s + (self.chunk.now_ns - self.envoy.flushed_ns) / 1e9
        told = value[np.isin(stat, list(self.stats.by_stat.get(UPTIME, ())))]
        return float(told[0]) if len(told) else np.nan

    def _numbers(
        self, table: str, stat: Numbers, value: Floats, *, process: Process = "same", increases: bool = False
    ) -> None:
        """Add counters and gauges; `increases`: the counters are none but that."""
        envoy, now_ns = self.envoy, self.chunk.now_ns
        slots = self._slots(table, stat)
        if (slots < 0).any():
            here = slots >= 0
            slots, stat, value = slots[here], stat[here], value[here]
        last, counter = envoy.last[slots], self.stats.kind[stat] == COUNTER
        told = value
        if counter.any() and not increases:
            told = value.copy()
            told[counter] = self._increases(last[counter], value[counter], process)
        changed = np.where(counter, told > 0, value != last)
        given = np.flatnonzero(changed | self._due(slots))
        envoy.last[slots] = value
        envoy.total[slots] = np.where(counter, envoy.total[slots] + told, value)
        envoy.shown_ns[slots[given]] = now_ns
        self._give(stat[given], told[given])

    def _increases(self, last: Floats, value: Floats, process: Process) -> Floats:
        counting, envoy = self.envoy.counting, self.envoy
        grown = counting.increases(last, value, process)
        if envoy.flushes == 0 and not counting.deltas and not self._keeps_initial():
            return np.zeros_like(grown)
        return grown

    def _keeps_initial(self) -> bool:
        """Say whether the totals with which an Envoy comes to us count as increases."""
        if self.rules.initial_value == "auto":
            return self.envoy.flushed_ns >= self.listening_ns
        return self.rules.initial_value == "keep"

    def _histograms(self, part: slice) -> None:
        """Add histograms, which Envoy sends as increases."""
        envoy, table = self.envoy, self.chunk.histograms
        stat = table.stat[part]
        slots = self._slots("histograms", stat)
        count = table.rows["count"][part].to_numpy()
        given = np.flatnonzero((slots >= 0) & ((count > 0) | self._due(slots)))
        given = given[self._admitted(stat[given], part.start + given)]
        envoy.total[slots[given]] += count[given]
        envoy.shown_ns[slots[given]] = self.chunk.now_ns
        self._give(stat[given], table.value[part][given], part.start + given)

    def _admitted(self, stat: Numbers, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Mark the histograms whose metric may have their bounds."""
        bounds = self.chunk.histograms.rows["bounds"].gather(pl.Series(rows, dtype=pl.UInt32)).to_list()
        metric = self.stats.metric[stat].tolist()
        admitted = np.fromiter(map(self.stats.metrics.admits, metric, map(tuple, bounds)), np.bool_, len(rows))
        self.chunk.rejected["too_many_bounds"] += int((~admitted).sum())
        return admitted

    def _summaries(self, part: slice) -> None:
        """Add the summaries of an Envoy that sends no histograms: counters for sum and count, gauges for quantiles."""
        told = self.chunk.summaries.rows[part].select("stat", "count", "sum", "quantiles", "values").rows()
        pairs = [
            (self.stats.part(stat, name, self.chunk.now_ns), value)
            for stat, count, total, quantiles, values in told
            for name, value in zip((*quantiles, "sum", "count"), (*values, total, count), strict=True)
        ]
        self.stats.seen_ns[self.chunk.summaries.stat[part]] = self.chunk.now_ns
        stat, value = np.array([pair[0] for pair in pairs], np.uint32), np.array([float(pair[1]) for pair in pairs])
        self._numbers("summaries", stat, value, increases=True)

    def _slots(self, table: str, stat: Numbers) -> Slots:
        """Give the slot of each stat, negative for those that don't count; marks them as seen."""
        now_ns, rejected = self.chunk.now_ns, self.chunk.rejected
        self.stats.seen_ns[stat] = now_ns
        verdict = self.stats.verdict[stat]
        if verdict.any():
            slots = np.full(len(stat), NO_ROOM, np.intp)
            kept = np.flatnonzero(verdict == KEPT)
            slots[kept] = self.envoy.slots(table, stat[kept])
            refused = np.bincount(verdict, minlength=len(VERDICTS)).tolist()
            rejected.update(dict(zip(VERDICTS[DENIED:], refused[DENIED:], strict=True)))
            rejected["too_many_series"] -= len(stat) - len(kept)
        else:
            slots = self.envoy.slots(table, stat)
        rejected["too_many_series"] += int(np.count_nonzero(slots == NO_ROOM))
        rejected["duplicate_stat"] += int(np.count_nonzero(slots == TWIN))
        self.envoy.seen_ns[slots[slots >= 0]] = now_ns
        return slots

    def _due(self, slots: Slots) -> NDArray[np.bool_]:
        """Mark series that no sink has heard of for long, if ever."""
        due: NDArray[np.bool_] = self.chunk.now_ns - self.envoy.shown_ns[slots] >= self.rules.refresh_ns
        return due

    def _give(self, stat: Numbers, value: Floats, row: NDArray[np.intp] | None = None) -> None:
        envoy = self.envoy
        self.chunk.points.add(Part(envoy.code, envoy.hash, envoy.flushed_ns, stat, value, row))
