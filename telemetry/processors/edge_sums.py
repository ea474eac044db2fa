"""What an edge adds up from its hops: counts, bytes, times."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import LATENCY
from telemetry.processors.buckets import Bounds
from telemetry.processors.edge_slots import Slots
from telemetry.processors.groups import Groups
from telemetry.processors.hops.addresses import numbers
from telemetry.processors.hops.hashes import distinct
from telemetry.processors.signals import BOUNDS

__all__ = ["LATENCIES", "READS", "SUMS", "Alike", "EdgeSums", "alike", "milliseconds"]

Floats = npt.NDArray[np.float64]

_NO = False
_tcp = pl.col("context.protocol") == "tcp"
_ended = ~_tcp | (pl.col("connection.event") == "close")
_told = pl.col("hop.reporter")


def _outcome(name: str) -> pl.Expr:
    return _ended & (pl.col("response.outcome") == name)


SUMS = {
    "requests": ~_tcp,
    "requests_paired": ~_tcp & (_told == "both"),
    "requests_source_only": ~_tcp & (_told == "source"),
    "requests_destination_only": ~_tcp & (_told == "destination"),
    "client_errors": _outcome("client_error"),
    "server_errors": _outcome("server_error"),
    "unanswered": _outcome("none"),
    "mtls": pl.col("connection.mtls"),
    "plain": ~pl.col("connection.mtls"),
    "attempts": pl.when(~_tcp).then(pl.max_horizontal("request.attempts", pl.lit(1))),
    "retried": ~_tcp & (pl.col("request.attempts") > 1),
    "request_bytes": pl.col("request.bytes"),
    "response_bytes": pl.col("response.bytes"),
    "connections_opened": _tcp & pl.col("connection.opened"),
    "connections_closed": _tcp & (pl.col("connection.event") == "close"),
    "busy_s": pl.when(_ended).then(pl.col("response.duration").to_physical() / 1e9),
    "missing_source": pl.col("missing_source"),
    "missing_destination": pl.col("missing_destination"),
}
"""Each sum by the EDGE column that shows it: an expression over HOP rows, null and false for nothing."""

LATENCIES = {
    "latency": "response.duration",
    "latency.application": "hop.application",
    "latency.network": "hop.network",
    "latency.proxy": "hop.proxy",
}
"""EDGE's histograms, and the HOP column that each is of."""

_measured = (~_tcp & ~pl.col("latency.excluded").fill_null(_NO)).fill_null(_NO)
_AMOUNTS = ("request.bytes", "response.bytes", "response.duration")
"""What differs from hop to hop, and is summed up first: all else is worked out once for those that are alike."""

READS = frozenset(
    {root for one in (*SUMS.values(), _measured) for root in one.meta.root_names()} | {*LATENCIES.values()}
)
_SHARED = sorted(
    {*READS, "context.key", "response.code", "response.grpc_status", "response.flags", "response.blame"}
    - {*_AMOUNTS, *LATENCIES.values(), "context.protocol", "connection.mtls"}
)
_PER_HOP = [one.cast(pl.Float64).fill_null(0.0).alias(name) for name, one in SUMS.items()]
_OF_SUMS = [name for name, one in SUMS.items() if not set(_AMOUNTS).isdisjoint(one.meta.root_names())]
_WIDTH = len(BOUNDS) + 1
# Strangers say any number of bytes: no sum leaves the range of integers.
_MOST = 2.0**62
_BUCKETS = Bounds(BOUNDS)


@dataclass(frozen=True, slots=True)
class Alike:
    """HOP rows that agree in all but bytes and times, put together: `of_row` is the kind of each of `rows`.

    `first`: a row of each kind, with the sums of bytes and durations; `count`: how many rows there are of it;
    `measured`: whether their durations are latencies.
    """

    rows: pl.DataFrame
    of_row: npt.NDArray[np.int64]
    first: pl.DataFrame
    count: npt.NDArray[np.int64]
    measured: npt.NDArray[np.bool_]


def alike(rows: pl.DataFrame, seed: int) -> Alike:
    """Put together what is alike. `seed`: of the hash by which kinds are told apart."""
    shared = [name for name in _SHARED if rows[name].null_count() < len(rows)]
    places, of_row = distinct(rows[shared].hash_rows(seed).to_numpy())
    count = np.bincount(of_row, minlength=len(places))
    first = rows[pl.Series(places.astype(np.uint32))]
    first = first.with_columns_seq(_summed(rows[name], of_row, len(places)) for name in _AMOUNTS)
    measured = first.select_seq(_measured.alias("measured")).to_series().to_numpy()
    return Alike(rows, of_row, first, count, measured)


