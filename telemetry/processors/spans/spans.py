"""The processor: entries wait until their trace is over, then leave as its spans, or not at all."""

import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.processors.hops.addresses import numbers
from telemetry.processors.hops.hashes import Hashes, among
from telemetry.processors.hops.reading import Reader, Reading
from telemetry.processors.spans.context import Tracer, identified
from telemetry.processors.spans.entry_kinds import Kinds
from telemetry.processors.spans.judged import Judge, Traces, traces_of
from telemetry.processors.spans.outline import outline
from telemetry.processors.spans.rows import span_rows, taken
from telemetry.processors.spans.sampling import ALL, randomness, tail, threshold, trace_state
from telemetry.processors.spans.settings import TracesSettings

__all__ = ["READS", "Spans"]

READS: Collection[str] = frozenset(SCHEMAS[Template.LOGENTRY])
"""Spans carry every attribute of their entries."""

Bools = npt.NDArray[np.bool_]
_Rows = TypeVar("_Rows", pl.DataFrame, pl.Series)
_KEY = list(SCHEMAS[Template.TRACESPAN]).index("context.key")
_SECOND_NS = 1_000_000_000
# With less than this share of its entries wanted, a batch is not held whole.
_WORTH_KEEPING = 0.5


@dataclass(frozen=True, slots=True)
class _Held:
    """Entries that wait, and their outlines (those that may become spans)."""

    entries: pl.DataFrame
    outlines: pl.DataFrame
    kinds: pl.DataFrame
    """What Kinds says of each kind."""


