"""Which of the traces at hand are kept."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.hashes import Hashes, among, combined, sorted_out
from telemetry.processors.hops.seen import Marks
from telemetry.processors.spans.identifiers import trace_ids
from telemetry.processors.spans.sampling import ALL, randomness, threshold
from telemetry.processors.spans.settings import SamplingSettings

__all__ = ["Judge", "Traces", "traces_of"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Traces:
    """Which trace each row is of, by hash, and what the trace's id is made of."""

    key: Hashes
    header: pl.Series
    """The ids that headers give, of the row or of its kin; null where none does."""
    request: pl.Series

    def __len__(self) -> int:
        """How many traces there are."""
        in_order = np.sort(self.key)
        return int(np.count_nonzero(in_order[1:] != in_order[:-1])) + bool(len(in_order))

    @cached_property
    def number(self) -> Ints:
        """Of each row the number of its trace."""
        return sorted_out(self.key)[1]

    @cached_property
    def ids(self) -> pl.Series:
        """Each row's trace id; what has no header's is made."""
        if not self.header.null_count():
            return self.header
        bare = np.flatnonzero(self.header.is_null().to_numpy())
        made = trace_ids(self.request[pl.Series(bare)], self.key[bare])
        if len(bare) == len(self.header):
            return made
        place = np.arange(len(self.header))
        place[bare] = len(self.header) + np.arange(len(bare))
        return pl.concat([self.header, made], rechunk=True)[pl.Series(place)]

    def any(self, rows: Bools) -> Bools:
        """Tell of each trace whether one of its rows is marked."""
        return np.bincount(self.number, weights=rows, minlength=int(self.number.max()) + 1) > 0


def traces_of(outlines: pl.DataFrame) -> tuple[Hashes, pl.Series]:
    """Give each row's trace: its hash, and its id where a header gives it.

    What has no trace header, but the request id of something that has one, belongs to the same trace; what has a
    request id only, to that request; what has neither, to nothing.
    """
    trace, request, header = outlines["trace"].to_numpy(), outlines["id"].to_numpy(), outlines["trace.id"]
    bare = trace == 0
    if not bare.any():
        return trace, header
    place = np.arange(len(trace), dtype=np.uint64)
    ends = (outlines[name].to_numpy().view(np.uint64) for name in ("from", "to", "start"))
    key = np.where(bare, np.where(request != 0, request, combined(*ends, place)), trace)
    rows = np.flatnonzero(~bare & (request != 0))
    bare_rows = np.flatnonzero(bare & (request != 0))
    bare_rows = bare_rows[among(request[bare_rows], request[rows])]
    if not len(bare_rows):
        return key, header
    known, first = np.unique(request[rows], return_index=True)
    kin = rows[first[np.searchsorted(known, request[bare_rows])]]
    key[bare_rows] = trace[kin]
    return key, header.scatter(bare_rows, header.gather(kin))


class Judge:
    """Says which traces are kept, and remembers those that tail rules kept: late spans follow them."""

    def __init__(self, settings: SamplingSettings, results: Counter[str]) -> None:
        self._settings = settings
        self._threshold = threshold(settings)
        self._by_tail = Marks()
        self._results = results

    def keep(self, outlines: pl.DataFrame, traces: Traces, elapsed_s: float) -> Bools:
        """Tell of each row whether its trace is kept. `elapsed_s`: the time for which the rate is granted."""
        if self._keeps_all(outlines):
            self._results["head"] += len(traces)
            return np.ones(len(outlines), np.bool_)
        by_tail = traces.any(outlines["wanted"].to_numpy() | self._by_tail.marked(traces.key))
        by_head = self._by_head(outlines, traces)
        if self._settings.max_traces_per_s is not None:
            by_head &= self._within_rate(outlines, traces, by_head & ~by_tail, elapsed_s)
        self._by_tail.mark(traces.key[by_tail[traces.number]])
        kept = by_head | by_tail
        self._results.update(head=int((by_head & ~by_tail).sum()), tail=int(by_tail.sum()), dropped=int((~kept).sum()))
        rows: Bools = kept[traces.number]
        return rows

    def _keeps_all(self, outlines: pl.DataFrame) -> bool:
        """Whether nothing speaks against any trace, nor a tail rule for one: then none need be told from others."""
        if self._threshold != ALL or self._settings.max_traces_per_s is not None:
            return False
        heeded = self._settings.follow_caller and not outlines["trace.sampled"].all()
        return not (heeded or self._by_tail or outlines["wanted"].any())

    def _by_head(self, outlines: pl.DataFrame, traces: Traces) -> Bools:
        chance = np.ones(len(outlines), np.bool_)
        if self._threshold != ALL:
            chance = randomness(traces.ids, outlines["trace.state"]) >= np.uint64(self._threshold)
        by_chance = traces.any(chance)
        flags = outlines["trace.sampled"]
        if not self._settings.follow_caller or flags.null_count() == len(flags):
            return by_chance
        told, sampled = traces.any(flags.is_not_null().to_numpy()), traces.any(flags.fill_null(value=False).to_numpy())
        return np.where(told, sampled, by_chance)

    def _within_rate(self, outlines: pl.DataFrame, traces: Traces, asking: Bools, elapsed_s: float) -> Bools:
        """Tell which traces a rate lets pass: those of the greatest randomness, so that all who limit agree most."""
        granted = max(1, int((self._settings.max_traces_per_s or 0) * elapsed_s))
        if asking.sum() <= granted:
            return np.ones(len(asking), np.bool_)
        chance = np.zeros(len(asking), np.uint64)
        chance[traces.number] = randomness(traces.ids, outlines["trace.state"])
        order = np.argsort(np.where(asking, chance.astype(np.int64), -1), kind="stable")
        allowed = ~asking
        allowed[order[-granted:]] = True
        return allowed
