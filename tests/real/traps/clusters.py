"""The clusters of the traps: those that answer, and each way not to."""

from typing import Any

from telemetry.demo.envoy.typed import Json, named, socket_address, typed
from tests.captures.certificates import Paths
from tests.real.traps.loggers import ALS_CLUSTER
from tests.real.traps.sites import Sites

__all__ = ["clusters"]

_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def clusters(sites: Sites, als_port: int, paths: Paths) -> list[Json]:
    """Those of the relay lead back into this Envoy, which so is its own client of HTTP/2 and HTTP/3."""
    upstream = (sites.upstream, sites.http_port)
    tls = {"common_tls_context": _tls_context(paths), "sni": "traps.example"}
    secure = "extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    quic = "extensions.transport_sockets.quic.v3.QuicUpstreamTransport"
    return [
        _cluster("app", upstream),
        _cluster("nobody"),
        _cluster("refused", (sites.upstream, sites.vacant_port)),
        _cluster("narrow", upstream, circuit_breakers={"thresholds": [{"max_requests": 0}]}),
        _cluster("short", upstream, **_protocol(common_http_protocol_options={"max_stream_duration": "0.1s"})),
        _cluster("grpc", (sites.upstream, sites.grpc_port), **_HTTP2),
        _cluster("grpc_refused", (sites.upstream, sites.vacant_port), **_HTTP2),
        _cluster("grpc_nobody", **_HTTP2),
        _cluster("tcp", (sites.upstream, sites.tcp_port)),
        _cluster("udp", (sites.upstream, sites.tcp_port)),
        _cluster("relay_h2", (sites.envoy, sites.port("h2")), **_HTTP2),
        _cluster(
            "relay_tls",
            (sites.envoy, sites.port("tls")),
            transport_socket=named("envoy.transport_sockets.tls", secure, **tls),
        ),
        _cluster(
            "relay_h3",
            (sites.envoy, sites.port("h3")),
            **_protocol(explicit_http_config={"http3_protocol_options": {}}),
            transport_socket=named("envoy.transport_sockets.quic", quic, upstream_tls_context=tls),
        ),
        _cluster(ALS_CLUSTER, ("127.0.0.1", als_port), **_HTTP2),
    ]


def _cluster(name: str, *addresses: tuple[str, int], **options: Any) -> Json:
    endpoints = [{"endpoint": {"address": socket_address(*address)}} for address in addresses]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        **options,
    }


def _protocol(**options: Any) -> Json:
    defaults = {"explicit_http_config": {"http_protocol_options": {}}}
    return {
        "typed_extension_protocol_options": {
            _HTTP: typed(_HTTP.removeprefix("envoy."), **(defaults | options)),
        }
    }


_HTTP2 = _protocol(explicit_http_config={"http2_protocol_options": {}})


def _tls_context(paths: Paths) -> Json:
    return {
        "tls_certificates": [
            {"certificate_chain": {"filename": str(paths.certificate)}, "private_key": {"filename": str(paths.key)}}
        ],
        "validation_context": {"trusted_ca": {"filename": str(paths.authority)}},
    }
