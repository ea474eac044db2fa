"""Batches as lines: `measurement,tag=value field=value,field=value time`."""

import secrets
from collections.abc import Iterator

import numpy as np
import polars as pl

from telemetry.batch import Batch, Template
from telemetry.line_protocol.escaping import key, measurement, quoted, tag_values
from telemetry.line_protocol.points import Plan

__all__ = ["MAX_SERIES_BYTES", "lines_of"]

MAX_SERIES_BYTES = 65_535
"""What InfluxDB takes of measurement and tags together."""

_LARGEST = (1 << 63) - 1
# With a known seed, rows could be made whose hashes collide: one would have the other's tags.
_SEED = secrets.randbits(64)


def lines_of(batch: Batch, plan: Plan, name: str | None) -> pl.Series:
    """Give each row's line, null where measurement and tags are longer than InfluxDB takes.

    `name`: the measurement; METRIC rows are named after their metric. Fields that are null, NaN or infinite, or whole
    numbers from 2^63 on, are left out; `epoch`, `sequence` and `row` are always there.
    """
    identity = (batch.row_numbers.alias("row"), pl.lit(batch.sequence, pl.Int64).alias("sequence"))
    rows = batch.rows.with_columns(*identity)
    if batch.template is Template.METRIC:
        heads, fields = _series_of_points(batch), _fields_of_points(rows)
    else:
        heads = _distinct_heads(rows.select(plan.tags), measurement(name or batch.template), batch.receiver)
        fields = [_field(at, rows.schema[at]) for at in plan.fields]
    ours = pl.concat_str(
        pl.lit(f" epoch={batch.epoch}i,sequence={batch.sequence}i,row="), pl.col("row"), pl.lit("i"), *fields
    )
    lines = rows.select(
        pl.concat_str(pl.lit(heads.alias("head")), ours, pl.lit(" "), plan.time.cast(pl.String)).alias("line")
    )["line"]
    return lines.set(heads.str.len_bytes() > MAX_SERIES_BYTES, None) if _too_long(heads) else lines


def _too_long(heads: pl.Series) -> bool:
    longest = heads.str.len_bytes().max()
    return isinstance(longest, int) and longest > MAX_SERIES_BYTES


def _heads(tags: pl.DataFrame, names: pl.Expr, receiver: str) -> pl.Series:
    """Give measurement and tags. Sorted tags spare InfluxDB the work."""
    ours = tag_values(pl.Series([receiver]))
    # A label of that name has precedence: a tag must not be there twice.
    prefix = "" if ours[0] is None or "receiver" in tags.columns else f",receiver={ours[0]}"
    encoded = {name: tag_values(tags[name].cast(pl.String)) for name in sorted(tags.columns, key=key)}
    parts = [pl.concat_str(pl.lit(f",{key(name)}="), pl.col(f"{at}")) for at, name in enumerate(encoded)]
    frame = pl.DataFrame({f"{at}": column for at, column in enumerate(encoded.values())}, height=len(tags))
    return frame.select(pl.concat_str(names, pl.lit(prefix), *parts, ignore_nulls=True).alias("head"))["head"]


def _distinct_heads(tags: pl.DataFrame, name: str, receiver: str) -> pl.Series:
    hashes = tags.hash_rows(_SEED).to_numpy()
    _, firsts, codes = np.unique(hashes, return_index=True, return_inverse=True)
    distinct = tags[firsts]
    heads = _heads(distinct, pl.repeat(name, len(distinct)), receiver)
    return heads.gather(codes)


def _series_of_points(batch: Batch) -> pl.Series:
    names = batch.rows["metric"]
    known = {one: measurement(one or "") for one in names.unique().to_list()}
    labels = batch.rows["labels"].struct.unnest()
    return _heads(labels, pl.lit(names.replace_strict(known, return_dtype=pl.String)), batch.receiver)


def _field(name: str, dtype: pl.DataType) -> pl.Expr:
    """Give `,name=value`, nothing where there is none. Times and durations are nanoseconds, and their names say so."""
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime | pl.Duration):
        return _member(f"{name}_ns", column.to_physical().cast(pl.String) + "i")
    if dtype == pl.Boolean:
        return _member(name, column.cast(pl.String))
    if dtype.is_integer():
        fitting = pl.when(column <= _LARGEST).then(column) if dtype == pl.UInt64 else column
        return _member(name, fitting.cast(pl.String) + "i")
    if dtype.is_float():
        return _member(name, pl.when(column.is_finite()).then(column).cast(pl.String))
    return _member(name, quoted(column.cast(pl.String)))


def _member(name: str, value: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit(f",{key(name)}="), value).fill_null("")


def _fields_of_points(rows: pl.DataFrame) -> list[pl.Expr]:
    """Counter and gauge: value. Histogram: sum, count, and for each bound how many were not above it."""
    histogram = pl.col("kind") == "histogram"
    finite = pl.when(pl.col("value").is_finite()).then(pl.col("value")).cast(pl.String)
    exemplar = pl.col("exemplar").struct
    return [
        pl.when(histogram).then(_member("sum", finite)).otherwise(_member("value", finite)),
        _field("count", pl.UInt64()),
        *_buckets(rows),
        _member("exemplar_trace_id", quoted(exemplar.field("trace_id"))),
    ]


def _buckets(rows: pl.DataFrame) -> Iterator[pl.Expr]:
    """Histograms of one layout of bounds have the same fields."""
    layouts = rows["bounds"].unique().drop_nulls().to_list()
    for bounds in layouts:
        here = pl.col("bounds") == pl.lit(pl.Series([bounds], dtype=pl.List(pl.Float64))).first()
        counts = pl.col("buckets").list.eval(pl.element().cum_sum())
        members = [
            _member(f"le_{bound:.15g}", counts.list.get(at, null_on_oob=True).cast(pl.String) + "i")
            for at, bound in enumerate([*bounds, float("inf")])
        ]
        yield pl.when(here).then(pl.concat_str(members)).otherwise(pl.lit(""))
