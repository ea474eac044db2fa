"""What the Envoys of a small shop log: an entry of each kind, with every column that its traffic fills."""

from datetime import timedelta
from typing import Any

__all__ = ["ENTRIES", "TRUST", "ends"]

_HEADERS = [{"key": "content-type", "value": "application/json"}, {"key": "x-tenant", "value": "acme"}]
TRUST = "spiffe://cluster.local/ns/shop/sa"


def _end(side: str, app: str, ip: str, version: str = "v1") -> dict[str, Any]:
    workload = f"{app}-{version}"
    return {
        f"{side}.ip": ip,
        f"{side}.port": 9080,
        f"{side}.principal": f"{TRUST}/{app}",
        f"{side}.name": f"{workload}-7d9c5b6f4-x2x4z",
        f"{side}.uid": f"kubernetes://{workload}-7d9c5b6f4-x2x4z.shop",
        f"{side}.labels": [{"key": "app", "value": app}, {"key": "version", "value": version}],
        f"{side}.serviceAccount": app,
        f"{side}.namespace": "shop",
        f"{side}.owner": f"kubernetes://apis/apps/v1/namespaces/shop/deployments/{workload}",
        f"{side}.workload.name": workload,
        f"{side}.workload.uid": f"istio://shop/workloads/{workload}",
        f"{side}.workload.namespace": "shop",
        f"{side}.app": app,
        f"{side}.version": version,
        f"{side}.canonical.service": app,
        f"{side}.canonical.revision": version,
        f"{side}.cluster.id": "Kubernetes",
        f"{side}.resolved_by": "peer",
    }


def ends(client: str, server: str) -> dict[str, Any]:
    """Give the columns of both ends of a request."""
    return {
        **_end("source", client, "10.0.0.1"),
        **_end("destination", server, "10.0.0.2"),
        "destination.service.host": f"{server}.shop.svc.cluster.local",
        "destination.service.name": server,
        "destination.service.namespace": "shop",
        "destination.service.uid": f"istio://shop/services/{server}",
    }


_USUAL = {
    "context.protocol": "http",
    "context.reporter.kind": "inbound",
    "context.proxy_version": "1.40.0",
    "context.proxy_error_code": "-",
    "context.log_name": "http_envoy_accesslog",
    "connection.mtls": True,
    "connection.security_policy": "mutual_tls",
    "connection.tls.version": 4,
    "connection.tls.cipher_suite": 4865,
    "request.counts": True,
    "origin.ip": "203.0.113.7",
    "origin.port": 0,
    "request.useragent": "Mozilla/5.0 (X11; Linux x86_64) shop/3.1",
    "request.forwarded_for": "203.0.113.7,10.0.0.1",
    "request.scheme": "http",
    "request.protocol_version": "HTTP/1.1",
    "request.headers": _HEADERS,
    "request.size": 120,
    "request.total_size": 980,
    "request.headers_size": 860,
    "request.attempts": 1,
    "response.duration": timedelta(milliseconds=12),
    "response.flags": 0,
    "response.headers_size": 210,
    "response.size": 2048,
    "response.total_size": 2258,
    "response.headers": [{"key": "server", "value": "envoy"}],
    "upstream.cluster": "inbound|9080||",
    "upstream.ip": "10.0.0.2",
    "upstream.port": 9080,
    "downstream.ip": "10.0.0.1",
    "downstream.port": 41234,
    "downstream.local.ip": "10.0.0.2",
    "downstream.local.port": 9080,
    "route.name": "default",
    "envoy.access_log_type": 6,
    "latency.excluded": False,
    "time.upstream_wait": timedelta(milliseconds=10),
}


def _entry(client: str, server: str, **differs: Any) -> dict[str, Any]:  # noqa: ANN401 - a column's value
    return {
        **ends(client, server),
        **_USUAL,
        "context.reporter.uid": f"sidecar~10.0.0.2~{server}-v1-7d9c5b6f4-x2x4z.shop~shop.svc.cluster.local",
        "connection.requested_server_name": f"outbound_.9080_._.{server}.shop.svc.cluster.local",
        "request.host": f"{server}:9080",
        **differs,
    }


def _http(method: str, path: str, code: int, **differs: Any) -> dict[str, Any]:  # noqa: ANN401 - likewise
    url_path = path.partition("?")[0]
    return {
        "request.method": method,
        "request.path": path,
        "request.url_path": url_path,
        "request.operation": f"{method} {url_path}",
        "response.code": code,
        "response.code_details": "via_upstream",
        "response.outcome": "success",
        **differs,
    }


_FAILED = {
    "context.proxy_error_code": "UF",
    "response.code_details": "upstream_reset_before_response_started{connection_failure}",
    "response.flags": 1 << 5,
    "response.outcome": "server_error",
    "response.blame": "network",
    "upstream.failure_reason": "delayed connect error: 111",
    "request.attempts": 3,
}
_GRPC = {
    "context.protocol": "grpc",
    "request.protocol_version": "HTTP/2",
    "response.grpc_status": 14,
    "response.grpc_message": "out%20of%20stock",
    "response.outcome": "server_error",
    "response.blame": "application",
}
_TCP = {
    "context.protocol": "tcp",
    "context.log_name": "tcp_envoy_accesslog",
    "connection.event": "close",
    "connection.duration": timedelta(seconds=3),
    "connection.received.bytes": 100,
    "connection.received.bytes_total": 1100,
    "connection.sent.bytes": 700,
    "connection.sent.bytes_total": 9700,
    "request.headers": None,
    "request.protocol_version": None,
    "response.headers": None,
}

ENTRIES = [
    _entry("web", "reviews", **_http("GET", "/reviews/17?page=2", 200)),
    _entry("web", "cart", **_http("POST", "/cart/items", 201)),
    _entry("web", "ratings", **_http("GET", "/ratings/17", 404, **{"response.outcome": "client_error"})),
    _entry("web", "payments", **_http("POST", "/payments", 503, **_FAILED)),
    _entry("cart", "stock", **_http("POST", "/shop.Stock/Reserve", 200, **_GRPC)),
    _entry("cart", "database", **_TCP),
]

for _number, _row in enumerate(ENTRIES):
    _row["context.key"] = _number
