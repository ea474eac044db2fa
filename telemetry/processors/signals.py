"""Metrics from normalised entries, each request counted once: Istio's standard ones, and the operator's."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from telemetry.batch import Batch, Template
from telemetry.processors.custom_metrics import Custom, Skipped, custom_table
from telemetry.processors.probes import is_probe
from telemetry.processors.standard_metrics import BOUNDS, Standard, standard_tables
from telemetry.processors.tables import Interval, Table

__all__ = ["BOUNDS", "Metrics", "Signals"]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Which metrics there are. `probes`: how the user agents of requests begin that don't count; empty for none."""

    standard: Standard = field(default_factory=Standard)
    custom: Sequence[Custom] = ()
    probes: Sequence[str] = ()

    def tables(self, skipped: Skipped) -> Iterator[Table]:
        """Give the tables of all of them. Raises ExpressionError."""
        ignored = is_probe(self.probes) if self.probes else None
        yield from standard_tables(self.standard, ignored)
        yield from (custom_table(metric, ignored, skipped) for metric in self.custom)


_ALL = Metrics()


@dataclass(slots=True)
class _Told:
    """What goes on from one configuration's signals to the next: until when has been told, and what could not be."""

    until_ns: int
    skipped: Skipped = field(default_factory=dict)


class Signals:
    """Adds METRIC batches to the LOGENTRY batches that pass.

    HTTP and gRPC: istio_requests_total, istio_request_duration_milliseconds, istio_request_bytes, istio_response_bytes.
    TCP: istio_tcp_{connections_opened,connections_closed,sent_bytes,received_bytes}_total. gRPC message counts are not
    in access logs. `seed` hashes series; `started_ns` begins the first interval, but for one that takes the place of
    another (`before`): its first interval begins where the other's last one ends. `metrics` says what else there is,
    and what there is not. Raises ExpressionError.
    """

    def __init__(self, *, seed: int, started_ns: int, metrics: Metrics = _ALL, before: "Signals | None" = None) -> None:
        self._seed = seed
        self._told: _Told = before._told if before else _Told(started_ns)
        self._tables = tuple(metrics.tables(self._told.skipped))
        self._reads = frozenset({"context.time"}).union(*(table.reads for table in self._tables))

    @property
    def skipped(self) -> Skipped:
        """Values of the operator's metrics that could not be taken, by metric and reason; only ever grows."""
        return self._told.skipped

    @property
    def reads(self) -> frozenset[str]:
        """The attributes that the metrics are made of."""
        return self._reads

    @property
    def shows(self) -> frozenset[str]:
        """Those of them that labels show: what must not be stored must have left these before."""
        return frozenset[str]().union(*(table.shows for table in self._tables))

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch itself and the metrics of its entries."""
        if batch.template is not Template.LOGENTRY or batch.rows.is_empty():
            return [batch]
        end_ns = int(batch.rows["context.time"].dt.epoch("ns")[0])
        interval = Interval(self._told.until_ns, end_ns)
        self._told.until_ns = end_ns
        frames = (table.frame(batch.rows[list(table.reads)], interval, self._seed) for table in self._tables)
        alike = _by_labels(frame for frame in frames if frame is not None)
        return [batch, *(replace(batch, template=Template.METRIC, rows=rows) for rows in alike)]

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Nothing is held back."""
        return ()


def _by_labels(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Put frames with the same labels together: a batch has one set of them."""
    found: dict[pl.DataType, list[pl.DataFrame]] = {}
    for frame in frames:
        found.setdefault(frame.schema["labels"], []).append(frame)
    for same in found.values():
        yield same[0] if len(same) == 1 else pl.concat(same, rechunk=False)
