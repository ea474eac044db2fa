"""Adds deltas up and shows the totals on the `/metrics` page, for a Prometheus to scrape."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from telemetry.batch import Batch, Template
from telemetry.exposition import (
    escape,
    exemplar_text,
    family_head,
    histogram_lines,
    le_cells,
    number_texts,
    scalar_lines,
)
from telemetry.options import Seconds
from telemetry.series.families import Families, Stats, occupied_names
from telemetry.series.family import Expiry, Family, Rows

__all__ = ["Prometheus"]

PIECE_BYTES = 256 * 1024
_LINE_BYTES = 64
"""About what a line takes beside the labels."""

_OWN = {
    "telemetry_prometheus_series": ("gauge", "Series on the page, by metric, overflow series not counted."),
    "telemetry_prometheus_overflow_points_total": (
        "counter",
        "Points added to a metric's overflow series for lack of room.",
    ),
    "telemetry_prometheus_expired_series_total": (
        "counter",
        "Series dropped because nothing had changed for expire_after.",
    ),
}
_RESERVED = frozenset(name for metric, (kind, _) in _OWN.items() for name in occupied_names(metric, kind))


class Prometheus(AbstractAsyncContextManager["Prometheus"]):
    """Accepts METRIC, keeps running totals in memory, and is `Scraped`.

    An export is all or nothing. It never waits for a page: that is rendered piece by piece from copies, and
    the lock is held only while one is taken. `clock` gives nanoseconds and never goes back.
    """

    class Config(BaseModel):
        """What can be set."""

        model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

        max_series: int = Field(
            default=100_000,
            gt=0,
            le=10_000_000,
            description="How many series are kept, over all metrics: a label set counts once for each metric "
            "that has it, a histogram as one. The points of further label sets go to one series of the metric, "
            'labelled otel_metric_overflow="true", so that totals stay exact.',
        )
        expire_after_s: Seconds = Field(
            default=900.0,
            ge=1,
            alias="expire_after",
            description="How long a series is kept without a change. It is never dropped before a completed scrape "
            "has shown its last change, unless none came for four times "
            "as long.",
        )

    accepts: ClassVar[frozenset[Template]] = frozenset({Template.METRIC})

    def __init__(self, config: Config, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._expire_after_ns = int(config.expire_after_s * 1e9)
        self._clock = clock
        self._lock = threading.Lock()
        self._families = Families(config.max_series, _RESERVED)
        self._scrapes = 0
        self._shown_ns = self._expired_ns = clock()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: there is nothing to close."""

    async def export(self, batch: Batch) -> None:
        """Add the batch to the totals: all of it, or nothing. It never awaits, so no deadline cuts it in two.

        Raises Rejected, naming the metric, for names, kinds, bounds or values that can't be exposed.
        """
        if batch.rows.is_empty():
            return
        with self._lock:
            # Read with the lock held: a change must not seem older than a scrape that did not show it.
            now_ns = self._clock()
            if now_ns - self._expired_ns >= self._expire_after_ns // 16:
                self._expire(now_ns)
            self._families.add(batch.rows, now_ns=now_ns, birth=self._scrapes)

    def _expire(self, now_ns: int) -> None:
        self._families.expire(Expiry(now_ns, self._expire_after_ns, self._shown_ns))
        self._expired_ns = now_ns

    def stats(self) -> Stats:
        """Say what is held."""
        with self._lock:
            return self._families.stats()

    def exposition(self, *, openmetrics: bool) -> Iterator[bytes]:
        """Yield the page in pieces of about 256 KiB, without the closing `# EOF`.

        It shows the series that were there when it began, each as it is when its piece is made. A scrape is
        completed when, after the last piece, the next is asked for. Any number may run at once, in any threads.
        """
        with self._lock:
            started_ns = self._clock()
            self._expire(started_ns)
            self._scrapes += 1
            before, families = self._scrapes, self._families.all()
        names = {family.name for family in families}
        for family in families:
            kind = _openmetrics_kind(family, names) if openmetrics else family.kind
            yield from self._pieces(family, kind, before, openmetrics=openmetrics)
        yield _own_families(self.stats(), openmetrics=openmetrics)
        with self._lock:
            self._shown_ns = max(self._shown_ns, started_ns)

    def _pieces(self, family: Family, kind: str, before: int, *, openmetrics: bool) -> Iterator[bytes]:
        text = family_head(family.name, kind, unit=family.unit, openmetrics=openmetrics)
        lines = len(family.bounds) + 3 if family.kind == "histogram" else 1
        step = max(1, PIECE_BYTES // (lines * (self._families.labels.mean_bytes + _LINE_BYTES)))
        for start in range(1, family.end, step):
            with self._lock:
                rows = family.piece(start, start + step, before)
                labels = self._families.labels.texts(rows["set"])
                bounds = family.bounds
            yield text + _lines(family, kind, rows, labels, bounds, openmetrics=openmetrics)
            text = b""


def _openmetrics_kind(family: Family, names: Collection[str]) -> str:
    """Give the kind that a family has beside the others: a counter x is none there, nor x_total if there is an x."""
    stem = family.name.removesuffix("_total")
    return "unknown" if family.kind == "counter" and stem in names else family.kind


def _lines(
    family: Family, kind: str, rows: Rows, labels: list[bytes], bounds: NDArray[np.float64], *, openmetrics: bool
) -> bytes:
    """Write the lines of these series."""
    totals = number_texts(rows["value"])
    if family.kind != "histogram":
        if openmetrics and kind == "counter":
            _append_exemplars(totals, rows, np.arange(len(rows)))
        return scalar_lines(family.name, labels, totals)
    cells = le_cells(tuple(bounds.tolist()), openmetrics=openmetrics)
    buckets = number_texts(np.cumsum(rows["buckets"], axis=1).reshape(-1))
    if openmetrics:
        firsts = np.arange(len(rows)) * len(cells)
        _append_exemplars(buckets, rows, firsts + np.searchsorted(bounds, rows["exemplar_value"]))
    return histogram_lines(family.name, labels, cells, buckets, totals)


def _append_exemplars(numbers: list[bytes], rows: Rows, at: NDArray[np.intp]) -> None:
    """Write each series' exemplar behind the number that it belongs to."""
    having = rows["trace_id"].astype(bool)
    exemplars = rows[["trace_id", "span_id", "exemplar_value", "exemplar_ns"]][having]
    for index, exemplar in zip(at[having].tolist(), exemplars.tolist(), strict=True):
        numbers[index] += exemplar_text(*exemplar)


def _own_families(stats: Stats, *, openmetrics: bool) -> bytes:
    """Write what the adapter counts about itself."""
    text = b""
    values = (stats.series, stats.overflow_points, {"": stats.expired_series})
    for (name, (kind, meaning)), by_metric in zip(_OWN.items(), values, strict=True):
        labels = [f'metric="{escape(metric)}"'.encode() if metric else b"" for metric in by_metric]
        numbers = [str(number).encode() for number in by_metric.values()]
        text += family_head(name, kind, text=meaning, openmetrics=openmetrics)
        text += scalar_lines(name, labels, numbers)
    return text
