"""A batch as one OTLP request: each template by its encoder, totals where they are asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import Batch, Template
from telemetry.opentelemetry.logs import Logs
from telemetry.opentelemetry.metrics import Metrics, Temporality, broken_points
from telemetry.opentelemetry.options import Options
from telemetry.opentelemetry.requests import Resources
from telemetry.opentelemetry.resource import common_attributes, own_attributes
from telemetry.opentelemetry.spans import Spans, without_ids
from telemetry.series.totals import Totals

__all__ = ["Encoded", "Encoding"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request and how many records are in it; `refused`: rows that have no form in OTLP, by position, and why."""

    request: bytes
    records: int
    refused: Mapping[int, str]


class Encoding:
    """Encodes LOGENTRY, METRIC and TRACESPAN batches. Not for several threads at once."""

    def __init__(self, options: Options, temporality: Temporality, clock_ns: Callable[[], int]) -> None:
        resources = Resources(common_attributes())
        self._encoders: Mapping[Template, Logs | Metrics | Spans] = {
            Template.LOGENTRY: Logs(resources, options.attributes),
            Template.METRIC: Metrics(resources, Resources(own_attributes()), temporality),
            Template.TRACESPAN: Spans(resources, options.attributes),
        }
        self._totals = (
            Totals(options.max_series, int(options.expire_after_s * 1e9)) if temporality == "cumulative" else None
        )
        self._clock_ns = clock_ns
        self._latest_ns = 0

    def in_order(self, batch: Batch) -> bool:
        """Say whether the sink must have the request before the next one is made: totals, which never go back."""
        return batch.template is Template.METRIC and self._totals is not None

    def encode(self, batch: Batch) -> Encoded:
        """Encode what can be; the request is empty where nothing can. Raises Rejected for metrics without totals."""
        refused = _refused(batch)
        if refused:
            wanted = pl.Series([at for at in range(len(batch.rows)) if at not in refused], dtype=pl.UInt32)
            batch = batch.take(wanted)
        if batch.rows.is_empty():
            return Encoded(b"", 0, refused)
        if batch.template is Template.METRIC:
            batch = self._with_totals(batch)
        return Encoded(self._encoders[batch.template].encode(batch), len(batch.rows), refused)

    def _with_totals(self, batch: Batch) -> Batch:
        """Give the series of the batch with their totals in place of the increases, where totals are kept."""
        if self._totals is None:
            return batch
        name = (batch.receiver, batch.epoch, batch.sequence)
        first = batch.rows["start"].to_physical().min()
        birth = first if isinstance(first, int) else 0
        self._totals.expire(self._clock_ns())
        self._totals.add(batch.rows, name, batch.row_numbers, now_ns=self._clock_ns(), birth=birth)
        # The totals are of all that was added so far: a batch that comes late must not seem to take them back in time.
        latest = batch.rows["time"].to_physical().max()
        self._latest_ns = max(self._latest_ns, latest if isinstance(latest, int) else 0)
        rows = self._totals.cumulated(batch.rows).with_columns(time=pl.lit(self._latest_ns).cast(TIMESTAMP))
        return replace(batch, rows=rows, kept=None)


def _refused(batch: Batch) -> dict[int, str]:
    if batch.template is Template.TRACESPAN:
        why = "a span needs a trace id of 32 and a span id of 16 hex digits, not all zero"
        return dict.fromkeys(without_ids(batch.rows), why)
    if batch.template is Template.METRIC:
        why = "a metric needs a name, a kind and a value; a histogram bounds and a bucket more, or exponential ones"
        return dict.fromkeys(broken_points(batch.rows), why)
    return {}
