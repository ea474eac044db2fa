"""What an edge adds up from its hops: counts, bytes, times."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import LATENCY
from telemetry.processors.edge_slots import Slots
from telemetry.processors.groups import Groups
from telemetry.processors.signals import BOUNDS

__all__ = ["LATENCIES", "READS", "SUMS", "EdgeSums", "weights"]

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
READS = frozenset(
    {root for one in (*SUMS.values(), _measured) for root in one.meta.root_names()} | {*LATENCIES.values()}
)
_WIDTH = len(BOUNDS) + 1


def weights(rows: pl.DataFrame) -> pl.DataFrame:
    """Give what HOP rows add, in Float64 columns: SUMS, and LATENCIES in milliseconds, NaN where there is none."""
    return rows.select(_WEIGHTS)


def _milliseconds(column: str) -> pl.Expr:
    # A clock's noise must not take anything away.
    lasted = pl.when(_measured).then(pl.col(column).to_physical() / 1e6).clip(0.0)
    return lasted.fill_null(float("nan"))


_WEIGHTS = [one.cast(pl.Float64).fill_null(0.0).alias(name) for name, one in SUMS.items()] + [
    _milliseconds(column).alias(name) for name, column in LATENCIES.items()
]


class EdgeSums:
    """Adds up by slot. Floats, which count exactly up to 2⁵³."""

    def __init__(self) -> None:
        self._sums = np.zeros((0, len(SUMS)))
        self._buckets = np.zeros((len(LATENCIES), 0, _WIDTH))
        self._sums_ms = np.zeros((len(LATENCIES), 0))
        self._last_ns = np.zeros(0, dtype=np.int64)

    def add(self, added: pl.DataFrame, groups: Groups, slots: Slots, seen_ns: int) -> None:
        """Add the `weights` of rows; `slots`: of each group, no two the same; `seen_ns`: when they were received."""
        self._grow(int(slots.max()) + 1)
        self._sums[slots] += np.stack([groups.sum(added[name].to_numpy()) for name in SUMS], axis=1)
        for at, name in enumerate(LATENCIES):
            numbers = added[name].to_numpy()
            present = ~np.isnan(numbers)
            self._buckets[at, slots] += groups.histogram(numbers, present, BOUNDS)
            self._sums_ms[at, slots] += groups.sum(np.where(present, numbers, 0.0))
        self._last_ns[slots] = np.maximum(self._last_ns[slots], seen_ns)

    def columns(self, count: int) -> Iterator[pl.Series]:
        """Give the EDGE columns that are sums, for that many slots; counts as UInt64."""
        self._grow(count)
        for at, name in enumerate(SUMS):
            dtype = pl.Float64 if name == "busy_s" else pl.UInt64
            yield pl.Series(name, self._sums[:count, at]).round(9).cast(dtype)
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
