"""Istio's configuration: extension providers, and the Telemetry resource that turns them on."""

from typing import Any

from telemetry.sinks.sink import Sink
from telemetry.sinks.text import document

__all__ = ["istio"]

Json = dict[str, Any]

_HTTP_PROVIDER = "mesh-telemetry-http"
_TCP_PROVIDER = "mesh-telemetry-tcp"
_OUTSIDE_HOST = "mesh-telemetry.external"

_MESH_CONFIG = """\
1. Merge into the mesh configuration: Helm values of istiod, IstioOperator's spec, or key `mesh` of ConfigMap istio
(there without the outer meshConfig). filterStateObjectsToLog replaces Istio's own list, so it has the peers' keys in
it. Istio does not let buffers be set. The port of our Service must be named grpc or http2, or have appProtocol grpc.\
"""
_TELEMETRY = """\
2. kubectl apply -f: every proxy of the mesh reports, both ends of each request. In another namespace than Istio's root
namespace, only the proxies there.\
"""
_SERVICE_ENTRY = """\
0. kubectl apply -f: providers take hosts that Istio knows, so our address gets a name.\
"""
_METRICS = """\
3. Optional: Envoys' own metrics. Istio's sink sends raw names, which we take apart as Istio does. Merge into the mesh
configuration as well, and restart the proxies: it is part of their bootstrap. Istio makes few stats unless
proxyStatsMatcher asks for more: these are those that traffic, saturation and completeness are read from.\
"""
_TLS_REMARK = """\

Mutual TLS: Istio originates it only by a DestinationRule (trafficPolicy.tls.mode MUTUAL) for our host, with the files
as your proxies see them; add one.\
"""


def istio(sink: Sink) -> str:
    """Give YAML with comments: mesh configuration and resources. An IP address gets a ServiceEntry besides."""
    host = _OUTSIDE_HOST if sink.is_ip else sink.host
    entry = [document(_SERVICE_ENTRY, _service_entry(sink))] if sink.is_ip else []
    remark = _MESH_CONFIG + (_TLS_REMARK if sink.tls else "")
    parts = [
        *entry,
        document(remark, _mesh_config(sink, host)),
        document(_TELEMETRY, _telemetry()),
        document(_METRICS, _metrics(sink, host)),
    ]
    return "---\n".join(parts)


def _mesh_config(sink: Sink, host: str) -> Json:
    wanted = sink.wanted
    common = {"service": host, "port": sink.port, "filterStateObjectsToLog": list(wanted.filter_state)}
    headers = {
        "additionalRequestHeadersToLog": list(wanted.request_headers),
        "additionalResponseHeadersToLog": list(wanted.response_headers),
        "additionalResponseTrailersToLog": list(wanted.response_trailers),
    }
    providers = [
        {"name": _HTTP_PROVIDER, "envoyHttpAls": {**common, **headers}},
        {"name": _TCP_PROVIDER, "envoyTcpAls": {**common, "filterStateObjectsToLog": list(wanted.filter_state)}},
    ]
    return {"meshConfig": {"extensionProviders": providers}}


def _telemetry() -> Json:
    providers = [{"name": _HTTP_PROVIDER}, {"name": _TCP_PROVIDER}]
    return {
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": "mesh-telemetry", "namespace": "istio-system"},
        "spec": {"accessLogging": [{"providers": providers}]},
    }


def _metrics(sink: Sink, host: str) -> Json:
    stats = {
        "inclusionPrefixes": ["access_logs", "server", "cluster_manager"],
        "inclusionRegexps": [
            r"^cluster\..*(upstream_rq|upstream_cx|circuit_breakers|membership).*",
            r"^http\..*downstream.*",
        ],
    }
    service = {"address": f"{host}:{sink.port}"}
    return {"meshConfig": {"defaultConfig": {"envoyMetricsService": service, "proxyStatsMatcher": stats}}}


def _service_entry(sink: Sink) -> Json:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "mesh-telemetry", "namespace": "istio-system"},
        "spec": {
            "hosts": [_OUTSIDE_HOST],
            "location": "MESH_EXTERNAL",
            "resolution": "STATIC",
            "ports": [{"number": sink.port, "name": "grpc", "protocol": "GRPC"}],
            "endpoints": [{"address": sink.host}],
        },
    }
