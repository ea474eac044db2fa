"""What a small shop's mesh reports: a few rows of each template, with every column that its traffic fills."""

from datetime import timedelta
from typing import Any

from telemetry.batch import SCHEMAS, Template
from telemetry.testing.sample_entries import ENTRIES, TRUST, ends

__all__ = ["ROWS"]

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
    shown = {
        name: value
        for name, value in ends(client, server).items()
        if name.split(".", 1)[1] in _EDGE_ENDS or name in _EDGE_SERVICE
    }
    return {
        **shown,
        "reporter": "both",
        "context.protocol": "http",
        "requests": requests,
        "client_errors": 0,
        "server_errors": errors,
        "responses": [{"code": 200, "grpc_status": None, "flags": "-", "count": requests - errors}],
        "blame": [{"blame": "network", "count": errors}] if errors else [],
        "mtls": requests,
        "plain": 0,
        "source.principals": [f"{TRUST}/{client}"],
        "destination.principals": [f"{TRUST}/{server}"],
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

ROWS: dict[Template, list[dict[str, Any]]] = {
    Template.LOGENTRY: ENTRIES,
    Template.TRACESPAN: [_span(number, entry) for number, entry in enumerate(ENTRIES)],
    Template.METRIC: _POINTS,
    Template.HOP: [_hop(entry) for entry in ENTRIES],
    Template.EDGE: [_edge("web", "reviews", 100, 0), _edge("web", "payments", 20, 3)],
}
