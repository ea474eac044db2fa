"""`/debug/pipelines` shows how each handler stands, to programs and to people, and no secret to anyone."""

import asyncio
from random import Random

import httpx
import pytest
from fastapi import FastAPI

from telemetry.delivery import Delivery, Patience, Terms
from telemetry.errors import Retry
from telemetry.http.app import create_app
from telemetry.http.pipelines import pipelines_router
from telemetry.journal.memory import MemoryJournal
from telemetry.selfmetrics import SelfMetrics
from tests.delivery.sinks import ROOMY, Sink, run_until
from tests.rows import metrics

HOSTILE = '<script>alert(1)</script>\n"s3cr3t" https://me:hunter2@sink/'


async def failing() -> Delivery:
    journal = MemoryJournal(max_bytes=ROOMY)
    terms = Terms(Patience(initial_backoff_s=60, max_backoff_s=60))
    one = Delivery("audit", Sink([None, Retry(HOSTILE)]), journal, SelfMetrics(), terms,
                   secrets=["s3cr3t"], random=Random(1))  # fmt: skip
    await journal.append([metrics(1, 2), metrics(3, sequence=2)])
    await run_until(one, lambda: bool(one.last_error))
    return one


async def ask(app: FastAPI, accept: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        return (await client.get("/debug/pipelines", headers={"accept": accept})).raise_for_status()


def app_of(one: Delivery) -> FastAPI:
    router = pipelines_router(lambda: [one.status()], lambda: {"disk": "full & <slow>"})
    return create_app(routers=[router], ready=dict)


async def test_a_program_is_told_cursor_lag_rate_error_and_account():
    answer = (await ask(app_of(await failing()), "*/*")).json()
    [handler] = answer["handlers"]
    assert (handler["handler"], handler["adapter"], handler["templates"]) == ("audit", "Sink", ["metric"])
    assert (handler["state"], handler["cursor"], handler["lag_batches"]) == ("retrying", 1, 1)
    assert handler["lag_s"] >= 0
    assert handler["last_error"].startswith("Retry: <script>")
    assert handler["rows"] == {
        "offered": 3, "delivered": 2, "filtered": 0, "sampled_out": 0, "dead_lettered": 0, "dropped_by": {},
        "pending": 1, "unaccounted": 0,
    }  # fmt: skip
    assert answer["journal"] == {"problems": {"disk": "full & <slow>"}}


async def test_a_browser_gets_a_table_in_which_nothing_runs():
    answer = await ask(app_of(await failing()), "text/html,application/xhtml+xml,*/*;q=0.8")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "full &amp; &lt;slow&gt;" in answer.text


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_no_secret_is_shown(accept):
    text = (await ask(app_of(await failing()), accept)).text
    assert "s3cr3t" not in text
    assert "hunter2" not in text


async def test_who_prefers_json_gets_it():
    answer = await ask(app_of(await failing()), "application/json, text/html")
    assert answer.headers["content-type"] == "application/json"


async def test_with_no_handler_the_page_is_empty_not_broken():
    app = create_app(routers=[pipelines_router(list)], ready=dict)
    assert (await ask(app, "*/*")).json()["handlers"] == []
    assert "<table" in (await ask(app, "text/html")).text


async def test_the_rate_follows_what_is_delivered():
    now_ns, journal = [10**18], MemoryJournal(max_bytes=ROOMY)
    one = Delivery("audit", Sink(), journal, SelfMetrics(), clock_ns=lambda: now_ns[0])
    task = asyncio.create_task(one.run())
    for second in range(120):
        await journal.append([metrics(*range(10), sequence=second)])
        await asyncio.wait_for(one.delivered(), 5)
        now_ns[0] += 10**9
        one.account()
    task.cancel()
    assert one.status().rate_rows_per_s == pytest.approx(10, rel=0.1)
