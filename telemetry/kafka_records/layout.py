"""The order of a template's fields in a record, in groups whose values repeat together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import polars as pl
from polars.datatypes import DataTypeClass

from telemetry.attributes import STRING_MAP, TIMESTAMP
from telemetry.batch import SCHEMAS, Template
from telemetry.json_lines import SHARED

__all__ = ["ROW", "DType", "Layout", "field_name", "flat", "layout_of"]

ROW = "row"
"""The column that has a row's number."""

DType = pl.DataType | DataTypeClass

_KEY = "context.key"
_VARYING = frozenset(
    {
        "request.id", "request.path", "request.url_path", "request.referer", "request.forwarded_for", "origin.ip",
        "trace.id", "trace.span_id", "trace.parent_id", "trace.state", "connection.id", "connection.tls.session_id",
        "span.trace_id", "span.id", "span.parent_id", "span.trace_state", "span.events", "request.headers",
        "response.headers", "response.trailers", "series",
    }
)  # fmt: skip
"""Beside times, durations, sizes and ports."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Column names: those in which rows of one `context.key` agree, those that repeat in few combinations, the rest."""

    shared: tuple[str, ...]
    repeating: tuple[str, ...]
    own: tuple[str, ...]
    dtypes: Mapping[str, DType]

    @property
    def names(self) -> tuple[str, ...]:
        """All columns in the order of a record's fields."""
        return self.shared + self.repeating + self.own


@cache
def layout_of(template: Template) -> Layout:
    """Give the template's layout; its own columns begin with the row's number."""
    schema = dict(SCHEMAS[template])
    if template is Template.METRIC:
        schema["labels"] = STRING_MAP
    # Spans of one batch come from entries of several, in each of which a key means another context.
    keyed = _KEY in schema and template is not Template.TRACESPAN
    shared = tuple(name for name in schema if name in SHARED) if keyed else ()
    others = [name for name in schema if name not in shared]
    repeating = tuple(name for name in others if _KEY in schema and not _varies(name, schema[name]))
    own = (ROW, *(name for name in others if name not in repeating))
    return Layout(shared, repeating, own, {**schema, ROW: pl.UInt32})


def _varies(name: str, dtype: DType) -> bool:
    return dtype in (TIMESTAMP, pl.Duration, pl.UInt64) or name.endswith(".port") or name in _VARYING


def field_name(column: str) -> str:
    """Give a column's name as Avro and protobuf allow it."""
    return column.replace(".", "_")


def flat(rows: pl.DataFrame) -> pl.DataFrame:
    """Give METRIC rows with their labels as key and value pairs, whatever the labels are; other rows as they are."""
    if "labels" not in rows.columns:
        return rows
    labels = rows["labels"].struct.unnest()
    if not labels.width:
        return rows.with_columns(pl.lit([], STRING_MAP).alias("labels"))
    pairs = [
        pl.when(pl.col(name).is_not_null()).then(
            pl.struct(pl.lit(name).alias("key"), pl.col(name).cast(pl.String).alias("value"))
        )
        for name in labels.columns
    ]
    return rows.with_columns(labels.select(pl.concat_list(pairs).list.drop_nulls().alias("labels")).to_series())
