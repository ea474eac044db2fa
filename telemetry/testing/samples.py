"""What a small shop's mesh reports: a few rows of each template, with every column that its traffic fills."""

from datetime import timedelta
from typing import Any

from telemetry.batch import SCHEMAS, Template

__all__ = ["ROWS"]

_HEADERS = [{"key": "content-type", "value": "application/json"}, {"key": "x-tenant", "value": "acme"}]
_TRUST = "spiffe://cluster.local/ns/shop/sa"


def _end(side: str, app: str, ip: str, version: str = "v1") -> dict[str, Any]:
    workload = f"{app}-{version}"
    return {
        f"{side}.ip": ip,
        f"{side}.port": 9080,
        f"{side}.principal": f"{_TRUST}/{app}",
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


def _ends(client: str, server: str) -> dict[str, Any]:
    return {
        **_end("source", client, "10.0.0.1"),
        **_end("destination", server, "10.0.0.2"),
        "destination.service.host": f"{server}.shop.svc.cluster.local",
        "destination.service.name": server,
        "destination.service.namespace": "shop",
        "destination.service.uid": f"istio://shop/services/{server}",
    }


def _entry(client: str, server: str, **differs: Any) -> dict[str, Any]:  # noqa: ANN401 - a column's value
    return {
        **_ends(client, server),
        "context.protocol": "http",
        "context.reporter.kind": "inbound",
        "context.reporter.uid": f"sidecar~10.0.0.2~{server}-v1-7d9c5b6f4-x2x4z.shop~shop.svc.cluster.local",
        "context.proxy_version": "1.40.0",
        "context.proxy_error_code": "-",
        "context.log_name": "http_envoy_accesslog",
        "connection.mtls": True,
        "connection.security_policy": "mutual_tls",
        "connection.requested_server_name": f"outbound_.9080_._.{server}.shop.svc.cluster.local",
        "connection.tls.version": 4,
        "connection.tls.cipher_suite": 4865,
        "request.counts": True,
        "origin.ip": "203.0.113.7",
        "origin.port": 0,
        "request.host": f"{server}:9080",
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

_ENTRIES = [
    _entry("web", "reviews", **_http("GET", "/reviews/17?page=2", 200)),
    _entry("web", "cart", **_http("POST", "/cart/items", 201)),
    _entry("web", "ratings", **_http("GET", "/ratings/17", 404, **{"response.outcome": "client_error"})),
    _entry("web", "payments", **_http("POST", "/payments", 503, **_FAILED)),
    _entry("cart", "stock", **_http("POST", "/shop.Stock/Reserve", 200, **_GRPC)),
    _entry("cart", "database", **_TCP),
]

_KINDS = ("server", "client", "server", "client", "internal", "producer")


def _span(number: int, entry: dict[str, Any]) -> dict[str, Any]:
    failed = entry.get("response.outcome") == "server_error"
    return {
        **entry,
        "span.parent_id": None if number % 3 == 0 else "00f067aa0ba902b7",
        "span.trace_state": "vendor=opaque",
        "span.sampled": True,
        "span.name": entry.get("request.operation") or "tcp",
        "span.kind": _KINDS[number],
        "span.status": "error" if failed else "unset",
        "span.status_message": "UF" if failed else None,
        "span.inferred": number == 4,
        "span.events": [
            {"time": None, "name": "retry", "attributes": [{"key": "attempt", "value": "2"}]}
        ] if failed else [],
    }  # fmt: skip


_LABELS = {
    "reporter": "destination",
    "source_workload": "web-v1",
    "source_workload_namespace": "shop",
    "destination_workload": "reviews-v1",
    "destination_service": "reviews.shop.svc.cluster.local",
    "response_code": "200",
    "response_flags": "-",
    "connection_security_policy": "mutual_tls",
}
_EXEMPLAR = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "value": 12.5}
_HISTOGRAM = {
    "metric": "istio_request_duration_milliseconds",
    "kind": "histogram",
    "unit": "ms",
    "value": 12.5,
    "count": 1,
    "bounds": [1.0, 5.0, 10.0, 25.0],
    "buckets": [0, 0, 0, 1, 0],
    "labels": _LABELS,
}
_POINTS = [
    {"metric": "istio_requests_total", "kind": "counter", "unit": "1", "value": 1.0, "labels": _LABELS},
    _HISTOGRAM,
    {"metric": "envoy_cluster_membership_healthy", "kind": "gauge", "unit": "1", "value": 1.0, "labels": _LABELS},
]


def _latency(requests: int) -> dict[str, Any]:
    return {"count": requests, "sum_ms": 12.5 * requests, "buckets": [0, 0, requests] + [0] * 17}


def _edge(client: str, server: str, requests: int, errors: int) -> dict[str, Any]:
    ends = {
        name: value
        for name, value in _ends(client, server).items()
        if name.split(".", 1)[1] in _EDGE_ENDS or name in _EDGE_SERVICE
    }
    return {
        **ends,
        "reporter": "both",
        "context.protocol": "http",
        "requests": requests,
        "client_errors": 0,
        "server_errors": errors,
        "responses": [{"code": 200, "grpc_status": None, "flags": "-", "count": requests - errors}],
        "blame": [{"blame": "network", "count": errors}] if errors else [],
        "mtls": requests,
        "plain": 0,
        "source.principals": [f"{_TRUST}/{client}"],
        "destination.principals": [f"{_TRUST}/{server}"],
        "attempts": requests + errors,
        "retried": errors,
        "request_bytes": 120 * requests,
        "response_bytes": 2048 * requests,
        **dict.fromkeys(("latency", "latency.application"), _latency(requests)),
        "busy_s": 0.0125 * requests,
        "missing_source": 0,
        "missing_destination": 1,
    }


def _hop(entry: dict[str, Any]) -> dict[str, Any]:
    """Give the hop that both ends told of."""
    wanted = SCHEMAS[Template.HOP]
    return {
        **{name: value for name, value in entry.items() if name in wanted},
        "hop.reporter": "both",
        "hop.matched_by": "addresses",
        "missing_source": False,
        "missing_destination": False,
        "request.bytes": 980,
        "response.bytes": 2258,
        "hop.attempts_seen": 1,
        "hop.server.code": entry.get("response.code"),
        "hop.server.duration": timedelta(milliseconds=10),
        **dict.fromkeys(("hop.client", "hop.retries", "hop.proxy", "hop.network"), timedelta(microseconds=500)),
        "hop.application": timedelta(milliseconds=10),
    }


_EDGE_ENDS = {
    "workload.name",
    "workload.namespace",
    "app",
    "version",
    "canonical.service",
    "canonical.revision",
    "cluster.id",
}
_EDGE_SERVICE = {f"destination.service.{name}" for name in ("host", "name", "namespace")}

for _number, _row in enumerate(_ENTRIES):
    _row["context.key"] = _number

ROWS: dict[Template, list[dict[str, Any]]] = {
    Template.LOGENTRY: _ENTRIES,
    Template.TRACESPAN: [_span(number, entry) for number, entry in enumerate(_ENTRIES)],
    Template.METRIC: _POINTS,
    Template.HOP: [_hop(entry) for entry in _ENTRIES],
    Template.EDGE: [_edge("web", "reviews", 100, 0), _edge("web", "payments", 20, 3)],
}
