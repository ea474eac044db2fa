"""Template and SCHEMAS: the kinds of thing that flow, and the columns of each."""

from collections.abc import Mapping
from enum import StrEnum

import polars as pl

from telemetry.attributes import ATTRIBUTES, STRING_MAP, TIMESTAMP

__all__ = [
    "EDGE_REPORTER",
    "EXEMPLAR",
    "EXPONENTIAL",
    "HOP_MATCH",
    "LATENCY",
    "METRIC_KIND",
    "NUMBERS_LACK",
    "SCHEMAS",
    "SPAN_KIND",
    "SPAN_STATUS",
    "Template",
]


class Template(StrEnum):
    """Mixer's word: the kinds of thing that an adapter may accept."""

    LOGENTRY = "logentry"
    """One row per finished (or periodic) request or connection, all attributes."""
    METRIC = "metric"
    """Metric points: deltas for counters and histograms, values for gauges."""
    TRACESPAN = "tracespan"
    """One row per span."""
    EDGE = "edge"
    """Traffic between two workloads over the batch's interval."""
    HOP = "hop"
    """One row per request, or report of a TCP connection, between two workloads: both ends' entries, joined."""


METRIC_KIND = pl.Enum(["counter", "gauge", "histogram"])
EXEMPLAR = pl.Struct({"trace_id": pl.String, "span_id": pl.String, "value": pl.Float64, "time": TIMESTAMP})
# A native (exponential) histogram's increase: base 2**(2**-scale), bucket i ends at base**(i+1); counts not cumulative.
_BUCKETS = pl.List(pl.Struct({"index": pl.Int32, "count": pl.UInt64}))
EXPONENTIAL = pl.Struct(
    {
        "scale": pl.Int8,
        "zero_threshold": pl.Float64,
        "zero_count": pl.UInt64,
        "positive": _BUCKETS,
        "negative": _BUCKETS,
    }
)
# A histogram of times, milliseconds, over processors.signals.BOUNDS and +Inf; buckets not cumulative.
LATENCY = pl.Struct({"count": pl.UInt64, "sum_ms": pl.Float64, "buckets": pl.List(pl.UInt64)})
SPAN_KIND = pl.Enum(["internal", "server", "client", "producer", "consumer"])
SPAN_STATUS = pl.Enum(["unset", "ok", "error"])
EDGE_REPORTER = pl.Enum(["source", "destination", "both"])
# By what the two entries of a hop were found to be one request, the surest first (docs/hops.md).
HOP_MATCH = pl.Enum(
    ["addresses", "client_address", "server_address", "workloads", "destination", "source", "connection"]
)

_DType = pl.DataType | type[pl.DataType]

_ENDS = (
    "workload.name",
    "workload.namespace",
    "app",
    "version",
    "canonical.service",
    "canonical.revision",
    "cluster.id",
)

