"""A METRIC batch taken apart: for each metric the arrays of its points, checked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.errors import Rejected
from telemetry.exposition import METRIC_NAME

__all__ = ["MAX_BOUNDS", "Exemplars", "Points", "points_of", "refusal"]

MAX_BOUNDS = 200
"""A histogram may have as many bounds, those of earlier batches included."""

_MAX_RUNS = 64
_NO_BOUNDS = np.empty(0)
_RUN = pl.struct("metric", "kind").rle_id()


@dataclass(frozen=True, slots=True)
class Exemplars:
    """The exemplars of some points: `present` says for which, `rows` where they are in `fields`."""

    present: NDArray[np.bool_]
    rows: NDArray[np.intp]
    fields: pl.DataFrame

    def take(self, which: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
        """Give trace_id, span_id, value and time_ns of some points; only now do the ids become Python strings."""
        return tuple(field.to_numpy() for field in self.fields[self.rows[which]].get_columns())


@dataclass(frozen=True, slots=True)
class Points:
    """The points of one metric in one batch, all arrays equally long; a metric may come in several of these."""

    metric: str
    kind: str
    unit: str
    rows: NDArray[np.intp]
    """Where in the batch the points stand."""
    value: NDArray[np.float64]
    bounds: NDArray[np.float64]
    buckets: NDArray[np.int64] | None
    exemplars: Exemplars | None

    def faults(self) -> Iterator[str]:
        """Say what the sink would never take."""
        if not METRIC_NAME.fullmatch(self.metric):
            yield "the name is not a Prometheus metric name ([a-zA-Z_:][a-zA-Z0-9_:]*)"
        if self.kind != "gauge" and not np.isfinite(self.value).all():
            yield f"a {self.kind}'s increase must be a finite number"
        if self.kind == "counter" and (self.value < 0).any():
            yield "a counter can't decrease; use a gauge"
        if not np.isfinite(self.bounds).all() or (np.diff(self.bounds) <= 0).any():
            yield "bounds must be finite and ascending"
        if self.buckets is not None and (self.buckets < 0).any():
            yield "a bucket's increase must be below 2**63"


def refusal(metric: object, fault: str) -> Rejected:
    """Make the exception that names the metric."""
    return Rejected(f"prometheus: metric {metric!r}: {fault}")


def points_of(rows: pl.DataFrame) -> Iterator[Points]:
    """Take a batch's rows apart. Raises Rejected, naming the metric, for what can never be exposed."""
    # Not by select, which would copy the chunks of a batch that was put together from several.
    columns = ("metric", "kind", "unit", "value", "bounds", "buckets", "exemplar")
    rows, order = _grouped(pl.DataFrame([rows[column] for column in columns]))
    run, value = rows.select(_RUN).to_series(), rows["value"]
    bounds, buckets = _Lists(rows["bounds"]), _Lists(rows["buckets"])
    exemplars = _exemplars(rows["exemplar"])
    runs = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(run.to_numpy())) + 1)
    values = value.to_numpy()
    for here in runs:
        metric, kind, unit = (rows.item(int(here[0]), column) for column in ("metric", "kind", "unit"))
        if metric is None or kind is None or (value.null_count() and value[here].null_count()):
            raise refusal(metric, "metric, kind and value must not be null")
        histogram = kind == "histogram"
        for part in _uniform(metric, here, bounds, buckets) if histogram else (here,):
            points = Points(
                metric,
                kind,
                unit or "",
                order[part],
                values[part],
                bounds=bounds.row(part[0]).astype(np.float64) if histogram else _NO_BOUNDS,
                buckets=buckets.matrix(part).view(np.int64) if histogram else None,
                exemplars=_part(exemplars, part),
            )
            for fault in points.faults():
                raise refusal(metric, fault)
            yield points


def _grouped(rows: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.intp]]:
    """Bring the rows of each metric together, unless they are already; say where each stood."""
    if rows.select(_RUN.last()).item() < _MAX_RUNS:
        return rows, np.arange(len(rows))
    rows = rows.with_row_index("row").sort("metric", "kind", maintain_order=True)
    return rows, rows["row"].to_numpy().astype(np.intp)


class _Lists:
    """A column of lists as one flat array; null lists have length -1."""

    def __init__(self, lists: pl.Series) -> None:
        self.lengths = np.nan_to_num(lists.list.len().to_numpy(), nan=-1).astype(np.int64)
        self._ends = np.cumsum(self.lengths.clip(0))
        # Nulls go first: exploding without them costs a tenth. An empty list becomes a null element.
        self._flat = lists.drop_nulls().explode().drop_nulls().to_numpy()
        self.has_nulls = len(self._flat) != self._ends[-1]

    def row(self, row: int) -> NDArray[Any]:
        """Give one list."""
        end = self._ends[row]
        values: NDArray[Any] = self._flat[end - self.lengths[row] : end]
        return values

    def matrix(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Give some rows' lists, which are equally long: a view when the rows are neighbours."""
        width, start = self.lengths[rows[0]], self._ends[rows[0]] - self.lengths[rows[0]]
        if rows[-1] - rows[0] + 1 == len(rows):
            return self._flat[start : start + len(rows) * width].reshape(len(rows), width)
        values: NDArray[Any] = self._flat[(self._ends[rows] - width)[:, np.newaxis] + np.arange(width)]
        return values


def _uniform(metric: str, rows: NDArray[np.intp], bounds: _Lists, buckets: _Lists) -> Iterable[NDArray[np.intp]]:
    """Part a histogram's rows by their bounds. Raises Rejected when bounds and buckets don't go together."""
    lengths = bounds.lengths[rows]
    broken = (lengths < 0).any() or (buckets.lengths[rows] != lengths + 1).any()
    if broken or bounds.has_nulls or buckets.has_nulls:
        raise refusal(metric, "a histogram needs bounds and one bucket more than those, none of them null")
    if (lengths == lengths[0]).all():
        matrix = bounds.matrix(rows)
        if (matrix == matrix[0]).all():
            return (rows,)
    groups: dict[bytes, list[int]] = {}
    for row in rows.tolist():
        groups.setdefault(bounds.row(row).tobytes(), []).append(row)
    return [np.array(group) for group in groups.values()]


def _exemplars(column: pl.Series) -> Exemplars | None:
    """Take the exemplars apart; one without a trace id or a finite value is none."""
    if column.null_count() == len(column):
        return None
    trace_id, value = pl.col("trace_id"), pl.col("value")
    fields = column.struct.unnest().with_columns(
        pl.col("span_id").fill_null(""),
        pl.col("time").to_physical().fill_null(0),
        present=((trace_id.str.len_bytes() > 0) & value.is_finite()).fill_null(value=False),
    )
    return Exemplars(fields["present"].to_numpy(), np.arange(len(fields)), fields.drop("present"))


def _part(exemplars: Exemplars | None, rows: NDArray[np.intp]) -> Exemplars | None:
    return exemplars and Exemplars(exemplars.present[rows], rows, exemplars.fields)
