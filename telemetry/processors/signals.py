"""Istio's standard metrics from normalised entries, each request counted once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import EXEMPLAR, EXPONENTIAL, METRIC_KIND, SCHEMAS, Batch, Template
from telemetry.processors.groups import Groups, group
from telemetry.processors.istio_labels import HTTP_LABELS, TCP_LABELS

__all__ = ["BOUNDS", "Signals"]

# Envoy's default histogram bounds, which Istio leaves as they are; milliseconds or bytes.
BOUNDS = np.array(
    [
        0.5,
        1,
        5,
        10,
        25,
        50,
        100,
        250,
        500,
        1000,
        2500,
        5000,
        10_000,
        30_000,
        60_000,
        300_000,
        600_000,
        1_800_000,
        3_600_000,
    ]
)
_BOUNDS_ROW = pl.Series([BOUNDS.tolist()], dtype=pl.List(pl.Float64))
_ORDER = list(SCHEMAS[Template.METRIC])
_NARROW = ("context.key", "response.code", "response.grpc_status", "response.flags")
_NO_GRPC = 255

Floats = npt.NDArray[np.float64]
Fields = list[pl.Expr | pl.Series]
Points = Callable[[pl.DataFrame, Groups], Iterator[Fields]]


_READS = frozenset(
    {
        *_NARROW,
        *(name for label in HTTP_LABELS.values() for name in label.meta.root_names()),
        "context.time", "request.counts", "request.time", "request.total_size", "response.duration", "latency.excluded",
        "response.total_size", "connection.event", "connection.opened", "connection.received.bytes",
        "connection.sent.bytes", "trace.id", "trace.span_id",
    }
)  # fmt: skip


class Signals:
    """Adds METRIC batches to the LOGENTRY batches that pass.

    HTTP and gRPC: istio_requests_total, istio_request_duration_milliseconds, istio_request_bytes, istio_response_bytes.
    TCP: istio_tcp_{connections_opened,connections_closed,sent_bytes,received_bytes}_total. gRPC message counts are not
    in access logs. `seed` hashes series; `started_ns` begins the first interval.
    """

    reads = _READS

    def __init__(self, *, seed: int, started_ns: int) -> None:
        self._seed = seed
        self._start_ns = started_ns

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch itself and the metrics of its entries."""
        if batch.template is not Template.LOGENTRY or batch.rows.is_empty():
            return [batch]
        end_ns = int(batch.rows["context.time"].dt.epoch("ns")[0])
        interval = _Interval(self._start_ns, end_ns)
        self._start_ns = end_ns
        is_tcp = pl.col("context.protocol") == "tcp"
        kinds = (
            (pl.col("request.counts") & ~is_tcp, HTTP_LABELS, self._http),
            (is_tcp & pl.col("connection.event").is_not_null(), TCP_LABELS, self._tcp),
        )
        rows = batch.rows.select(self.reads)
        frames = (self._frame(rows.filter(chosen), labels, points, interval) for chosen, labels, points in kinds)
        return [batch, *(replace(batch, template=Template.METRIC, rows=frame) for frame in frames if frame is not None)]

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Nothing is held back."""
        return ()

    def _frame(
        self, rows: pl.DataFrame, labels: Mapping[str, pl.Expr], points: Points, interval: "_Interval"
    ) -> pl.DataFrame | None:
        if rows.is_empty():
            return None
        groups = _groups(rows)
        names = {name for label in labels.values() for name in label.meta.root_names()}
        shown = rows.select(pl.col(names).gather(groups.first)).select(**labels)
        shared = shown.select(labels=pl.struct(pl.all()), series=pl.struct(pl.all()).hash(self._seed))
        frames = [shared.with_columns(columns) for columns in points(rows, groups)]
        # One chunk per metric, all over the same labels: nothing is copied.
        return pl.concat(frames, rechunk=False).with_columns(interval.columns()).select(_ORDER)

    def _http(self, rows: pl.DataFrame, groups: Groups) -> Iterator[Fields]:
        traced = _Traced(rows, groups)
        yield _counter("istio_requests_total", "1", groups.count(), traced.exemplars(np.ones(len(rows))))
        # Whole milliseconds, as Istio reports them.
        lasted = pl.when(~pl.col("latency.excluded").fill_null(value=False)).then("response.duration")
        duration = rows.select(lasted.dt.total_milliseconds()).to_series()
        yield _histogram("istio_request_duration_milliseconds", "ms", duration, groups, traced)
        yield _histogram("istio_request_bytes", "By", rows["request.total_size"], groups, traced)
        yield _histogram("istio_response_bytes", "By", rows["response.total_size"], groups, traced)

    def _tcp(self, rows: pl.DataFrame, groups: Groups) -> Iterator[Fields]:
        opened = rows["connection.opened"].fill_null(value=False).to_numpy()
        closed = (rows["connection.event"] == "close").to_numpy()
        yield _counter("istio_tcp_connections_opened_total", "1", groups.count(opened))
        yield _counter("istio_tcp_connections_closed_total", "1", groups.count(closed))
        yield _counter("istio_tcp_sent_bytes_total", "By", groups.sum(_floats(rows["connection.sent.bytes"])))
        yield _counter("istio_tcp_received_bytes_total", "By", groups.sum(_floats(rows["connection.received.bytes"])))


@dataclass(frozen=True, slots=True)
class _Interval:
    """From when to when the increases were received."""

    start_ns: int
    end_ns: int

    def columns(self) -> list[pl.Expr]:
        return [pl.lit(self.start_ns).cast(TIMESTAMP).alias("start"), pl.lit(self.end_ns).cast(TIMESTAMP).alias("time")]


def _groups(rows: pl.DataFrame) -> Groups:
    """Group rows whose labels are equal: by who and whom (one key), code, gRPC status and flags."""
    narrow = rows.select(
        pl.col("context.key"),
        pl.col("response.code").fill_null(0),
        pl.col("response.grpc_status").fill_null(_NO_GRPC),
        pl.col("response.flags"),
    )
    return group(*(narrow[name].to_numpy() for name in _NARROW))


class _Traced:
    """The traced requests among the rows: one of each group serves as exemplar, the last."""

    def __init__(self, rows: pl.DataFrame, groups: Groups) -> None:
        at = rows["trace.id"].is_not_null().arg_true().to_numpy()
        chosen = np.full(len(groups), -1, dtype=np.int64)
        chosen[groups.of_row[at]] = at
        self._chosen = chosen
        self._ids: pl.DataFrame | None = None
        if len(at):
            chosen_or_null = pl.Series(chosen).replace(-1, None)
            self._ids = rows.select(pl.col("trace.id", "trace.span_id", "request.time").gather(chosen_or_null))

    def exemplars(self, values: Floats) -> pl.Series | None:
        """Give the `exemplar` column, one per group, with these values of the rows; None when nothing is traced."""
        if self._ids is None:
            return None
        fields = pl.struct(
            trace_id="trace.id", span_id="trace.span_id", value=pl.Series(values[self._chosen]), time="request.time"
        )
        exemplar = pl.when(pl.col("trace.id").is_not_null()).then(fields)
        return self._ids.select(exemplar=exemplar).to_series()


def _floats(values: pl.Series) -> Floats:
    return values.fill_null(0).cast(pl.Float64).to_numpy()


def _described(metric: str, kind: str, unit: str, exemplars: pl.Series | None) -> Fields:
    return [
        pl.lit(metric).alias("metric"),
        pl.lit(kind, METRIC_KIND).alias("kind"),
        pl.lit(unit).alias("unit"),
        pl.lit(None, EXPONENTIAL).alias("exponential"),
        pl.lit(None, EXEMPLAR).alias("exemplar") if exemplars is None else exemplars,
    ]


def _counter(metric: str, unit: str, values: Floats, exemplars: pl.Series | None = None) -> Fields:
    return [
        *_described(metric, "counter", unit, exemplars),
        pl.Series("value", values),
        pl.lit(None, pl.UInt64).alias("count"),
        pl.lit(None, pl.List(pl.Float64)).alias("bounds"),
        pl.lit(None, pl.List(pl.UInt64)).alias("buckets"),
    ]


def _histogram(metric: str, unit: str, values: pl.Series, groups: Groups, traced: _Traced) -> Fields:
    """Rows without a value (an old Envoy's, or one cut short) are in the request count but not in here."""
    present = values.is_not_null().to_numpy()
    numbers = np.maximum(_floats(values), 0.0)
    buckets = groups.histogram(numbers, present, BOUNDS)
    return [
        *_described(metric, "histogram", unit, traced.exemplars(numbers)),
        pl.Series("value", groups.sum(numbers)),
        pl.Series("count", groups.count(present).astype(np.uint64)),
        pl.Series("bounds", _BOUNDS_ROW.gather(np.zeros(len(groups), dtype=np.uint32))),
        pl.Series("buckets", buckets).arr.to_list(),
    ]
