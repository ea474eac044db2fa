"""Batches as a mesh's traffic makes them, for tests and benchmarks: realistic, of any length, every row marked."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from telemetry.attributes import DURATION, TIMESTAMP
from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.testing.samples import ROWS

__all__ = ["EPOCH_NS", "batch_of", "marked", "marks"]

EPOCH_NS = 1_700_000_000_000_000_000
"""When the batches' receiver started, and about when their requests were: 2023-11-14T22:13:20Z."""

_STEP_NS = 1_234_567
_LABELS = "labels"


def batch_of(template: Template, rows: int = 6, *, sequence: int = 1, epoch: int = EPOCH_NS) -> Batch:
    """Give a batch of that many rows: equal for equal arguments, no row like another, each with its mark."""
    samples = _frame(template, ROWS[template])
    numbers = pl.int_range(rows, eager=True)
    frame = samples[numbers % len(samples)].with_columns(_VARIED[template](numbers + 1_000_000 * sequence))
    batch = Batch(template, frame, "receiver-0", epoch, sequence)
    return marked(batch, [f"{sequence}-{number}" for number in range(rows)])


def marked(batch: Batch, marks: list[str]) -> Batch:
    """Give the batch with these marks in place of its own. A mark tells a row where the sink shows it.

    LOGENTRY, TRACESPAN and HOP: `request.id`. METRIC: the label `mark`. EDGE: `source.workload.name`.
    """
    column = pl.Series("mark", marks, dtype=pl.String)
    if batch.template is Template.METRIC:
        change = pl.col(_LABELS).struct.with_fields(column)
    else:
        change = pl.lit(column).alias(_MARK[batch.template])
    return replace(batch, rows=batch.rows.with_columns(change))


def marks(batch: Batch) -> list[str]:
    """Give each row's mark."""
    if batch.template is Template.METRIC:
        column = batch.rows[_LABELS].struct.field("mark")
    else:
        column = batch.rows[_MARK[batch.template]]
    return column.to_list()


_MARK = {
    Template.LOGENTRY: "request.id",
    Template.TRACESPAN: "request.id",
    Template.HOP: "request.id",
    Template.EDGE: "source.workload.name",
}


def _frame(template: Template, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = dict(SCHEMAS[template])
    if template is Template.METRIC:
        schema[_LABELS] = pl.Struct(dict.fromkeys([*rows[0][_LABELS], "mark"], pl.String))
    return pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)


def _times(numbers: pl.Series, *names: str) -> list[pl.Series]:
    moments = (EPOCH_NS + numbers * _STEP_NS).cast(TIMESTAMP)
    return [moments.alias(name) for name in names]


def _hex(numbers: pl.Series, digits: int, salt: int) -> pl.Series:
    """Give hex digits that look random and differ from row to row; never all zero."""
    words = [
        ((numbers.to_numpy().astype(np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15 + 2 * (salt + at))).byteswap()
        for at in range(digits // 16)
    ]
    lines = np.stack(words, axis=1).tobytes().hex()
    return pl.Series([lines[at : at + digits] for at in range(0, len(lines), digits)], dtype=pl.String)


def _request(numbers: pl.Series) -> list[pl.Series | pl.Expr]:
    return [
        *_times(numbers, "request.time"),
        *_times(numbers + 10, "response.time"),
        # Envoy sends some tens of entries in one message.
        *_times(numbers // 64 * 64 + 1000, "context.time"),
        (40_000 + numbers % 2003).cast(pl.UInt32).alias("downstream.port"),
        (pl.col("response.total_size") + pl.lit(numbers % 4099)).cast(pl.UInt64).alias("response.total_size"),
        (pl.col("time.upstream_wait") + pl.lit((numbers % 977 * 10_000).cast(DURATION))).alias("time.upstream_wait"),
        _hex(numbers, 32, 1).alias("trace.id"),
        _hex(numbers, 16, 3).alias("trace.span_id"),
        (pl.col("response.duration") + pl.lit((numbers % 977 * 10_000).cast(DURATION))).alias("response.duration"),
        (pl.col("response.size") + pl.lit(numbers % 4099)).cast(pl.UInt64).alias("response.size"),
    ]


def _span(numbers: pl.Series) -> list[pl.Series | pl.Expr]:
    return [
        *_request(numbers),
        _hex(numbers, 32, 1).alias("span.trace_id"),
        _hex(numbers, 16, 3).alias("span.id"),
        *_times(numbers, "span.start"),
        pl.lit(_times(numbers + 9, "end")[0]).alias("span.end"),
    ]


def _hop(numbers: pl.Series) -> list[pl.Series | pl.Expr]:
    return [*_times(numbers, "request.time"), *_times(numbers // 64 * 64 + 1000, "context.time")]


def _edge(numbers: pl.Series) -> list[pl.Series | pl.Expr]:
    return [*_times(numbers, "start"), *_times(numbers + 1000, "time", "last_seen")]


def _point(numbers: pl.Series) -> list[pl.Series | pl.Expr]:
    return [numbers.cast(pl.UInt64).alias("series"), *_times(numbers * 0, "start"), *_times(numbers * 0 + 1000, "time")]


_VARIED: Mapping[Template, Callable[[pl.Series], list[pl.Series | pl.Expr]]] = {
    Template.LOGENTRY: _request,
    Template.TRACESPAN: _span,
    Template.EDGE: _edge,
    Template.HOP: _hop,
    Template.METRIC: _point,
}
