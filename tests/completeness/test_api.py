"""`GET /api/v1/completeness`: shares, reasons and pages."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from telemetry.http.completeness import completeness_router
from tests.completeness.engine import TOTAL, WRITTEN, Engine


async def ask(engine: Engine, **query: Any) -> httpx.Response:
    app = FastAPI()
    app.include_router(completeness_router(engine.completeness))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get("/api/v1/completeness", params=query)


@pytest.fixture
def engine() -> Engine:
    """Of `web` nine of ten requests were seen, of `db` all, of `cache` nobody knows."""
    made = Engine()
    for node, workload in (("a", "web"), ("b", "db")):
        made.tell(0, {TOTAL: 0, WRITTEN: 0}, node, workload=workload)
    made.flush(10)
    for node, workload, seen in (("a", "web", 90), ("b", "db", 300), ("c", "cache", 1)):
        made.entries(seen, 20, node, **{"destination.workload.name": workload})
    made.say(30, {TOTAL: 100, WRITTEN: 90}, "a")
    made.tell(30, {TOTAL: 300, WRITTEN: 300}, "b", workload="db")
    made.flush(40)
    return made


async def test_every_workload_is_listed_with_its_share_and_the_reasons(engine: Engine) -> None:
    told = (await ask(engine)).raise_for_status().json()
    assert (told["completeness"], told["expected"], told["seen"]) == (0.975, 400, 390)
    assert told["from"] < told["to"]
    assert [one["workload"] for one in told["items"]] == ["cache", "db", "web"]
    cache, db, web = told["items"]
    assert (web["http"], web["reasons"][0]["reason"]) == ({"expected": 100, "seen": 90, "ratio": 0.9}, "not_logged")
    assert "filter" in web["reasons"][0]["explanation"]
    assert (db["ratio"], db["reasons"]) == (1, [])
    assert (cache["ratio"], cache["unknown_envoys"], cache["reasons"][0]["reason"]) == (None, 1, "no_metrics")


async def test_it_comes_in_pages_and_by_namespace(engine: Engine) -> None:
    first = (await ask(engine, limit=2)).json()
    second = (await ask(engine, limit=2, cursor=first["next"])).json()
    assert [one["workload"] for one in (*first["items"], *second["items"])] == ["cache", "db", "web"]
    assert second["next"] is None
    assert (await ask(engine, namespace="elsewhere")).json()["items"] == []


async def test_only_what_is_not_whole_can_be_asked_for(engine: Engine) -> None:
    told = (await ask(engine, below=0.99)).json()
    assert [one["workload"] for one in told["items"]] == ["cache", "web"]


async def test_before_anything_was_compared_it_says_so() -> None:
    response = await ask(Engine())
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")


@pytest.mark.parametrize("query", [{"limit": 0}, {"window": "1h"}, {"cursor": "?"}, {"below": 2}])
async def test_what_can_t_be_asked_is_a_problem(engine: Engine, query: dict[str, Any]) -> None:
    response = await ask(engine, **query)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
