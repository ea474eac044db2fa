"""What an entry says, as expressions over LOGENTRY rows: labels, request, resource, as Istio's Stackdriver filled them.

Source of names and rules: istio/proxy, extensions/stackdriver/log/logger.cc and common/utils.cc (release-1.16), where
an absent value is an empty label; here it is left out.
"""

from collections.abc import Mapping

import polars as pl

# fmt: off
__all__ = [
    "CLIENT", "HTTP", "LABELS", "LOG_NAME", "PAYLOAD", "POD", "REPORTER", "REQUEST", "SHARED_LABELS", "TIME", "TRACE",
]
# fmt: on

CLIENT = pl.col("context.reporter.kind").eq_missing("outbound")
HTTP = pl.col("context.protocol").is_in(["http", "grpc"]).fill_null(value=False)
_TCP = pl.col("context.protocol").eq_missing("tcp")

# A connection's periodic entries have one start: each is told when it came.
TIME = (
    pl.when(HTTP)
    .then(pl.coalesce("request.time", "context.time"))
    .otherwise(pl.coalesce("context.time", "request.time"))
)
"""A request's start; of a connection or event, when we heard of it."""

LOG_NAME = (
    pl.when(CLIENT).then(pl.lit("client-accesslog-stackdriver")).otherwise(pl.lit("server-accesslog-stackdriver"))
)
"""Istio's name of the log, by who reported."""


def _of_reporter(name: str) -> pl.Expr:
    return pl.when(CLIENT).then(pl.col(f"source.{name}")).otherwise(pl.col(f"destination.{name}"))


REPORTER: Mapping[str, pl.Expr] = {
    "cluster": _of_reporter("cluster.id"),
    "namespace": _of_reporter("namespace"),
    "name": _of_reporter("name"),
    "node": pl.coalesce("context.reporter.uid", _of_reporter("name")),
}
"""What a monitored resource is made of."""

POD = _of_reporter("uid").str.starts_with("kubernetes://").fill_null(value=False)

_END = {
    "name": "name",
    "workload": "workload.name",
    "namespace": "namespace",
    "app": "app",
    "version": "version",
    "canonical_service": "canonical.service",
    "canonical_revision": "canonical.revision",
    "principal": "principal",
}

SHARED_LABELS: Mapping[str, pl.Expr] = {
    **{
        f"{side}_{label}": pl.col(f"{side}.{name}")
        for side in ("source", "destination")
        for label, name in _END.items()
    },
    "destination_service_host": pl.col("destination.service.host"),
    "destination_service_name": pl.col("destination.service.name"),
    "service_authentication_policy": pl.col("connection.security_policy").str.to_uppercase(),
    "protocol": pl.col("context.protocol"),
}
"""Labels in which rows of one context.key agree."""


def _on_tcp(name: str) -> pl.Expr:
    return pl.when(_TCP).then(pl.col(name).cast(pl.String))


_UPSTREAM_IP = pl.when(pl.col("upstream.ip").str.contains(":", literal=True)).then(
    pl.concat_str(pl.lit("["), "upstream.ip", pl.lit("]"))
).otherwise("upstream.ip")  # fmt: skip

LABELS: Mapping[str, pl.Expr] = {
    "request_id": pl.col("request.id"),
    "response_flag": pl.col("context.proxy_error_code"),
    "response_details": pl.coalesce("response.code_details", "connection.termination_details"),
    "connection_id": pl.col("connection.id"),
    "route_name": pl.col("route.name"),
    "upstream_host": pl.concat_str(_UPSTREAM_IP, pl.col("upstream.port"), separator=":"),
    "upstream_cluster": pl.col("upstream.cluster"),
    "upstream_transport_failure_reason": pl.col("upstream.failure_reason"),
    "requested_server_name": pl.col("connection.requested_server_name"),
    "source_ip": _on_tcp("source.ip"),
    "source_port": _on_tcp("source.port"),
    "destination_ip": _on_tcp("destination.ip"),
    "destination_port": _on_tcp("destination.port"),
    "total_received_bytes": _on_tcp("connection.received.bytes_total"),
    "total_sent_bytes": _on_tcp("connection.sent.bytes_total"),
    "connection_state": pl.col("connection.event").replace_strict(
        {"open": "OPEN", "continue": "CONNECTED", "close": "CLOSE"}, default=None, return_dtype=pl.String
    ),
    # Istio's had none of these.
    "grpc_status": pl.col("response.grpc_status").cast(pl.String),
    "response_blame": pl.col("response.blame"),
    "event_name": pl.col("event.name"),
}
"""Labels of each row."""

_URL = pl.concat_str("request.scheme", pl.lit("://"), "request.host", "request.path")


def _on_http(value: pl.Expr) -> pl.Expr:
    return pl.when(HTTP).then(value)


REQUEST: Mapping[int, pl.Expr] = {
    1: _on_http(pl.col("request.method")),
    2: _on_http(pl.coalesce(_URL, pl.col("request.path"))),
    6: _on_http(pl.col("request.useragent")),
    7: _on_http(pl.col("source.ip")),
    8: _on_http(pl.col("request.referer")),
    13: _on_http(pl.col("destination.ip")),
    15: _on_http(pl.coalesce("request.protocol_version", "context.protocol")),
}
"""Texts of google.logging.type.HttpRequest, by number of the field."""

_FROM = pl.coalesce("source.canonical.service", "source.workload.name", pl.lit("unknown"))
_TO = pl.coalesce("destination.canonical.service", "destination.service.name", pl.lit("unknown"))

PAYLOAD = pl.coalesce(
    pl.col("event.message"), pl.when(_TCP).then(pl.concat_str(_FROM, _TO, separator=" --> "))
)  # fmt: skip
"""The text: of an event its sentence, of a TCP connection who spoke to whom; a request is told by its httpRequest."""

_SOUND_TRACE = pl.col("trace.id").str.contains(r"^[0-9a-f]{32}$") & (pl.col("trace.id") != "0" * 32)
_SOUND_SPAN = pl.col("trace.span_id").str.contains(r"^[0-9a-f]{16}$") & (pl.col("trace.span_id") != "0" * 16)

TRACE: Mapping[str, pl.Expr] = {
    "trace": pl.when(_SOUND_TRACE).then("trace.id"),
    "span": pl.when(_SOUND_TRACE & _SOUND_SPAN).then("trace.span_id"),
    "sampled": _SOUND_TRACE.fill_null(value=False) & pl.col("trace.sampled").fill_null(value=False),
}
