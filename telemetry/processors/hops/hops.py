"""The processor: entries wait, narrow, for the other end's, and leave as HOP rows."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import Batch, Template
from telemetry.processors.hops.halves import HALF, halves
from telemetry.processors.hops.halves import READS as HALF_READS
from telemetry.processors.hops.identities import IDENTITY, Identities
from telemetry.processors.hops.joining import joined
from telemetry.processors.hops.network_times import times_by_edge
from telemetry.processors.hops.retried import Retried
from telemetry.processors.hops.seen import Seen
from telemetry.processors.hops.settings import HopsSettings
from telemetry.processors.hops.sweep import Settled, Sweep

__all__ = ["READS", "Hops"]

READS: Collection[str] = frozenset({*HALF_READS, *IDENTITY, "context.reporter.kind"})

# Looking costs the more the more waits; with as many new entries as old ones its share stays constant.
_LOOK_AT = 65_536
_GOING = ("open", "continue")
# The pipeline's last flush is by the end of time.
_NO_CLOCK_SHOWS_NS = 1 << 62


class Hops:
    """Adds HOP batches, and METRIC batches of hops' times, to the LOGENTRY batches that pass.

    `seed`: hashes what clients write. `results`: rows by `both`, `source`, `destination`; besides entries that were
    `duplicate`, `attempt` (of a request that has its row) or `told` (by a connection's other end), and of the rows
    those `evicted` for lack of room.
    """

    reads = READS

    def __init__(self, settings: HopsSettings, *, seed: int, started_ns: int) -> None:
        self._settings = settings
        self._seed = seed
        self._identities = Identities(seed)
        self._retried = Retried()
        self._seen = Seen()
        self._waiting = pl.DataFrame(schema=HALF)
        self._fresh: list[pl.DataFrame] = []
        self._fresh_rows = 0
        self._start_ns = self._latest_ns = started_ns
        self._template: Batch | None = None
        self.results: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """How many entries wait."""
        return len(self._waiting) + self._fresh_rows

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch at once, and what it made of those before it."""
        yield batch
        if batch.template is not Template.LOGENTRY or batch.rows.is_empty():
            return
        self._template = replace(batch, template=Template.HOP, rows=batch.rows.clear(), kept=None)
        self._latest_ns = now_ns = int(batch.rows["context.time"].dt.epoch("ns")[0])
        if self._identities.full:
            yield from self._look(now_ns, all_due=True)
            self._identities.clear()
        # What happened in the mesh itself is nobody's request.
        rows = batch.rows.filter(pl.col("context.key").is_not_null()) if _has_events(batch.rows) else batch.rows
        if len(rows):
            self._take(rows, now_ns)
        if (
            self._fresh_rows >= max(_LOOK_AT, len(self._waiting))
            or self.waiting > self._settings.max_entries + _LOOK_AT
        ):
            yield from self._look(now_ns)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Give the hops that are complete, or have waited long enough."""
        last = now_ns > _NO_CLOCK_SHOWS_NS
        self._latest_ns = self._latest_ns if last else now_ns
        if self.waiting:
            yield from self._look(self._latest_ns, all_due=last)

    def _take(self, rows: pl.DataFrame, now_ns: int) -> None:
        slots = self._identities.slots(rows, now_ns)
        new, entries = halves(rows, self._seed)
        new = new.with_columns_seq(pl.Series("slot", slots[new["slot"].to_numpy()]))
        again = self._seen.again(entries)
        if again.any():
            # A connection's reports differ in what they add, which is no part of the hash.
            going = new["connection.event"].is_in(_GOING).fill_null(value=False).to_numpy()
            again &= ~going
            self.results["duplicate"] += int(again.sum())
            new = new.filter(~again)
        self._fresh.append(new)
        self._fresh_rows += len(new)

    def _look(self, now_ns: int, *, all_due: bool = False) -> Iterator[Batch]:
        here = pl.concat([self._waiting, *self._fresh], rechunk=True)
        self._fresh, self._fresh_rows = [], 0
        settled = Sweep(here, self._identities, self._retried, self._settings, now_ns).settle(all_due=all_due)
        self._retried.lapse(now_ns)
        self._waiting = here[settled.left]
        rows = joined(here, settled.pairs, settled.alone, self._identities)
        self._count(settled, here["client"].to_numpy()[settled.alone.rows])
        start_ns, self._start_ns = self._start_ns, now_ns
        if rows.is_empty() or self._template is None:
            return
        yield replace(self._template, rows=rows)
        times = times_by_edge(rows, self._seed, start_ns, now_ns)
        if times is not None:
            yield replace(self._template, template=Template.METRIC, rows=times)

    def _count(self, settled: Settled, by_client: npt.NDArray[np.bool_]) -> None:
        source = int(by_client.sum())
        rows = {
            "both": sum(len(some.client) for some in settled.pairs),
            "source": source,
            "destination": len(by_client) - source,
        }
        self.results.update({reporter: count for reporter, count in rows.items() if count})
        self.results.update({"attempt": settled.attempts, "evicted": settled.evicted, "told": settled.told})


def _has_events(rows: pl.DataFrame) -> bool:
    return bool(rows["context.key"].null_count())
