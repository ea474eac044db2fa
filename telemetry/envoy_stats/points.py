"""Points of many Envoys, gathered and written as METRIC rows: one frame for each set of label names."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.attributes import TIMESTAMP
from telemetry.batch import EXEMPLAR, EXPONENTIAL, SCHEMAS, Template
from telemetry.envoy_stats.shapes import Shape
from telemetry.envoy_stats.stats import Stats

__all__ = ["Part", "Points"]

_ORDER = list(SCHEMAS[Template.METRIC])
_NO_DISTRIBUTION = (
    pl.lit(None, pl.UInt64).alias("count"),
    pl.lit(None, pl.List(pl.Float64)).alias("bounds"),
    pl.lit(None, pl.List(pl.UInt64)).alias("buckets"),
    pl.lit(None, EXPONENTIAL).alias("exponential"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """Points of one flush: `envoy` is the row of its identity, `start_ns` when the interval began."""

    envoy: int
    envoy_hash: np.uint64
    start_ns: int
    stat: NDArray[np.uint32]
    value: NDArray[np.float64]
    row: NDArray[np.intp] | None
    """Histograms: where in the decoded table."""


@dataclass(slots=True)
class Points:
    """What one chunk of flushes has brought; `end_ns` is when it was received."""

    end_ns: int
    numbers: list[Part] = field(default_factory=list)
    histograms: list[Part] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Take the points of one flush."""
        if len(part.stat):
            (self.numbers if part.row is None else self.histograms).append(part)

    def frames(self, stats: Stats, identities: Shape, histograms: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Give METRIC rows; all of a frame have the same label names."""
        if self.numbers:
            yield from _Joined(self.numbers, self.end_ns, stats, identities).frames(None)
        if self.histograms:
            yield from _Joined(self.histograms, self.end_ns, stats, identities).frames(histograms)


class _Joined:
    def __init__(self, parts: list[Part], end_ns: int, stats: Stats, identities: Shape) -> None:
        lengths = [len(part.stat) for part in parts]
        self._stats, self._identities, self._end_ns = stats, identities, end_ns
        self.stat = np.concatenate([part.stat for part in parts])
        self.value = np.concatenate([part.value for part in parts])
        self.envoy = np.repeat(np.array([part.envoy for part in parts], np.uint32), lengths)
        self.envoy_hash = np.repeat(np.array([part.envoy_hash for part in parts], np.uint64), lengths)
        self.start_ns = np.repeat(np.array([part.start_ns for part in parts], np.int64), lengths)
        rows = [part.row for part in parts if part.row is not None]
        self.row = np.concatenate(rows) if rows else None

    def frames(self, histograms: pl.DataFrame | None) -> Iterator[pl.DataFrame]:
        shape, metric = self._stats.shape[self.stat], self._stats.metric[self.stat]
        # Metric by metric within a shape: that is how sinks read them.
        order = np.lexsort((metric, shape))
        edges = np.flatnonzero(np.diff(shape[order])) + 1
        for rows in np.split(order, edges):
            yield self._frame(self._stats.shapes[int(shape[rows[0]])], metric[rows], rows, histograms)

    def _frame(
        self, shape: Shape, metric: NDArray[np.int32], rows: NDArray[np.intp], histograms: pl.DataFrame | None
    ) -> pl.DataFrame:
        stat = self.stat[rows]
        labels = [*self._identities.gather(self.envoy[rows]), *shape.gather(self._stats.row[stat])]
        made = pl.DataFrame(
            [
                *self._stats.metrics.columns(metric),
                pl.DataFrame(labels).to_struct("labels"),
                pl.Series("series", _mixed(self._stats.hash[stat], self.envoy_hash[rows])),
                pl.Series("value", self.value[rows]),
                pl.Series("start", self.start_ns[rows]).cast(TIMESTAMP),
            ]
        )
        exemplar, time = pl.lit(None, EXEMPLAR).alias("exemplar"), pl.lit(self._end_ns).cast(TIMESTAMP).alias("time")
        if histograms is None or self.row is None:
            return made.with_columns(*_NO_DISTRIBUTION, exemplar, time).select(_ORDER)
        taken = histograms[pl.Series(self.row[rows])].select("count", "bounds", "buckets", "exponential")
        return made.with_columns(*taken.get_columns(), exemplar, time).select(_ORDER)


def _mixed(labels: NDArray[np.uint64], envoy: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Make one hash of two (the finalizer of SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed: NDArray[np.uint64] = labels ^ (envoy * np.uint64(0x9E3779B97F4A7C15))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed
