"""The Avro schemas of our templates: every field may be null and defaults to it, so that readers of any age agree."""

from functools import cache
from typing import Any

import polars as pl

from telemetry.attributes import ATTRIBUTES
from telemetry.batch import Template
from telemetry.kafka_records.layout import ROW, DType, field_name, layout_of

__all__ = ["NAMES", "batch_schema", "entry_schema", "stored"]

NAMESPACE = "telemetry.entry.v1"
NAMES = {
    Template.LOGENTRY: "LogEntry",
    Template.METRIC: "Metric",
    Template.TRACESPAN: "TraceSpan",
    Template.EDGE: "Edge",
    Template.HOP: "Hop",
}

_PRIMITIVE = {pl.String: "string", pl.Boolean: "boolean", pl.Float64: "double"}
_MEANINGS = {attribute.name: attribute.meaning for attribute in ATTRIBUTES}
_META = {
    "receiver": ("string", "the receiver that made the batch; with epoch, sequence and row it names the entry"),
    "epoch": ("long", "start of that receiver's process, nanoseconds since 1970"),
    "sequence": ("long", "number of the batch"),
}


def stored(dtype: DType) -> pl.DataType:
    """Give the type that Polars writes as Avro has it: whole numbers and times are longs, enums strings."""
    if isinstance(dtype, pl.List):
        return pl.List(stored(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: stored(field.dtype) for field in dtype.fields})
    if isinstance(dtype, pl.Enum) or dtype == pl.String:
        return pl.String()
    return pl.Boolean() if dtype == pl.Boolean else pl.Float64() if dtype == pl.Float64 else pl.Int64()


@cache
def entry_schema(template: Template) -> dict[str, Any]:
    """Give the schema of one entry."""
    layout = layout_of(template)
    meta = [{"name": name, "type": kind, "doc": doc} for name, (kind, doc) in _META.items()]
    fields = [
        {
            "name": field_name(name),
            "type": _type(layout.dtypes[name], f"{NAMES[template]}_{field_name(name)}"),
            "doc": _doc(name, layout.dtypes[name]),
            "default": None,
        }
        for name in layout.names
    ]
    return {"type": "record", "name": NAMES[template], "namespace": NAMESPACE, "fields": [*meta, *fields]}


@cache
def batch_schema(template: Template) -> dict[str, Any]:
    """Give the schema of many entries in one record of Kafka, where a registry has it."""
    rows = {"name": "rows", "type": {"type": "array", "items": entry_schema(template)}, "default": []}
    return {"type": "record", "name": f"{NAMES[template]}Batch", "namespace": NAMESPACE, "fields": [rows]}


def _type(dtype: DType, name: str) -> list[Any]:
    """Give the union of null and what holds the values; records are named after the field that they stand in."""
    if isinstance(dtype, pl.List):
        return ["null", {"type": "array", "items": _type(dtype.inner, f"{name}_item")}]
    if isinstance(dtype, pl.Struct):
        fields = [
            {"name": field.name, "type": _type(field.dtype, f"{name}_{field.name}"), "default": None}
            for field in dtype.fields
        ]
        return ["null", {"type": "record", "name": name, "fields": fields}]
    if isinstance(dtype, pl.Datetime):
        return ["null", {"type": "long", "logicalType": "timestamp-nanos"}]
    return ["null", _PRIMITIVE.get(stored(dtype).base_type(), "long")]


def _doc(name: str, dtype: DType) -> str:
    if name == ROW:
        return "number of the entry in its batch"
    texts = [_MEANINGS.get(name, "")]
    if isinstance(dtype, pl.Duration):
        texts.append("nanoseconds")
    if dtype == pl.UInt64:
        texts.append("from 2^63 on negative (two's complement)")
    return "; ".join(filter(None, texts))
