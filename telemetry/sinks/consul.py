"""Consul's configuration: its escape hatches, since it has no access log service of its own."""

import json
from typing import Any

from telemetry.sinks.envoy import cluster, http_access_log, stats_sink, tcp_access_log
from telemetry.sinks.sink import Sink
from telemetry.sinks.text import comment

__all__ = ["consul"]

Json = dict[str, Any]

_FILTERS = "type.googleapis.com/envoy.extensions.filters"
_LOCAL_CLUSTER = "local_app"
_PROXY_PORT = 20000

_HEAD = """\
Consul has no setting for Envoy's access log service: AccessLogs in proxy-defaults writes text to stdout, stderr or a
file only, the extension builtin/otel-access-logging speaks another protocol, and builtin/property-override can't add
to lists. What remains are escape hatches, which replace what Consul would have made. They need mesh:write in recent
versions. Only inbound traffic is reported this way: each upstream's listener has its own hatch (envoy_listener_json),
and would have to be written out with its routes.

1. consul config write: every proxy gets our cluster and sends us its own metrics. Both are part of the bootstrap:
restart the proxies.\
"""
_LISTENER = f"""\
2. In the service definition of each sidecar. The listener takes the place of the public one as it stands here;
Consul puts its certificates and intentions in, and nothing else: settings of yours that shape that listener
(timeouts, limits, tracing, extensions) must be added here. Set the port to the sidecar's ({_PROXY_PORT} below), and
keep one of the two: HTTP for protocol http, http2 and grpc, TCP for protocol tcp. Envoy takes these listeners (tested);
with Consul try them on one service first.

HTTP:\
"""
_TCP = """\
TCP:\
"""
_TLS_REMARK = """\
The files in transport_socket are where YOUR Envoy finds its client certificate and our authority: change them.\
"""


def consul(sink: Sink) -> str:
    """Give HCL with comments: a proxy-defaults entry and, in fragments, a sidecar's configuration."""
    static = _heredoc("envoy_extra_static_clusters_json", cluster(sink), indent=2)
    static += _heredoc("envoy_extra_stats_sinks_json", stats_sink(), indent=2)
    return (
        comment(f"{_HEAD}\n{_TLS_REMARK}" if sink.tls else _HEAD)
        + f'Kind = "proxy-defaults"\nName = "global"\nConfig {{\n{static}}}\n\n'
        + comment(_LISTENER)
        + _sidecar(_listener(_http_manager(sink)))
        + comment(_TCP)
        + _sidecar(_listener(_tcp_proxy(sink)))
    )


def _sidecar(listener: Json) -> str:
    hatch = _heredoc("envoy_public_listener_json", listener, indent=8)
    return f"connect {{\n  sidecar_service {{\n    proxy {{\n      config {{\n{hatch}      }}\n    }}\n  }}\n}}\n"


def _heredoc(key: str, value: Json, *, indent: int) -> str:
    return f"{' ' * indent}{key} = <<EOF\n{json.dumps(value, indent=2)}\nEOF\n"


def _listener(network_filter: Json) -> Json:
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "public_listener",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": _PROXY_PORT}},  # noqa: S104 - the sidecar's
        "traffic_direction": "INBOUND",
        "filter_chains": [{"filters": [network_filter]}],
    }


def _http_manager(sink: Sink) -> Json:
    route = {"match": {"prefix": "/"}, "route": {"cluster": _LOCAL_CLUSTER, "timeout": "0s"}}
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_FILTERS}.http.router.v3.Router"},
    }
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "public_listener",
            "access_log": [http_access_log(sink)],
            "route_config": {
                "name": "public_listener",
                "virtual_hosts": [{"name": "public_listener", "domains": ["*"], "routes": [route]}],
            },
            "http_filters": [router],
            # As Consul sets them on its own listener.
            "forward_client_cert_details": "APPEND_FORWARD",
            "set_current_client_cert_details": {"subject": True, "cert": True, "chain": True, "dns": True, "uri": True},
        },
    }


def _tcp_proxy(sink: Sink) -> Json:
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": f"{_FILTERS}.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "public_listener",
            "cluster": _LOCAL_CLUSTER,
            "access_log": [tcp_access_log(sink)],
            "access_log_options": {"access_log_flush_interval": "5s"},
        },
    }
