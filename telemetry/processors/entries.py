"""One entry's own attributes: the decoder's columns under the vocabulary's names."""

import polars as pl

from telemetry.attributes import DURATION, TIMESTAMP
from telemetry.processors import grpc_status

__all__ = ["OPTIONAL_HEADERS", "VALUES", "entry_attributes", "is_tcp", "protocol_code"]

# Headers that the receiver may have been told not to make columns of; they are then absent everywhere.
OPTIONAL_HEADERS = (
    "request_headers.:method",
    "request_headers.content-type",
    "response_headers.grpc-status",
    "response_headers.grpc-message",
    "response_trailers.grpc-status",
    "response_trailers.grpc-message",
)

# Dictionary columns whose values an entry shows; the others only tell its kind.
VALUES = (
    "authority",
    "scheme",
    "upstream_cluster",
    "route_name",
    "response_code_details",
    "tls_sni_hostname",
    "tls_session_id",
    "tls_ja3_fingerprint",
    "tls_peer_subject",
    "tls_peer_issuer",
    "upstream_transport_failure_reason",
    "downstream_transport_failure_reason",
    "connection_termination_details",
    "downstream_remote_address",
    "downstream_direct_remote_address",
    "downstream_local_address",
    "upstream_remote_address",
    "upstream_local_address",
)

# AccessLogType (envoy.data.accesslog.v3). The entry's type tells its protocol, not the message it came in: an
# envoyHttpAls provider delivers TCP connections as HTTP entries with an empty request.
_NOT_SET = 0
_TCP_TYPES = (1, 2, 3, 11, 12, 13, 14)
_HTTP_TYPES = (4, 5, 6, 7, 8, 9, 10)
_ATTEMPT_TYPES = (7, 8, 9)
_OPENS = (1, 11, 14)
_CONTINUES = (2, 12)
_COUNTS = (3, 6, 13)

_NO_VERSION = 0
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_VERSIONS = ("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3")


def is_tcp() -> pl.Expr:
    """Whether the entry is about a connection (or UDP session), not a request."""
    kind = pl.col("access_log_type")
    # Before 1.27 nothing has a type; but an HTTP entry without HTTP version is a connection's.
    connection = pl.col("tcp") | (pl.col("protocol_version") == _NO_VERSION)
    return kind.is_in(_TCP_TYPES) | (connection & ~kind.is_in(_HTTP_TYPES))


def protocol_code() -> pl.Expr:
    """Index into contexts.PROTOCOLS."""
    return pl.when(is_tcp()).then(2).when(grpc_status.is_grpc()).then(1).otherwise(0).cast(pl.UInt8).alias("protocol")


def _counts() -> pl.Expr:
    """Whether this entry counts its request: the end of it, whatever else is reported of it (docs/counting.md).

    NotSet means the end on an Envoy before 1.27; on a later one it is a listener's log, which would count twice.
    """
    kind = pl.col("access_log_type")
    old_end = (kind == _NOT_SET) & ~pl.col("logs_types") & ~pl.col("intermediate_log_entry")
    return kind.is_in(_COUNTS) | old_end


def _event() -> pl.Expr:
    kind = pl.col("access_log_type")
    event = pl.when(kind.is_in(_OPENS)).then(pl.lit("open")).when(kind.is_in(_CONTINUES)).then(pl.lit("continue"))
    return pl.when(is_tcp()).then(event.when(_counts()).then(pl.lit("close")))


def _name(column: str, names: tuple[str, ...]) -> pl.Expr:
    """Name a proto enum's value, 1 first; null for 0 and for values newer than our list."""
    value = pl.col(column).cast(pl.UInt32, strict=False)
    return pl.lit(pl.Series([None, *names])).gather(pl.when(value <= len(names)).then(value))


def _time(nanoseconds: pl.Expr) -> pl.Expr:
    return nanoseconds.cast(TIMESTAMP)


def _since_start(column: str) -> pl.Expr:
    return pl.col(column).cast(DURATION)


