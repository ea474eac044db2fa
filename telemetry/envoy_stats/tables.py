"""Flushes received together, decoded: each of the decoder's tables in parts, one for each flush."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import polars as pl
from arro3.core import RecordBatch
from numpy.typing import NDArray

from telemetry.envoy_stats.points import Points
from telemetry.native import DecodedMetrics
from telemetry.node import Node

__all__ = ["Chunk", "Floats", "Flushes", "Numbers", "Table", "chunk_of"]

Numbers = NDArray[np.uint32]
"""Numbers of stats."""
Floats = NDArray[np.float64]


class Flushes(Protocol):
    """Flushes received together, as receivers.coalesce.Chunk has them: `nodes[i]` indexes, for message i, `distinct`.

    A node stands for a stream: it lives as long as that.
    """

    @property
    def messages(self) -> Sequence[bytes]:
        """StreamMetricsMessages, a flush each."""

    @property
    def nodes(self) -> Sequence[int]:
        """Whose each is."""

    @property
    def distinct(self) -> Sequence[Node]:
        """The streams."""

    @property
    def received_ns(self) -> int:
        """When the first came, since 1970."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of all flushes; `starts[i]` to `starts[i + 1]` are flush i's."""

    rows: pl.DataFrame
    starts: Sequence[int]
    stat: Numbers
    value: Floats

    def part(self, flush: int) -> slice:
        """Give where a flush's rows are."""
        return slice(self.starts[flush], self.starts[flush + 1])


@dataclass(frozen=True, slots=True)
class Chunk:
    """All of them, and what becomes of them."""

    now_ns: int
    timestamps_ms: Sequence[int]
    numbers: Table
    histograms: Table
    summaries: Table
    points: Points
    rejected: Counter[str] = field(default_factory=Counter)

    def rows(self, flush: int) -> int:
        """Count a flush's metrics."""
        parts = (table.part(flush) for table in (self.numbers, self.histograms, self.summaries))
        return sum(part.stop - part.start for part in parts)


def chunk_of(decoded: DecodedMetrics, now_ns: int) -> Chunk:
    """Take the decoder's tables apart; nothing is copied."""
    flushes = len(decoded.timestamps_ms)
    return Chunk(
        now_ns,
        decoded.timestamps_ms,
        _table(decoded.numbers, "value", flushes),
        _table(decoded.histograms, "sum", flushes),
        _table(decoded.summaries, "sum", flushes),
        Points(now_ns),
    )


def _table(batch: RecordBatch, value: str, flushes: int) -> Table:
    rows = pl.DataFrame(batch)
    starts = np.searchsorted(rows["message"].to_numpy(), np.arange(flushes + 1)).tolist()
    return Table(rows, starts, rows["stat"].to_numpy(), rows[value].to_numpy())
