"""HOP and EDGE batches for tests: say what matters, the rest is usual."""

from typing import Any

import polars as pl

from telemetry.batch import SCHEMAS, Batch, Template
from tests.rows import NOW_NS, SECOND_NS

LATENCIES = ("latency", "latency.application", "latency.network", "latency.proxy")
NO_LATENCY = {"count": 0, "sum_ms": 0.0, "buckets": [0] * 20}
_COUNTS = [name for name, dtype in SCHEMAS[Template.EDGE].items() if dtype == pl.UInt64]
_LISTS = [name for name, dtype in SCHEMAS[Template.EDGE].items() if dtype == pl.List]


def ends(source: str | None, destination: str | None, namespace: str = "default") -> dict[str, Any]:
    """Both ends by workload: `reviews-v1` is version v1 of the app and service `reviews`."""
    made: dict[str, Any] = {}
    for side, name in (("source", source), ("destination", destination)):
        if name is not None:
            app, _, version = name.partition("-")
            made |= {
                f"{side}.workload.name": name,
                f"{side}.workload.namespace": namespace,
                f"{side}.app": app,
                f"{side}.version": version or None,
                f"{side}.canonical.service": app,
                f"{side}.canonical.revision": version or "latest",
                f"{side}.cluster.id": "Kubernetes",
            }
    if destination is not None:
        service = destination.partition("-")[0]
        made |= {
            "destination.service.host": f"{service}.{namespace}.svc.cluster.local",
            "destination.service.name": service,
            "destination.service.namespace": namespace,
        }
    return made


def hop(source: str | None = "web", destination: str | None = "reviews-v1", **more: Any) -> dict[str, Any]:
    usual = {
        "context.key": 0,
        "context.protocol": "http",
        "connection.mtls": True,
        "source.principal": f"spiffe://cluster.local/ns/default/sa/{source}",
        "hop.reporter": "both",
        "missing_source": False,
        "missing_destination": False,
        "context.time": NOW_NS,
        "request.attempts": 1,
        "response.code": 200,
        "response.flags": 0,
        "context.proxy_error_code": "-",
        "response.outcome": "success",
        "response.duration": 10_000_000,
        "latency.excluded": False,
        "request.bytes": 100,
        "response.bytes": 1000,
    }
    return {**usual, **ends(source, destination), **more}


def hops(*rows: dict[str, Any], sequence: int = 1) -> Batch:
    """A HOP batch; rows that agree in who and whom get the same key."""
    schema = SCHEMAS[Template.HOP]
    shared = list(schema)[1 : list(schema).index("hop.reporter")]
    keys: dict[tuple[Any, ...], int] = {}
    full = []
    for row in rows:
        key = keys.setdefault(tuple(row.get(name) for name in shared), len(keys))
        full.append({**dict.fromkeys(schema), **row, "context.key": key})
    return Batch(Template.HOP, pl.DataFrame(full, schema=dict(schema)), "test", 1, sequence)


def edge(source: str | None = "web", destination: str | None = "reviews-v1", **more: Any) -> dict[str, Any]:
    requests = more.get("requests", 1)
    usual = {
        "start": NOW_NS,
        "time": NOW_NS + 10 * SECOND_NS,
        "last_seen": NOW_NS + 5 * SECOND_NS,
        "reporter": "both",
        "context.protocol": "http",
        **dict.fromkeys(_COUNTS, 0),
        **{name: [] for name in _LISTS},
        "requests": requests,
        "requests_paired": requests,
        "attempts": requests,
        "mtls": requests,
        "busy_s": 0.01 * requests,
        **dict.fromkeys(LATENCIES, NO_LATENCY),
        "latency": latency(10.0, requests),
        "source.principals": [f"spiffe://cluster.local/ns/default/sa/{source}"],
    }
    return {**usual, **ends(source, destination), **more}


def latency(ms: float, count: int) -> dict[str, Any]:
    """`count` requests that took 10 ms, or 100 ms, ..: any bound of the histogram."""
    from telemetry.processors.signals import BOUNDS

    buckets = [0] * (len(BOUNDS) + 1)
    buckets[BOUNDS.tolist().index(ms)] = count
    return {"count": count, "sum_ms": ms * count, "buckets": buckets}


def edges(*rows: dict[str, Any], sequence: int = 1, epoch: int = 1) -> Batch:
    schema = SCHEMAS[Template.EDGE]
    frame = pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=dict(schema))
    return Batch(Template.EDGE, frame, "test", epoch, sequence)