SCHEMAS: Mapping[Template, Mapping[str, _DType]] = {
    Template.LOGENTRY: {attribute.name: attribute.dtype for attribute in ATTRIBUTES},
    Template.METRIC: {
        # The full name as Prometheus knows it, `_total` included: istio_requests_total.
        "metric": pl.String,
        "kind": METRIC_KIND,
        # UCUM, as OpenTelemetry writes units: 1, ms, s, By.
        "unit": pl.String,
        # One String field per label; all rows of a batch have the same label names. Any names.
        "labels": pl.Struct,
        # 64-bit hash of the label names and values: with `metric` it names the series, without the
        # cost of comparing 25 strings. Equal label sets have equal values within one epoch.
        "series": pl.UInt64,
        # Counter: the increase. Gauge: the value. Histogram: the increase of the sum.
        "value": pl.Float64,
        # Histogram only: the increase of the count; null otherwise.
        "count": pl.UInt64,
        # Histogram only: upper bounds, ascending, without +Inf; null otherwise.
        "bounds": pl.List(pl.Float64),
        # Histogram only: increase per bucket, NOT cumulative; one more than bounds, the last is +Inf.
        "buckets": pl.List(pl.UInt64),
        # Native histograms only: the increase in exponential buckets; null otherwise.
        "exponential": EXPONENTIAL,
        # One traced request among those summed up, or null. `value` is in the metric's unit.
        "exemplar": EXEMPLAR,
        # The interval that the increase belongs to, by the receiver's clock.
        "start": TIMESTAMP,
        "time": TIMESTAMP,
    },
    # What a span has, then every attribute of the entry that it was made of: rules and adapters see the request.
    Template.TRACESPAN: {
        # 32 and 16 hex digits; the parent is null for a trace's first span.
        "span.trace_id": pl.String,
        "span.id": pl.String,
        "span.parent_id": pl.String,
        "span.trace_state": pl.String,
        "span.sampled": pl.Boolean,
        "span.name": pl.String,
        "span.kind": SPAN_KIND,
        "span.start": TIMESTAMP,
        "span.end": TIMESTAMP,
        "span.status": SPAN_STATUS,
        "span.status_message": pl.String,
        # Its ids or its parent were worked out, not read from headers.
        "span.inferred": pl.Boolean,
        "span.events": pl.List(pl.Struct({"time": TIMESTAMP, "name": pl.String, "attributes": STRING_MAP})),
        **{attribute.name: attribute.dtype for attribute in ATTRIBUTES},
    },
    Template.EDGE: {
        "start": TIMESTAMP,
        "time": TIMESTAMP,
        # Which ends told of it, over all its requests. The same request is in one edge row only.
        "reporter": EDGE_REPORTER,
        "context.protocol": pl.String,
        **{f"{side}.{name}": pl.String for side in ("source", "destination") for name in _ENDS},
        "destination.service.host": pl.String,
        "destination.service.name": pl.String,
        "destination.service.namespace": pl.String,
        # HTTP and gRPC; the next three say who told of them, and add up to them.
        "requests": pl.UInt64,
        "requests_paired": pl.UInt64,
        "requests_source_only": pl.UInt64,
        "requests_destination_only": pl.UInt64,
        # Requests, or connections at their end, by response.outcome; unanswered: outcome none.
        "client_errors": pl.UInt64,
        "server_errors": pl.UInt64,
        "unanswered": pl.UInt64,
        "responses": pl.List(
            pl.Struct({"code": pl.UInt16, "grpc_status": pl.UInt8, "flags": pl.String, "count": pl.UInt64})
        ),
        "blame": pl.List(pl.Struct({"blame": pl.String, "count": pl.UInt64})),
        # What istio_requests_total counted by reporter, every attempt at the server's end, for Kiali's health.
        # `code` as Kiali reads it: "-" without response, gRPC's status for gRPC, else the HTTP status.
        "reports": pl.List(pl.Struct({"reporter": pl.String, "code": pl.String, "count": pl.UInt64})),
        # Of `total` requests, those that took longer than a latency that the catalog promises of the destination.
        "slow": pl.List(pl.Struct({"threshold_ms": pl.Float64, "slow": pl.UInt64, "total": pl.UInt64})),
        # Requests (TCP: reports of connections) with mutual TLS, and without; what neither side knows is in neither.
        "mtls": pl.UInt64,
        "plain": pl.UInt64,
        "source.principals": pl.List(pl.String),
        "destination.principals": pl.List(pl.String),
        "attempts": pl.UInt64,
        "retried": pl.UInt64,
        "request_bytes": pl.UInt64,
        "response_bytes": pl.UInt64,
        # TCP only.
        "connections_opened": pl.UInt64,
        "connections_closed": pl.UInt64,
        "latency": LATENCY,
        "latency.application": LATENCY,
        "latency.network": LATENCY,
        "latency.proxy": LATENCY,
        # Sum of the requests' (connections') lives: divided by the interval, the concurrency (Little's law).
        "busy_s": pl.Float64,
        # Requests that both ends should have told of, and one did not.
        "missing_source": pl.UInt64,
        "missing_destination": pl.UInt64,
        "last_seen": TIMESTAMP,
    },
    # An earlier attempt of a retried request has no row of its own: one row is one request of the client's.
    Template.HOP: {
        # Rows with equal keys agree in all columns down to connection.mtls; stable within a batch.
        "context.key": pl.UInt32,
        "context.protocol": pl.String,
        **{f"{side}.{name}": pl.String for side in ("source", "destination") for name in _ENDS},
        "destination.service.host": pl.String,
        "destination.service.name": pl.String,
        "destination.service.namespace": pl.String,
        "source.principal": pl.String,
        "destination.principal": pl.String,
        "connection.mtls": pl.Boolean,
        # Whose entries the row is made of, and by what the two were matched; null where there was one only.
        "hop.reporter": EDGE_REPORTER,
        "hop.matched_by": HOP_MATCH,
        # The other end's Envoy is known to report, and ought to have told of this one.
        "missing_source": pl.Boolean,
        "missing_destination": pl.Boolean,
        # When we received the entry, of two the later; by our clock.
        "context.time": TIMESTAMP,
        # From here on the client's view; the server's where the client did not tell.
        "request.time": TIMESTAMP,
        "request.id": pl.String,
        "request.operation": pl.String,
        "request.attempts": pl.UInt32,
        "trace.id": pl.String,
        "trace.span_id": pl.String,
        "response.code": pl.UInt16,
        "response.grpc_status": pl.UInt8,
        "response.flags": pl.UInt64,
        "context.proxy_error_code": pl.String,
        "response.outcome": pl.String,
        "response.blame": pl.String,
        "response.duration": pl.Duration("ns"),
        "latency.excluded": pl.Boolean,
        # HTTP: with headers and framing. TCP: since the connection's last report.
        "request.bytes": pl.UInt64,
        "response.bytes": pl.UInt64,
        # TCP only: open and continue bring bytes, close is the connection's end; opened where it is told of first.
        "connection.event": pl.String,
        "connection.opened": pl.Boolean,
        # Attempts that servers told of, this one included; 0 where no server told.
        "hop.attempts_seen": pl.UInt32,
        # The server's view; null where it did not tell.
        "hop.server.code": pl.UInt16,
        "hop.server.grpc_status": pl.UInt8,
        "hop.server.flags": pl.UInt64,
        "hop.server.outcome": pl.String,
        "hop.server.blame": pl.String,
        "hop.server.duration": pl.Duration("ns"),
        # response.duration taken apart (docs/hops.md): where all five are known they add up to it exactly. Null where
        # unknown: network where only the server told, all five where only the client did or nobody can tell.
        "hop.client": pl.Duration("ns"),
        "hop.retries": pl.Duration("ns"),
        "hop.proxy": pl.Duration("ns"),
        "hop.network": pl.Duration("ns"),
        "hop.application": pl.Duration("ns"),
    },
}

NUMBERS_LACK = {
    name: SCHEMAS[Template.METRIC][name] for name in ("count", "bounds", "buckets", "exponential", "exemplar")
}
"""METRIC columns, with their types, that are null where a row is one number."""
