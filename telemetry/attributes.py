"""The vocabulary: every attribute of a normalised entry, its type, its meaning, its origin.

The names are Mixer's where Mixer had one (`source.workload.name`, `response.code`), and in its
style where Envoy has learned something since (`request.attempts`, `upstream.cluster`). A LOGENTRY
batch has exactly these columns, in this order; the reference in docs/attributes.md is generated
from this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

__all__ = ["ATTRIBUTES", "NOT_CARRIED", "Attribute", "by_name"]

STRING_MAP = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
TIMESTAMP = pl.Datetime("ns", "UTC")
DURATION = pl.Duration("ns")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One column of a normalised entry. Absent values are null, never "unknown"."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    meaning: str
    origin: str
    unit: str = ""


def _identity(side: str, where: str) -> tuple[Attribute, ...]:
    """Give the attributes that both ends of a request have; `where` says how this end is found."""
    text = pl.String
    # fmt: off
    return (
        Attribute(f"{side}.ip", text, f"address of the {side}, without port", where),
        Attribute(f"{side}.port", pl.UInt32, f"port of the {side}", where),
        Attribute(f"{side}.principal", text, "identity the peer proved by mTLS", "first URI SAN of its certificate"),
        Attribute(f"{side}.name", text, "pod or instance name", "peer or node metadata `NAME`"),
        Attribute(f"{side}.uid", text, "`kubernetes://<pod>.<namespace>`", "`.name` and `.namespace`"),
        Attribute(f"{side}.labels", STRING_MAP, "labels of the instance", "peer or node metadata `LABELS`"),
        Attribute(f"{side}.serviceAccount", text, "service account", "`.principal`, else metadata `SERVICE_ACCOUNT`"),
        Attribute(f"{side}.namespace", text, "namespace of the instance", "URI SAN `/ns/…/`, else metadata"),
        Attribute(f"{side}.owner", text, "controller of the instance", "metadata `OWNER`"),
        Attribute(f"{side}.workload.name", text, "workload (deployment, job, …)", "metadata `WORKLOAD_NAME`"),
        Attribute(f"{side}.workload.uid", text, "`istio://<namespace>/workloads/<name>`", "the two"),
        Attribute(f"{side}.workload.namespace", text, "namespace of the workload", "as `.namespace`"),
        Attribute(f"{side}.app", text, "application", "label `app`"),
        Attribute(f"{side}.version", text, "version", "label `version`"),
        Attribute(f"{side}.canonical.service", text, "canonical service", "Istio's label order (docs/attributes.md)"),
        Attribute(f"{side}.canonical.revision", text, "canonical revision", "Istio's label order, else `latest`"),
        Attribute(f"{side}.cluster.id", text, "Kubernetes cluster of the workload", "metadata `CLUSTER_ID`"),
        Attribute(f"{side}.resolved_by", text, "clue that named the workload (node, peer, principal, address, cluster), else the service (host, sni)", "resolution"),
    )
    # fmt: on


# fmt: off
ATTRIBUTES: tuple[Attribute, ...] = (
    # The narrow key: rows with equal values agree on every attribute marked "context" below, so
    # that processors may group by one integer and widen the few results at the end.
    Attribute("context.key", pl.UInt32, "narrow key of who, whom and how; stable within a batch", "normalise"),
    Attribute("context.time", TIMESTAMP, "when we received the entry", "our clock"),
    Attribute("context.protocol", pl.String, "http, grpc or tcp", "content-type, access_log_type, entry kind"),
    Attribute("context.reporter.kind", pl.String, "inbound, outbound or waypoint", "node type, cluster name, peers, addresses"),
    Attribute("context.reporter.uid", pl.String, "id of the Envoy that reported", "node.id"),
    Attribute("context.proxy_version", pl.String, "version of the Envoy that reported", "node.user_agent_build_version"),
    Attribute("context.proxy_error_code", pl.String, "Envoy's response flags, `-` for none", "response_flags, in proto order; DO and UDO from the details"),
    Attribute("context.log_name", pl.String, "name of the log in Envoy's configuration", "identifier.log_name"),
    *_identity("source", "inbound: downstream_direct_remote_address; outbound: the reporter"),
    *_identity("destination", "inbound: the reporter; outbound: upstream_remote_address"),
    Attribute("destination.service.host", pl.String, "host of the service addressed", "cluster name, else authority"),
    Attribute("destination.service.name", pl.String, "name of the service addressed", "first label of the host"),
    Attribute("destination.service.namespace", pl.String, "namespace of the service", "second label of the host"),
    Attribute("destination.service.uid", pl.String, "`istio://<namespace>/services/<name>`", "the two"),
    Attribute("connection.mtls", pl.Boolean, "both sides showed a certificate; null where this side can't know", "tls_properties"),
    Attribute("connection.security_policy", pl.String, "mutual_tls, none or unknown, as Istio's metric says it", "tls_properties, reporter"),
    Attribute("connection.requested_server_name", pl.String, "SNI", "tls_properties.tls_sni_hostname"),
    Attribute("connection.tls.version", pl.UInt8, "1 TLSv1 … 4 TLSv1_3", "tls_properties.tls_version"),
    Attribute("connection.tls.cipher_suite", pl.UInt32, "IANA's number", "tls_properties.tls_cipher_suite"),
    Attribute("connection.tls.session_id", pl.String, "session, mostly empty with TLS 1.3", "tls_properties.tls_session_id"),
    Attribute("connection.tls.ja3", pl.String, "fingerprint of the client's hello", "tls_properties.ja3_fingerprint"),
    Attribute("connection.tls.peer_subject", pl.String, "subject of the client's certificate", "tls_properties.peer_certificate_properties"),
    Attribute("connection.tls.peer_issuer", pl.String, "issuer of the client's certificate", "tls_properties.peer_certificate_properties"),
    Attribute("connection.termination_details", pl.String, "why Envoy ended the connection", "connection_termination_details"),
    Attribute("connection.id", pl.String, "id of the stream or connection", "stream_id"),
    Attribute("connection.event", pl.String, "TCP only: open, continue or close", "access_log_type"),
    Attribute("connection.opened", pl.Boolean, "TCP only: this row is its connection's first", "stream_id not seen before"),
    Attribute("connection.duration", DURATION, "TCP only: life of the connection", "duration"),
    Attribute("connection.received.bytes", pl.UInt64, "TCP only: bytes from downstream since the last report", "running totals by stream_id", "By"),
    Attribute("connection.received.bytes_total", pl.UInt64, "TCP only: bytes from downstream so far", "downstream_wire_bytes_received, else received_bytes", "By"),
    Attribute("connection.sent.bytes", pl.UInt64, "TCP only: bytes to downstream since the last report", "running totals by stream_id", "By"),
    Attribute("connection.sent.bytes_total", pl.UInt64, "TCP only: bytes to downstream so far", "downstream_wire_bytes_sent, else sent_bytes", "By"),
    Attribute("request.counts", pl.Boolean, "this row is the one that counts its request or connection", "access_log_type (docs/counting.md)"),
    Attribute("request.time", TIMESTAMP, "when the first byte arrived", "start_time"),
    Attribute("origin.ip", pl.String, "address of the first client, as far as Envoy trusts what it was told", "downstream_remote_address (x-forwarded-for, PROXY protocol)"),
    Attribute("origin.port", pl.UInt32, "its port; 0 when x-forwarded-for told it", "downstream_remote_address"),
    Attribute("request.id", pl.String, "x-request-id", "request_id"),
    Attribute("request.host", pl.String, "authority, port included", "authority"),
    Attribute("request.method", pl.String, "method; null for those that Envoy's enum lacks", "request_method, else header `:method`"),
    Attribute("request.path", pl.String, "path with query, as the client sent it", "original_path, else path"),
    Attribute("request.url_path", pl.String, "path without query", "request.path up to `?`"),
    Attribute("request.operation", pl.String, "what is asked for, of a bounded set; null for TCP", "gRPC path, OpenAPI, rules, else learned (docs/operations.md)"),
    Attribute("request.scheme", pl.String, "http or https", "scheme"),
    Attribute("request.useragent", pl.String, "user agent", "user_agent"),
    Attribute("request.referer", pl.String, "referer", "referer"),
    Attribute("request.forwarded_for", pl.String, "x-forwarded-for, this hop included", "forwarded_for"),
    Attribute("request.protocol_version", pl.String, "HTTP/1.0, HTTP/1.1, HTTP/2 or HTTP/3, downstream", "protocol_version"),
    Attribute("request.headers", STRING_MAP, "request headers that Envoy was told to log", "request_headers"),
    Attribute("request.size", pl.UInt64, "body from downstream", "request_body_bytes", "By"),
    Attribute("request.total_size", pl.UInt64, "all that came from downstream, framing included", "downstream_wire_bytes_received", "By"),
    Attribute("request.headers_size", pl.UInt64, "headers, uncompressed, Envoy's own included", "request_headers_bytes", "By"),
    Attribute("request.auth.principal", pl.String, "issuer/subject of the token that Istio verified", "dynamic metadata istio_authn"),
    Attribute("request.auth.audiences", pl.String, "audiences of that token", "dynamic metadata istio_authn"),
    Attribute("request.auth.presenter", pl.String, "authorised presenter of that token", "dynamic metadata istio_authn"),
    Attribute("request.auth.raw_claims", pl.String, "claims of that token, JSON", "dynamic metadata istio_authn"),
    Attribute("request.attempts", pl.UInt32, "attempts upstream, the first included", "upstream_request_attempt_count"),
    Attribute("response.time", TIMESTAMP, "when the response began", "start_time + time_to_first_downstream_tx_byte"),
    Attribute("response.duration", DURATION, "life of the request", "duration, else time_to_last_downstream_tx_byte"),
    Attribute("response.code", pl.UInt16, "HTTP status; null when no response was sent", "response_code"),
    Attribute("response.code_details", pl.String, "who made the response and why", "response_code_details"),
    Attribute("response.outcome", pl.String, "success, client_error, server_error or none (docs/blame.md)", "code, gRPC status, flags, details"),
    Attribute("response.blame", pl.String, "client, application, network, proxy, policy, configuration or test; null for success", "flags, details, codes, side (docs/blame.md)"),
    Attribute("response.headers_size", pl.UInt64, "headers, uncompressed", "response_headers_bytes", "By"),
    Attribute("response.grpc_message", pl.String, "gRPC message, percent-encoded as on the wire", "trailers, else headers, where logged"),
    Attribute("response.grpc_status", pl.UInt8, "gRPC status; null when not gRPC", "trailers, headers, else the HTTP code"),
    Attribute("response.flags", pl.UInt64, "bit n-1 set: Envoy's ResponseFlags field n; bit 59 DO, bit 60 UDO", "response_flags, details"),
    Attribute("response.size", pl.UInt64, "body to downstream", "response_body_bytes", "By"),
    Attribute("response.total_size", pl.UInt64, "all that went downstream, framing included", "downstream_wire_bytes_sent", "By"),
    Attribute("response.headers", STRING_MAP, "response headers that Envoy was told to log", "response_headers"),
    Attribute("response.trailers", STRING_MAP, "response trailers that Envoy was told to log", "response_trailers"),
    Attribute("upstream.cluster", pl.String, "Envoy's cluster of the host chosen", "upstream_cluster"),
    Attribute("upstream.ip", pl.String, "address of the host chosen", "upstream_remote_address"),
    Attribute("upstream.port", pl.UInt32, "port of the host chosen", "upstream_remote_address"),
    Attribute("upstream.local.ip", pl.String, "our end of the upstream connection", "upstream_local_address"),
    Attribute("upstream.local.port", pl.UInt32, "our end of the upstream connection", "upstream_local_address"),
    Attribute("upstream.sent.bytes", pl.UInt64, "all that went upstream, every attempt", "upstream_wire_bytes_sent", "By"),
    Attribute("upstream.received.bytes", pl.UInt64, "all that came from upstream, every attempt", "upstream_wire_bytes_received", "By"),
    Attribute("upstream.failure_reason", pl.String, "why the transport failed", "upstream_transport_failure_reason"),
    Attribute("downstream.failure_reason", pl.String, "why the client's connection failed", "downstream_transport_failure_reason"),
    Attribute("downstream.ip", pl.String, "the TCP peer's address", "downstream_direct_remote_address"),
    Attribute("downstream.port", pl.UInt32, "the TCP peer's port", "downstream_direct_remote_address"),
    Attribute("downstream.local.ip", pl.String, "address that the client connected to", "downstream_local_address"),
    Attribute("downstream.local.port", pl.UInt32, "port that the client connected to", "downstream_local_address"),
    Attribute("route.name", pl.String, "Envoy's route", "route_name"),
    Attribute("rbac.permissive.response_code", pl.UInt16, "what the shadow policy would have answered: 200 or 403", "dynamic metadata envoy.filters.http.rbac"),
    Attribute("rbac.permissive.effective_policy_id", pl.String, "the shadow policy that decided", "dynamic metadata envoy.filters.http.rbac"),
    Attribute("envoy.custom_tags", STRING_MAP, "tags from Envoy's configuration", "custom_tags"),
    Attribute("envoy.dynamic_metadata", pl.String, "what filters noted, a JSON object by namespace", "metadata.filter_metadata"),
    Attribute("envoy.access_log_type", pl.UInt8, "AccessLogType, 0 when not set", "access_log_type"),
    Attribute("latency.excluded", pl.Boolean, "response.duration is a session's life, not a latency", "protocol, 101, CONNECT, request.counts"),
    Attribute("time.request_receive", DURATION, "until the request had come in whole (docs/times.md)", "the marks below"),
    Attribute("time.proxy_in", DURATION, "until it was handed on, by the only attempt", "the marks below"),
    Attribute("time.retries", DURATION, "until it was handed on by the last of several attempts", "the marks below, request.attempts"),
    Attribute("time.upstream_wait", DURATION, "until the answer began: on the inbound side, the application's time", "the marks below"),
    Attribute("time.response_transfer", DURATION, "until the answer had come in whole", "the marks below"),
    Attribute("time.proxy_out", DURATION, "until it had gone out", "the marks below, response.duration"),
    Attribute("envoy.time_to_last_rx_byte", DURATION, "last request byte from downstream", "since request.time"),
    Attribute("envoy.time_to_first_upstream_tx_byte", DURATION, "first byte to upstream, last attempt", "since request.time"),
    Attribute("envoy.time_to_last_upstream_tx_byte", DURATION, "last byte to upstream", "since request.time"),
    Attribute("envoy.time_to_first_upstream_rx_byte", DURATION, "first byte from upstream", "since request.time"),
    Attribute("envoy.time_to_last_upstream_rx_byte", DURATION, "last byte from upstream", "since request.time"),
    Attribute("envoy.time_to_first_downstream_tx_byte", DURATION, "first response byte to downstream", "since request.time"),
    Attribute("envoy.time_to_last_downstream_tx_byte", DURATION, "last response byte to downstream", "since request.time"),
    Attribute("trace.id", pl.String, "trace id, 32 hex digits", "header traceparent, b3 or x-b3-traceid, where logged"),
    Attribute("trace.span_id", pl.String, "span id, 16 hex digits, as this hop logged it", "same headers"),
    Attribute("trace.parent_id", pl.String, "parent's span id, 16 hex digits; B3 only", "header b3 or x-b3-parentspanid, where logged"),
    Attribute("trace.sampled", pl.Boolean, "whether the trace is to be kept, as this hop logged it", "header traceparent, b3 or x-b3-sampled, where logged"),
    Attribute("trace.state", pl.String, "W3C tracestate; empty where Envoy's own tracer sent none", "header tracestate, where logged"),
    Attribute("event.name", pl.String, "what happened in the mesh; null for requests and connections", "topology (docs/graph.md)"),
    Attribute("event.message", pl.String, "the same as a sentence", "topology (docs/graph.md)"),
)
# fmt: on

# Mixer's other attributes, and why an access log can't carry them.
NOT_CARRIED: Mapping[str, str] = {
    "origin.uid": "nobody names the first client's instance",
    "origin.user": "renamed: request.auth.principal",
    "request.reason": "Envoy keeps no reason phrase",
    "request.query_params": "in request.path, as far as redaction leaves them",
    "request.api_key": "a secret: redacted wherever it stands",
    "request.auth.claims": "as JSON in request.auth.raw_claims: claims are nested",
    "source.user": "renamed: source.principal",
    "source.services": "a log tells of one service, the one addressed",
    "source.metadata": "the platform's, not the request's; labels are carried",
    "destination.metadata": "the platform's, not the request's; labels are carried",
    "destination.container.name": "a pod has several; the log doesn't say which",
    "api.service": "the same as destination.service.host: there is no separate API configuration",
    "api.version": "there is no API configuration to take it from; see destination.version",
    "api.operation": "request.operation",
    "api.protocol": "context.protocol",
    "context.timestamp": "context.time",
    "context.reporter.local": "always false: a log is read elsewhere than it is written",
    "check.error_code": "Mixer's precondition check, which is gone",
    "check.error_message": "Mixer's precondition check, which is gone",
    "check.cache_hit": "Mixer's precondition check, which is gone",
    "quota.cache_hit": "Mixer's quota, which is gone; see the flag RL",
}

_BY_NAME = {attribute.name: attribute for attribute in ATTRIBUTES}


def by_name(name: str) -> Attribute:
    """Give the attribute of that name. Raises KeyError when the vocabulary has none."""
    return _BY_NAME[name]
