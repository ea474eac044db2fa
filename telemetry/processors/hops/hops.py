"""The processor: entries wait, narrow, for the other end's, and leave as HOP rows."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import Batch, Template
from telemetry.processors.hops.addresses import numbers
from telemetry.processors.hops.answers import Answers
from telemetry.processors.hops.halves import HALF, IDS, ends_among, halves
from telemetry.processors.hops.halves import READS as HALF_READS
from telemetry.processors.hops.identities import IDENTITY, Identities
from telemetry.processors.hops.joining import OMITTED, joined
from telemetry.processors.hops.network_times import times_by_edge
from telemetry.processors.hops.reading import Reader
from telemetry.processors.hops.retried import Retried
from telemetry.processors.hops.seen import Seen
from telemetry.processors.hops.settings import HopsSettings
from telemetry.processors.hops.sweep import Settled, Sweep

__all__ = ["READS", "Hops"]

READS = frozenset({*HALF_READS, *IDENTITY, "context.reporter.kind"})

# Looking costs the more the more waits; with as many new entries as old ones its share stays constant.
_LOOK_AT = 65_536
# Each look copies what waits: after one for which so many had come, those few since can wait for the next.
_LATELY_NS = 500_000_000
# The pipeline's last flush is by the end of time.
_NO_CLOCK_SHOWS_NS = 1 << 62


class Hops:
    """Adds HOP batches, and METRIC batches of hops' times, to the LOGENTRY batches that pass.

    `seed`: hashes what clients write; `reader`: shared with who reads the same entries. `whole`: without it HOP rows
    have what edges and times are made of, and OMITTED is null. `results`: rows by `both`, `source`, `destination`;
    besides entries that were `duplicate`, `attempt` (of a request that has its row) or `told` (by a connection's other
    end), and of the rows those `evicted` for lack of room; who takes another's place goes on with its.
    """

    def __init__(
        self,
        settings: HopsSettings,
        *,
        seed: int,
        started_ns: int,
        reader: Reader | None = None,
        whole: bool = True,
        results: Counter[str] | None = None,
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._reader = reader or Reader()
        self._identities = Identities(seed)
        self._answers = Answers(seed)
        self._retried = Retried()
        self._seen = Seen()
        self._whole = whole
        self._waiting = pl.DataFrame(schema={name: dtype for name, dtype in HALF.items() if whole or name not in IDS})
        self._fresh: list[pl.DataFrame] = []
        self._fresh_rows = 0
        self._start_ns = self._latest_ns = started_ns
        self._looked_ns = 0
        self._template: Batch | None = None
        self.results: Counter[str] = Counter() if results is None else results

    @property
    def reads(self) -> Collection[str]:
        """The attributes that it looks at in LOGENTRY rows."""
        return READS if self._whole else READS - (OMITTED - {"request.id"})

    def be_whole(self) -> None:
        """Make HOP rows whole from now on; those of entries that came before lack their ids still."""
        self._whole = True

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
        self._latest_ns = now_ns = int(numbers(batch.rows["context.time"][:1])[0])
        if self._identities.full or self._answers.full:
            yield from self._look(now_ns, all_due=True)
            self._identities.clear()
            self._answers.clear()
        self._take(batch.rows, now_ns)
        if (
            self._fresh_rows >= max(_LOOK_AT, len(self._waiting))
            or self.waiting > self._settings.max_entries + _LOOK_AT
        ):
            self._looked_ns = now_ns
            yield from self._look(now_ns)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Give the hops that are complete, or have waited long enough; the next time, if that has just been done."""
        last = now_ns > _NO_CLOCK_SHOWS_NS
        self._latest_ns = self._latest_ns if last else now_ns
        lately = 0 <= now_ns - self._looked_ns < _LATELY_NS
        if self.waiting and not lately:
            yield from self._look(self._latest_ns, all_due=last)

    def _take(self, rows: pl.DataFrame, now_ns: int) -> None:
        reading, are_ends = self._reader.read(rows), ends_among(rows)
        if not are_ends.all():
            reading, rows = reading.take(are_ends), rows.filter(pl.Series(are_ends))
        if rows.is_empty():
            return
        slots = self._identities.slots(rows, now_ns)[rows["context.key"].to_numpy()]
        answers = self._answers.numbers(reading)
        new, entries = halves(rows, reading, slots, answers, self._seed, whole=self._whole)
        again = self._seen.again(entries)
        if again.any():
            # A connection's reports differ in what they add, which is no part of the hash.
            again &= ~self._answers.going_on(answers)
            self.results["duplicate"] += int(again.sum())
            new = new.filter(pl.Series(~again))
        self._fresh.append(new)
        self._fresh_rows += len(new)

    def _look(self, now_ns: int, *, all_due: bool = False) -> Iterator[Batch]:
        # What came before it was to be `whole` has fewer columns.
        here = pl.concat([self._waiting, *self._fresh], how="diagonal" if self._whole else "vertical", rechunk=True)
        self._fresh, self._fresh_rows = [], 0
        settled = Sweep(here, self._identities, self._answers, self._retried, self._settings, now_ns).settle(
            all_due=all_due
        )
        self._retried.lapse(now_ns)
        self._waiting = here[pl.Series(settled.left.astype(np.uint32))]
        rows = joined(here, settled.pairs, settled.alone, self._identities, self._answers)
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
