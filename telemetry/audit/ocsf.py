"""The audit's record: an entry as OCSF's HTTP Activity (class 4002), TCP as Network Activity (4001), flattened."""

from collections.abc import Mapping

import polars as pl

from telemetry.batch import Batch

__all__ = ["FIELDS", "OCSF_VERSION", "records"]

OCSF_VERSION = "1.7.0"

_HTTP, _NETWORK = 4002, 4001
_ACTIVITY = {
    "CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8, "PATCH": 9,
}  # fmt: skip
_EVENT = {"open": 1, "close": 2, "continue": 6}
_TLS = {1: "1.0", 2: "1.1", 3: "1.2", 4: "1.3"}
_FAILED = ("client_error", "server_error")

_TCP = pl.col("context.protocol") == "tcp"


def _of(attribute: str) -> pl.Expr:
    return pl.col(attribute)


def _query() -> pl.Expr:
    return _of("request.path").str.extract(r"\?(.*)$")


def _class() -> pl.Expr:
    return pl.when(_TCP).then(_NETWORK).otherwise(_HTTP).cast(pl.UInt32)


def _activity() -> pl.Expr:
    http = _of("request.method").replace_strict(_ACTIVITY, default=99, return_dtype=pl.UInt32)
    tcp = _of("connection.event").replace_strict(_EVENT, default=6, return_dtype=pl.UInt32)
    return (
        pl.when(_TCP)
        .then(tcp)
        .otherwise(pl.when(_of("request.method").is_null()).then(0).otherwise(http))
        .cast(pl.UInt32)
    )


def _status() -> pl.Expr:
    outcome = _of("response.outcome")
    return pl.when(outcome == "success").then(1).when(outcome.is_in(_FAILED)).then(2).otherwise(0).cast(pl.UInt8)


def _lines(name: str) -> pl.Expr:
    return _of(f"connection.{name}.bytes")


# OCSF's attribute, flattened: what it is made of. docs/adapters/audit.md explains each; a test compares.
FIELDS: Mapping[str, pl.Expr] = {
    "time": _of("request.time").fill_null(_of("context.time")),
    "class_uid": _class(),
    "category_uid": pl.lit(4, pl.UInt8),
    "activity_id": _activity(),
    "type_uid": _class() * 100 + _activity(),
    "severity_id": pl.lit(1, pl.UInt8),
    "status_id": _status(),
    "status_code": _of("response.code").cast(pl.String),
    "status_detail": _of("response.code_details"),
    "duration": _of("response.duration").fill_null(_of("connection.duration")).dt.total_milliseconds(),
    "metadata.version": pl.lit(OCSF_VERSION),
    "metadata.product.name": pl.lit("Mesh Telemetry"),
    "metadata.logged_time": _of("context.time"),
    "metadata.log_name": _of("context.log_name"),
    "actor.user.name": _of("request.auth.principal"),
    "actor.app_uid": _of("source.principal"),
    "actor.app_name": _of("source.workload.name"),
    "src_endpoint.ip": _of("origin.ip").fill_null(_of("source.ip")),
    "src_endpoint.name": _of("source.workload.name"),
    "src_endpoint.uid": _of("source.principal"),
    "src_endpoint.namespace": _of("source.workload.namespace"),
    "src_endpoint.instance_uid": _of("source.uid"),
    "dst_endpoint.ip": _of("destination.ip"),
    "dst_endpoint.port": _of("destination.port"),
    "dst_endpoint.svc_name": _of("destination.service.host"),
    "dst_endpoint.name": _of("destination.workload.name"),
    "dst_endpoint.uid": _of("destination.principal"),
    "dst_endpoint.namespace": _of("destination.workload.namespace"),
    "dst_endpoint.instance_uid": _of("destination.uid"),
    "http_request.http_method": _of("request.method"),
    "http_request.url.scheme": _of("request.scheme"),
    "http_request.url.hostname": _of("request.host"),
    "http_request.url.path": _of("request.url_path"),
    "http_request.url.query_string": _query(),
    "http_request.user_agent": _of("request.useragent"),
    "http_request.referrer": _of("request.referer"),
    "http_request.version": _of("request.protocol_version"),
    "http_request.x_forwarded_for": _of("request.forwarded_for"),
    "http_request.uid": _of("request.id"),
    "http_request.length": _of("request.size"),
    "http_response.code": _of("response.code"),
    "http_response.length": _of("response.size"),
    "traffic.bytes_in": _of("request.total_size").fill_null(_lines("received")),
    "traffic.bytes_out": _of("response.total_size").fill_null(_lines("sent")),
    "tls.version": _of("connection.tls.version").replace_strict(_TLS, default=None, return_dtype=pl.String),
    "tls.sni": _of("connection.requested_server_name"),
    "connection_info.uid": _of("connection.id"),
    "connection_info.direction": _of("context.reporter.kind"),
    "unmapped.protocol": _of("context.protocol"),
    "unmapped.operation": _of("request.operation"),
    "unmapped.grpc_status": _of("response.grpc_status"),
    "unmapped.response_flags": _of("context.proxy_error_code"),
    "unmapped.blame": _of("response.blame"),
    "unmapped.mtls": _of("connection.mtls"),
    "unmapped.trace_id": _of("trace.id"),
    "unmapped.reporter": _of("context.reporter.uid"),
}


def records(batch: Batch) -> pl.DataFrame:
    """Give a record for each row: `metadata.uid` (its identity), then FIELDS; times are TIMESTAMP."""
    prefix = f"{batch.receiver}/{batch.epoch}/{batch.sequence}/"
    uid = prefix + batch.row_numbers.cast(pl.String)
    rows = batch.rows.select(value.alias(name) for name, value in FIELDS.items())
    return rows.insert_column(0, uid.alias("metadata.uid"))
