"""Envoy's own configuration: access loggers and the cluster that they send to."""

from typing import Any

from telemetry.sinks.sink import BUFFER_FLUSH_INTERVAL_S, BUFFER_SIZE_BYTES, Sink
from telemetry.sinks.text import document

__all__ = ["CLUSTER", "cluster", "envoy", "http_access_log", "stats_sink", "tcp_access_log"]

Json = dict[str, Any]

CLUSTER = "mesh_telemetry"

_LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3"
_HTTP = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_STREAM_WINDOW_BYTES = 1 << 20

_HEAD = """\
Access logs and metrics for Mesh Telemetry, in four parts; add each to what your Envoy has already.

1. Under every HTTP connection manager's typed_config. Log each request once: not on listeners or the router too.\
"""
_TCP = """\
2. Under every TCP proxy's typed_config. The interval shows long connections while they last.\
"""
_CLUSTER = """\
3. Under static_resources. The window bounds what Envoy holds in memory for a stream when we are slow; beyond it and
the loggers' buffers, Envoy drops entries and counts them in access_logs.grpc_access_log.logs_dropped. When it can't
connect it loses them uncounted: watch cluster.mesh_telemetry.upstream_cx_connect_fail.\
"""
_STATS = """\
4. At the top level of the bootstrap: Envoy's own metrics, every 5 s. The node needs an id and a cluster.\
"""
_CERTIFICATES = """\
The files in transport_socket are where YOUR Envoy finds its client certificate and our authority: change them.\
"""


def envoy(sink: Sink) -> str:
    """Give YAML with comments: parts to paste into an Envoy bootstrap."""
    parts = [
        document(_HEAD, {"access_log": [http_access_log(sink)]}),
        document(
            _TCP,
            {"access_log": [tcp_access_log(sink)], "access_log_options": {"access_log_flush_interval": "5s"}},
        ),
        document(f"{_CLUSTER}\n{_CERTIFICATES}" if sink.tls else _CLUSTER, {"clusters": [cluster(sink)]}),
        document(_STATS, {"stats_sinks": [stats_sink()], "stats_flush_interval": "5s"}),
    ]
    return "---\n".join(parts)


def http_access_log(sink: Sink) -> Json:
    """Give the access logger of an HTTP connection manager."""
    return _typed(
        "envoy.access_loggers.http_grpc",
        f"{_LOGGERS}.HttpGrpcAccessLogConfig",
        common_config=_common(sink, "http_envoy_accesslog"),
        additional_request_headers_to_log=list(sink.wanted.request_headers),
        additional_response_headers_to_log=list(sink.wanted.response_headers),
        additional_response_trailers_to_log=list(sink.wanted.response_trailers),
    )


def tcp_access_log(sink: Sink) -> Json:
    """Give the access logger of a TCP proxy."""
    return _typed(
        "envoy.access_loggers.tcp_grpc",
        f"{_LOGGERS}.TcpGrpcAccessLogConfig",
        common_config=_common(sink, "tcp_envoy_accesslog"),
    )


def stats_sink() -> Json:
    """Give the sink of Envoy's own metrics.

    Totals, not increases: a flush that is lost then costs nothing. Histograms only: summaries say nothing more.
    """
    return _typed(
        "envoy.stat_sinks.metrics_service",
        "type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig",
        transport_api_version="V3",
        grpc_service={"envoy_grpc": {"cluster_name": CLUSTER}},
        report_counters_as_deltas=False,
        emit_tags_as_labels=True,
        histogram_emit_mode="HISTOGRAM",
    )


def cluster(sink: Sink) -> Json:
    """Give the cluster of this service."""
    endpoint = {"address": {"socket_address": {"address": sink.host, "port_value": sink.port}}}
    http2 = {
        "initial_stream_window_size": _STREAM_WINDOW_BYTES,
        "initial_connection_window_size": 16 * _STREAM_WINDOW_BYTES,
        "connection_keepalive": {"interval": "30s", "timeout": "10s"},
    }
    return {
        "name": CLUSTER,
        "type": "STATIC" if sink.is_ip else "STRICT_DNS",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP,
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
        "load_assignment": {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
        **({"transport_socket": _transport_socket(sink)} if sink.tls else {}),
    }


def _transport_socket(sink: Sink) -> Json:
    certificate = {
        "certificate_chain": {"filename": "/etc/envoy/tls/client.pem"},
        "private_key": {"filename": "/etc/envoy/tls/client.key"},
    }
    kind = "IP_ADDRESS" if sink.is_ip else "DNS"
    validation = {
        "trusted_ca": {"filename": "/etc/envoy/tls/ca.pem"},
        "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": sink.host}}],
    }
    return _typed(
        "envoy.transport_sockets.tls",
        _TLS,
        **({} if sink.is_ip else {"sni": sink.host}),
        common_tls_context={
            "tls_certificates": [certificate],
            "validation_context": validation,
            "alpn_protocols": ["h2"],
        },
    )


def _common(sink: Sink, log_name: str) -> Json:
    return {
        "log_name": log_name,
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}},
        "buffer_flush_interval": f"{BUFFER_FLUSH_INTERVAL_S}s",
        "buffer_size_bytes": BUFFER_SIZE_BYTES,
        "filter_state_objects_to_log": list(sink.wanted.filter_state),
    }


def _typed(name: str, kind: str, **config: Any) -> Json:  # noqa: ANN401 - JSON
    return {"name": name, "typed_config": {"@type": kind, **config}}