def _total(wire: str, properties: str) -> pl.Expr:
    """Take the wire's count, as Istio does; listener logs leave it 0 and fill the connection's properties."""
    count = pl.col(wire)
    return pl.when(is_tcp()).then(pl.when(count > 0).then(count).otherwise(pl.col(properties).fill_null(count)))


def _of_attempt() -> pl.Expr:
    """Whether the router's upstream_log wrote it: from the upstream's side, and without the count of attempts."""
    return pl.col("access_log_type").is_in(_ATTEMPT_TYPES)


def _body(size: str, of_attempt: str) -> pl.Expr:
    return pl.when(_of_attempt()).then(of_attempt).otherwise(size)


def _noted(namespace: str, key: str) -> pl.Expr:
    """Give what a filter noted under a key of its dynamic metadata, as text."""
    return pl.col("dynamic_metadata").str.json_path_match(f"$['{namespace}']['{key}']")


_RBAC = "envoy.filters.http.rbac"
_PATH = pl.coalesce("original_path", "path")
# In bytes: counting characters takes longer.
_URL_PATH = _PATH.cast(pl.Binary).bin.slice(0, _PATH.str.find("?", literal=True)).cast(pl.String)
_INBOUND = pl.col("context.reporter.kind") != "outbound"
_UPSTREAM = pl.col("upstream_remote_address").is_not_null() & ~_INBOUND

