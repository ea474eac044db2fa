"""The query API over a store of edges that a test makes up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from telemetry.catalog import Catalog, CatalogFile, Index
from telemetry.edges import EdgeStore
from telemetry.http.app import create_app
from telemetry.http.asking import Mesh
from telemetry.http.edges import edges_router
from telemetry.http.graph import graph_router
from telemetry.http.health import health_router
from telemetry.http.impact import impact_router
from telemetry.http.services import services_router
from telemetry.http.signals import signals_router
from tests.edges.rows import edge, edges
from tests.rows import NOW_NS, SECOND_NS

ROUTERS = (graph_router, services_router, edges_router, signals_router, impact_router, health_router)
MINUTE_NS = NOW_NS // (60 * SECOND_NS) * 60 * SECOND_NS
NOW_S = MINUTE_NS / SECOND_NS + 60

CATALOG = {
    "services": [
        {
            "name": "reviews",
            "namespace": "default",
            "owner": "team-reviews",
            "tier": 1,
            "contacts": {"mail": "reviews@example.com"},
            "capacity": {"requests_per_second": 10, "concurrency": 0.05},
            "objectives": {"availability": 0.99, "latency": {"threshold": "300ms", "ratio": 0.9}},
        },
        {"name": "web", "namespace": "default", "owner": "team-web"},
        {"name": "idle", "namespace": "default", "owner": "nobody"},
    ]
}

BOOKINFO = (
    edge("gateway", "web-v1", requests=60),
    edge("web-v1", "reviews-v1", requests=40),
    edge("web-v1", "reviews-v2", requests=20, server_errors=5, unanswered=1),
    edge("reviews-v2", "ratings-v1", requests=20, mtls=10, plain=10),
    edge("ratings-v1", "mongodb-v1", requests=0, connections_opened=3, connections_closed=3, request_bytes=600,
         **{"context.protocol": "tcp"}),
)  # fmt: skip


def catalog(content: dict[str, Any]) -> Catalog:
    made = Catalog(None)
    made.index = Index(CatalogFile.model_validate(content, by_alias=True, by_name=True).services)
    return made


@asynccontextmanager
async def api(*rows: dict[str, Any], **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Edges as of the last minute; it is that minute's end."""
    placed = [{**row, **dict.fromkeys(("start", "time", "last_seen"), MINUTE_NS + SECOND_NS)} for row in rows]
    clock_ns = int(NOW_S * SECOND_NS)
    async with EdgeStore(None, clock_ns=lambda: clock_ns) as store:
        if placed:
            await store.export(edges(*placed))
        known = {"catalog": catalog(CATALOG), "clock_s": lambda: NOW_S, **more}
        mesh = Mesh(store, **known)
        app = create_app(routers=[router(mesh) for router in ROUTERS], ready=dict)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://telemetry") as client:
            yield client


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found
