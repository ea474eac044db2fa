"""What of each template is a tag, what a field, and when a point is."""

from dataclasses import dataclass

import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import SCHEMAS, Template

__all__ = ["FIELDS", "MEASUREMENTS", "TAGS", "Plan", "plan_of"]

MEASUREMENTS = {Template.LOGENTRY: "logentry", Template.EDGE: "edge"}
"""METRIC points are named after their metric."""

_ENDS = tuple(f"{side}.workload.{name}" for side in ("source", "destination") for name in ("name", "namespace"))
TAGS = {
    Template.LOGENTRY: (
        *_ENDS, "destination.service.name", "destination.service.namespace", "context.protocol",
        "context.reporter.kind", "request.method", "request.operation", "response.code", "response.outcome",
        "response.blame",
    ),
    Template.EDGE: (
        *_ENDS, "destination.service.name", "destination.service.namespace", "context.protocol", "reporter",
    ),
}  # fmt: skip
"""Attributes of few values: each combination is a series, which InfluxDB keeps in memory."""

FIELDS = {
    Template.LOGENTRY: (
        "request.id", "trace.id", "request.time", "request.host", "request.path", "request.total_size",
        "request.attempts", "response.duration", "response.total_size", "response.grpc_status", "response.flags",
        "response.code_details", "context.proxy_error_code", "source.ip", "destination.ip", "connection.mtls",
        "connection.duration", "connection.received.bytes", "connection.sent.bytes", "time.upstream_wait",
    ),
    Template.EDGE: tuple(
        name for name, dtype in SCHEMAS[Template.EDGE].items() if dtype in (pl.UInt64, pl.Float64)
    ),
}  # fmt: skip

_TIMES = {
    Template.LOGENTRY: pl.coalesce("request.time", "context.time"),
    Template.METRIC: pl.col("time"),
    Template.EDGE: pl.col("time"),
}
_STEP_NS = 1_000_000
_SPREAD = 611_953
"""Prime: rows of the next batch don't fall on those of this one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Columns that become tags and fields, and the time of each point."""

    tags: tuple[str, ...]
    fields: tuple[str, ...]
    time: pl.Expr


def plan_of(template: Template, tags: tuple[str, ...] | None = None, fields: tuple[str, ...] | None = None) -> Plan:
    """Give the plan of a template, with these tags and fields instead of the usual ones."""
    chosen = TAGS.get(template, ()) if tags is None else tags
    values = FIELDS.get(template, ()) if fields is None else fields
    return Plan(chosen, values, _point_time(_TIMES[template]))


def _point_time(time: pl.Expr) -> pl.Expr:
    """Give nanoseconds since 1970: whole milliseconds, and below them a number that the row's identity gives.

    A series has one point at a time, and a later one takes its place: so two rows of a batch never share a time, and a
    row that comes again has its own. Needs the columns `row` and `sequence`.
    """
    offset = (pl.col("row").cast(pl.Int64) + pl.col("sequence") % _STEP_NS * _SPREAD) % _STEP_NS
    known = time.cast(TIMESTAMP).to_physical().fill_null(0)
    return known // _STEP_NS * _STEP_NS + offset