_ATTRIBUTES: dict[str, pl.Expr] = {
    "source.ip": pl.col("downstream_direct_remote_address"),
    "source.port": pl.col("downstream_direct_remote_port"),
    "destination.ip": pl.when(_UPSTREAM).then("upstream_remote_address").otherwise("downstream_local_address"),
    "destination.port": pl.when(_UPSTREAM).then("upstream_remote_port").otherwise("downstream_local_port"),
    "connection.requested_server_name": pl.col("tls_sni_hostname"),
    "connection.tls.version": pl.col("tls_version"),
    "connection.tls.cipher_suite": pl.col("tls_cipher_suite"),
    "connection.tls.session_id": pl.col("tls_session_id"),
    "connection.tls.ja3": pl.col("tls_ja3_fingerprint"),
    "connection.tls.peer_subject": pl.col("tls_peer_subject"),
    "connection.tls.peer_issuer": pl.col("tls_peer_issuer"),
    "connection.termination_details": pl.col("connection_termination_details"),
    "connection.id": pl.col("stream_id"),
    "connection.event": _event(),
    "connection.opened": pl.lit(None, pl.Boolean),
    "connection.duration": pl.when(is_tcp()).then(pl.col("duration_ns")).cast(DURATION),
    "connection.received.bytes": pl.lit(None, pl.UInt64),
    "connection.received.bytes_total": _total("downstream_wire_bytes_received", "received_bytes"),
    "connection.sent.bytes": pl.lit(None, pl.UInt64),
    "connection.sent.bytes_total": _total("downstream_wire_bytes_sent", "sent_bytes"),
    "request.counts": _counts(),
    "request.time": _time(pl.col("start_time_ns")),
    "origin.ip": pl.col("downstream_remote_address"),
    "origin.port": pl.col("downstream_remote_port"),
    "request.id": pl.col("request_id"),
    "request.host": pl.col("authority"),
    "request.method": pl.coalesce(_name("request_method", _METHODS), "request_headers.:method"),
    "request.path": _PATH,
    "request.url_path": _URL_PATH,
    "request.operation": pl.lit(None, pl.String),
    "event.name": pl.lit(None, pl.String),
    "event.message": pl.lit(None, pl.String),
    "request.scheme": pl.col("scheme"),
    "request.useragent": pl.col("user_agent"),
    "request.referer": pl.col("referer"),
    "request.forwarded_for": pl.col("forwarded_for"),
    "request.protocol_version": _name("protocol_version", _VERSIONS),
    "request.headers": pl.col("request_headers"),
    "request.size": _body("request_body_bytes", of_attempt="response_body_bytes"),
    "request.total_size": pl.col("downstream_wire_bytes_received"),
    "request.headers_size": pl.col("request_headers_bytes"),
    "request.auth.principal": _noted("istio_authn", "request.auth.principal"),
    "request.auth.audiences": _noted("istio_authn", "request.auth.audiences"),
    "request.auth.presenter": _noted("istio_authn", "request.auth.presenter"),
    "request.auth.raw_claims": _noted("istio_authn", "request.auth.claims"),
    "request.attempts": pl.when(~_of_attempt()).then("upstream_request_attempt_count"),
    "response.time": _time(pl.col("start_time_ns") + pl.col("time_to_first_downstream_tx_byte_ns")),
    "response.duration": pl.coalesce("duration_ns", "time_to_last_downstream_tx_byte_ns").cast(DURATION),
    "response.code": pl.col("response_code").cast(pl.UInt16, strict=False),
    "response.code_details": pl.col("response_code_details"),
    "response.headers_size": pl.col("response_headers_bytes"),
    "response.grpc_message": pl.coalesce("response_trailers.grpc-message", "response_headers.grpc-message"),
    "response.grpc_status": pl.when(pl.col("context.protocol") == "grpc").then(grpc_status.status()),
    "response.flags": pl.col("response_flags"),
    "response.size": _body("response_body_bytes", of_attempt="request_body_bytes"),
    "response.total_size": pl.col("downstream_wire_bytes_sent"),
    "response.headers": pl.col("response_headers"),
    "response.trailers": pl.col("response_trailers"),
    "upstream.cluster": pl.col("upstream_cluster"),
    "upstream.ip": pl.col("upstream_remote_address"),
    "upstream.port": pl.col("upstream_remote_port"),
    "upstream.local.ip": pl.col("upstream_local_address"),
    "upstream.local.port": pl.col("upstream_local_port"),
    "upstream.sent.bytes": pl.col("upstream_wire_bytes_sent"),
    "upstream.received.bytes": pl.col("upstream_wire_bytes_received"),
    "upstream.failure_reason": pl.col("upstream_transport_failure_reason"),
    "downstream.failure_reason": pl.col("downstream_transport_failure_reason"),
    "downstream.ip": pl.col("downstream_direct_remote_address"),
    "downstream.port": pl.col("downstream_direct_remote_port"),
    "downstream.local.ip": pl.col("downstream_local_address"),
    "downstream.local.port": pl.col("downstream_local_port"),
    "route.name": pl.col("route_name"),
    "rbac.permissive.response_code": _noted(_RBAC, "shadow_engine_result").replace_strict(
        {"allowed": 200, "denied": 403}, default=None, return_dtype=pl.UInt16
    ),
    "rbac.permissive.effective_policy_id": _noted(_RBAC, "shadow_effective_policy_id"),
    "envoy.custom_tags": pl.col("custom_tags"),
    "envoy.dynamic_metadata": pl.col("dynamic_metadata"),
    "envoy.access_log_type": pl.col("access_log_type").cast(pl.UInt8, strict=False),
    "envoy.time_to_last_rx_byte": _since_start("time_to_last_rx_byte_ns"),
    "envoy.time_to_first_upstream_tx_byte": _since_start("time_to_first_upstream_tx_byte_ns"),
    "envoy.time_to_last_upstream_tx_byte": _since_start("time_to_last_upstream_tx_byte_ns"),
    "envoy.time_to_first_upstream_rx_byte": _since_start("time_to_first_upstream_rx_byte_ns"),
    "envoy.time_to_last_upstream_rx_byte": _since_start("time_to_last_upstream_rx_byte_ns"),
    "envoy.time_to_first_downstream_tx_byte": _since_start("time_to_first_downstream_tx_byte_ns"),
    "envoy.time_to_last_downstream_tx_byte": _since_start("time_to_last_downstream_tx_byte_ns"),
}


def entry_attributes() -> list[pl.Expr]:
    """Give the expressions of an entry's own attributes (all but trace's), over columns and context together."""
    return [expression.alias(name) for name, expression in _ATTRIBUTES.items()]