class Spans:
    """Adds TRACESPAN batches to what passes, each of whole traces as far as they have been told.

    Time goes in windows: what came in one is judged at the end of the next, with what came of its traces until then.
    `matches`: the tail rules of the settings, compiled; `reader`: shared with who reads the same entries. `results`:
    traces by `head` and `tail` (kept because of), and `dropped`; `unsampled` spans, which were not even held;
    `hurried` ones, which left before their time; who takes another's place goes on with its.
    """

    reads = READS

    def __init__(
        self,
        settings: TracesSettings,
        matches: Sequence[pl.Expr] = (),
        *,
        reader: Reader | None = None,
        results: Counter[str] | None = None,
    ) -> None:
        self._settings = settings
        self._reader = reader or Reader()
        self._window_ns = int(settings.window_s * _SECOND_NS)
        self._tail = tail(settings.tail, matches)
        self._threshold = threshold(settings.sampling)
        self._state = trace_state(self._threshold)
        self.results: Counter[str] = Counter() if results is None else results
        self._judge = Judge(settings.sampling, self.results)
        self._tracer = Tracer(settings.envoy_tracer)
        self._kinds = Kinds(secrets.randbits(64))
        self._old: list[_Held] = []
        self._new: list[_Held] = []
        self._began_ns: int | None = None
        self._origin: Batch | None = None

    @property
    def waiting(self) -> int:
        """How many spans wait."""
        return sum(len(held.outlines) for held in (*self._old, *self._new))

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch at once; and traces, where there is no room for more."""
        yield batch
        if batch.template is not Template.LOGENTRY or batch.rows.is_empty():
            return
        now_ns = int(numbers(batch.rows["context.time"][:1])[0])
        self._origin = replace(batch, template=Template.TRACESPAN, rows=batch.rows.clear(), kept=None)
        yield from self._turn(now_ns)
        self._hold(batch.rows)
        if self.waiting > self._settings.max_spans:
            self.results["hurried"] += self.waiting
            yield from self._judged([*self._old, *self._new], [])

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Give the traces whose window is over."""
        return self._turn(now_ns)

    def _turn(self, now_ns: int) -> Iterator[Batch]:
        if self._began_ns is None:
            self._began_ns = now_ns
        if now_ns - self._began_ns < self._window_ns:
            return
        # Whoever has slept through more than one window has waited long enough for both.
        whole = now_ns - self._began_ns >= 2 * self._window_ns
        self._began_ns = now_ns
        yield from self._judged([*self._old, *self._new], []) if whole else self._judged(self._old, self._new)

    def _hold(self, entries: pl.DataFrame) -> None:
        reading = self._reader.read(entries)
        outlines = _only(outline(entries, reading, self._tail), _are_requests(entries, reading))
        kept = self._may_be_kept(outlines)
        self.results["unsampled"] += int(len(kept) - kept.sum())
        if not kept.any():
            return
        outlines = _only(outlines, kept)
        if len(outlines) < _WORTH_KEEPING * len(entries):
            entries = taken(entries, outlines["row"])
            outlines = outlines.with_columns(row=pl.int_range(pl.len(), dtype=pl.UInt32))
        self._new.append(_Held(entries, outlines, self._kinds.of(reading.kinds)))

    def _may_be_kept(self, outlines: pl.DataFrame) -> Bools:
        """Tell what is worth holding: with tail rules all; else what the head has not decided against."""
        rows = np.ones(len(outlines), np.bool_)
        sampling = self._settings.sampling
        if self._tail is not None:
            return rows
        flags = outlines["trace.sampled"]
        if sampling.follow_caller and not flags.all():
            rows &= flags.fill_null(value=True).to_numpy()
        if self._threshold != ALL:
            told = flags.is_not_null().to_numpy() & sampling.follow_caller
            chance = randomness(outlines["trace.id"], outlines["trace.state"]) >= np.uint64(self._threshold)
            # Without a header its request id may still lead to one.
            rows &= told | chance | outlines["trace.id"].is_null().to_numpy()
        return rows

    def _judged(self, due: list[_Held], fresh: list[_Held]) -> Iterator[Batch]:
        """Judge the traces of what is due; what is fresh of other traces goes on waiting."""
        self._old, self._new = [], []
        everything = [*due, *fresh]
        if not everything:
            return
        outlines = pl.concat(
            [held.outlines.with_columns(frame=pl.lit(at, pl.UInt32)) for at, held in enumerate(everything)],
            rechunk=True,
        )
        key, ids = traces_of(outlines)
        is_due = np.ones(len(key), np.bool_)
        at = sum(len(held.outlines) for held in due)
        is_due[at:] = among(key[at:], key[:at])
        self._old = [one for one in self._left(outlines, is_due, len(due), fresh) if len(one.outlines)]
        outlines, ids = _only(outlines, is_due), _only(ids, is_due)
        traces = Traces(_chosen(key, is_due), ids, outlines["request.id"])
        kept = self._judge.keep(outlines, traces, self._settings.window_s) if len(outlines) else is_due[:0]
        if kept.any():
            yield from self._made(everything, _only(outlines, kept), _chosen(traces.key, kept), _only(traces.ids, kept))

    def _left(self, outlines: pl.DataFrame, is_due: Bools, first: int, fresh: list[_Held]) -> Iterator[_Held]:
        waiting = _only(outlines, ~is_due)
        for at, held in enumerate(fresh, start=first):
            yield replace(held, outlines=waiting.filter(pl.col("frame") == at))

    def _made(self, held: list[_Held], outlines: pl.DataFrame, key: Hashes, ids: pl.Series) -> Iterator[Batch]:
        state = pl.coalesce(pl.when(pl.col("trace.state") != "").then("trace.state"), pl.lit(self._state, pl.String))
        told = identified(outlines, key, self._tracer).hstack(
            [
                ids.alias("span.trace_id"),
                outlines.select_seq(state).to_series().alias("span.trace_state"),
                outlines["trace.sampled"].fill_null(value=True).alias("span.sampled"),
            ]
        )
        numbers, starts = np.unique(outlines["frame"].to_numpy(), return_index=True)
        rows, keys = [], 0
        # Outlines stand in the order of their frames.
        for at, start, end in zip(numbers, starts, [*starts[1:], len(outlines)], strict=True):
            positions, kinds = (outlines[name].slice(start, end - start) for name in ("row", "kind"))
            made = span_rows(held[at].entries, positions, told.slice(start, end - start), held[at].kinds[kinds])
            # The keys of another frame mean others.
            rows.append(made.replace_column(_KEY, made["context.key"] + keys))
            keys += int(held[at].entries["context.key"].to_numpy().max(initial=0)) + 1
        if self._origin is not None:
            yield replace(self._origin, rows=pl.concat(rows, rechunk=False))


def _are_requests(entries: pl.DataFrame, reading: Reading) -> Bools:
    counts = entries["request.counts"]
    counted = (counts.fill_null(value=False) if counts.null_count() else counts).to_numpy()
    speaks = reading.kinds["context.protocol"] != "tcp"
    if speaks.all(ignore_nulls=False):
        return counted
    requests: Bools = counted & speaks.fill_null(value=False).to_numpy()[reading.kind]
    return requests


def _only(rows: _Rows, chosen: Bools) -> _Rows:
    """Give the chosen rows; mostly all are, and then nothing is copied."""
    return rows if chosen.all() else rows.filter(pl.Series(chosen))


def _chosen(hashes: Hashes, chosen: Bools) -> Hashes:
    return hashes if chosen.all() else hashes[chosen]