def _summed(values: pl.Series, of_row: npt.NDArray[np.int64], kinds: int) -> pl.Series:
    total = np.bincount(of_row, weights=numbers(values), minlength=kinds)
    return pl.Series(values.name, np.clip(np.round(total), -_MOST, _MOST).astype(np.int64)).cast(values.dtype)


def milliseconds(hops: Alike) -> Floats:
    """Give each row's latency; NaN where its duration is none, or not known."""
    durations = hops.rows["response.duration"]
    known = durations.is_not_null().to_numpy() & hops.measured[hops.of_row]
    return np.where(known, np.maximum(numbers(durations), 0) / 1e6, np.nan)


class EdgeSums:
    """Adds up by slot. Floats, which count exactly up to 2⁵³."""

    def __init__(self) -> None:
        self._sums = np.zeros((0, len(SUMS)))
        self._buckets = np.zeros((len(LATENCIES), 0, _WIDTH))
        self._sums_ms = np.zeros((len(LATENCIES), 0))
        self._last_ns = np.zeros(0, dtype=np.int64)

    def add(self, hops: Alike, edges: Groups, slots: Slots, seen_ns: int) -> None:
        """Add hops; `edges`: their kinds in groups; `slots`: of each group, no two the same; `seen_ns`: received."""
        self._grow(int(slots.max()) + 1)
        for at, each in enumerate(hops.first.select_seq(_PER_HOP)):
            values = each.to_numpy()
            self._sums[slots, at] += edges.sum(values if each.name in _OF_SUMS else values * hops.count)
        of_row = edges.of_row[hops.of_row]
        measured = None if hops.measured.all() else hops.measured[hops.of_row]
        for at, name in enumerate(LATENCIES.values()):
            self._add_times(at, hops.rows[name], of_row, slots, measured)
        self._last_ns[slots] = np.maximum(self._last_ns[slots], seen_ns)

    def _add_times(
        self, at: int, times: pl.Series, of_row: Slots, slots: Slots, measured: npt.NDArray[np.bool_] | None
    ) -> None:
        # A clock's noise must not take anything away.
        times_ns = np.maximum(numbers(times), 0.0)
        if measured is not None or times.null_count():
            present = times.is_not_null().to_numpy() & (True if measured is None else measured)
            times_ns, of_row = times_ns[present], of_row[present]
        cells = np.bincount(of_row * _WIDTH + _BUCKETS.bucket_of(times_ns), minlength=len(slots) * _WIDTH)
        self._buckets[at, slots] += cells.reshape(len(slots), _WIDTH)
        self._sums_ms[at, slots] += np.bincount(of_row, weights=times_ns, minlength=len(slots)) / 1e6

    def columns(self, count: int) -> Iterator[pl.Series]:
        """Give the EDGE columns that are sums, for that many slots; counts as UInt64."""
        self._grow(count)
        for at, name in enumerate(SUMS):
            dtype = pl.Float64 if name == "busy_s" else pl.UInt64
            yield pl.Series(name, np.minimum(self._sums[:count, at], _MOST)).round(9).cast(dtype)
        for at, name in enumerate(LATENCIES):
            yield self._latency(at, count).alias(name)

    def last_ns(self, count: int) -> npt.NDArray[np.int64]:
        """Give when each slot's last row was received; 0 for one without rows."""
        self._grow(count)
        return self._last_ns[:count]

    def _latency(self, at: int, count: int) -> pl.Series:
        buckets = self._buckets[at, :count].astype(np.uint64)
        made = {
            "count": pl.Series(buckets.sum(axis=1), dtype=pl.UInt64),
            "sum_ms": pl.Series(self._sums_ms[at, :count]),
            "buckets": pl.Series(buckets).arr.to_list(),
        }
        return pl.DataFrame(made).to_struct().cast(LATENCY)

    def _grow(self, count: int) -> None:
        have = len(self._sums)
        if count <= have:
            return
        more = max(count, 2 * have, 64) - have
        self._sums = np.pad(self._sums, ((0, more), (0, 0)))
        self._buckets = np.pad(self._buckets, ((0, 0), (0, more), (0, 0)))
        self._sums_ms = np.pad(self._sums_ms, ((0, 0), (0, more)))
        self._last_ns = np.pad(self._last_ns, (0, more))
