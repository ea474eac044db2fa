"""`telemetry graph`, `services` and `impact` ask a running service."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from telemetry.cli import app as command
from telemetry.config import HttpSettings
from telemetry.edges import EdgeStore
from telemetry.http.app import create_app
from telemetry.http.asking import Mesh
from telemetry.http.server import HttpServer
from telemetry.mesh_api import mesh_routers
from telemetry.options import Address
from tests.edges.rows import edge, edges
from tests.http.mesh_api import BOOKINFO, CATALOG, MINUTE_NS, NOW_S, catalog
from tests.rows import SECOND_NS

WIDE = {"COLUMNS": "250"}


@asynccontextmanager
async def serving(*rows: dict) -> AsyncIterator[str]:
    times = dict.fromkeys(("start", "time", "last_seen"), MINUTE_NS + SECOND_NS)
    async with EdgeStore(None, clock_ns=lambda: int(NOW_S * SECOND_NS)) as store:
        await store.export(edges(*({**row, **times} for row in rows)))
        mesh = Mesh(store, catalog(CATALOG), completeness=lambda: 0.985, clock_s=lambda: NOW_S)
        async with running(create_app(routers=mesh_routers(mesh), ready=dict)) as url:
            yield url


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[str]:
    server = HttpServer(HttpSettings(address=Address("127.0.0.1", 0)), app)
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner(env=WIDE).invoke, command, list(arguments))


async def test_graph_is_a_table_of_edges() -> None:
    async with serving(*BOOKINFO) as url:
        result = await run("graph", "--url", url, "--window", "1m")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["from", "to", "protocol", "rate", "errors", "p50", "p95", "mTLS", "saturation"]
    (web,) = (line.split() for line in lines if line.startswith("default/web"))
    assert web[:5] == ["default/web", "default/reviews", "http", "1.00/s", "10.0"]
    assert "5 nodes, 4 edges" in lines[-1]
    assert "98.5 % of traffic seen" in lines[-1]


@pytest.mark.parametrize(("form", "begins"), [("dot", "digraph mesh {"), ("mermaid", "flowchart LR")])
async def test_graph_gives_the_forms_that_others_draw(form: str, begins: str) -> None:
    async with serving(*BOOKINFO) as url:
        result = await run("graph", "--url", url, "--format", form)
    assert result.stdout.startswith(begins)


async def test_graph_focuses_and_filters() -> None:
    async with serving(*BOOKINFO) as url:
        near = await run("graph", "--url", url, "--focus", "gateway", "--json")
        none = await run("graph", "--url", url, "--namespace", "nowhere", "--namespace", "else", "--json")
    assert len(json.loads(near.stdout)["elements"]["edges"]) == 1
    assert json.loads(none.stdout)["elements"] == {"nodes": [], "edges": []}


async def test_services_is_a_table_with_owners_and_all_its_pages() -> None:
    rows = [edge("web-v1", f"s{number:04}", requests=1) for number in range(1100)]
    async with serving(*BOOKINFO, *rows) as url:
        result = await run("services", "--url", url)
        whole = json.loads((await run("services", "--url", url, "--json")).stdout)
    assert len(whole["services"]) == 1100 + 6
    assert whole["next"] is None
    (reviews,) = (line for line in result.stdout.splitlines() if line.startswith("default/reviews"))
    assert "team-reviews" in reviews
    assert f"{1100 + 6} services" in result.stdout


async def test_impact_is_a_tree_of_who_must_be_told() -> None:
    async with serving(*BOOKINFO) as url:
        result = await run("impact", "ratings", "--url", url)
        as_json = await run("impact", "ratings", "--url", url, "--json")
    assert "called by (3)" in result.stdout
    assert "default/reviews [team-reviews; reviews@example.com]: directly; 20 requests" in result.stdout
    assert "3 calls away" in result.stdout
    assert json.loads(as_json.stdout)["service"]["name"] == "ratings"


async def test_a_hostile_name_is_printed_harmlessly() -> None:
    async with serving(edge("web\x1b[31m[bold]", "reviews-v1", requests=1)) as url:
        result = await run("graph", "--url", url, "--by", "workload")
    assert "web\\x1b[31m[bold]" in result.stdout


async def test_a_problem_is_told_as_the_api_says_it() -> None:
    async with serving(*BOOKINFO) as url:
        result = await run("impact", "nobody", "--url", url)
    assert result.exit_code == 1
    assert "had no traffic in this window" in result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://"])
async def test_no_service_there_says_what_to_start(url: str) -> None:
    result = await run("graph", "--url", url)
    assert result.exit_code == 1
    assert "is `telemetry serve` running there?" in result.stderr


async def test_another_program_there_is_told_apart() -> None:
    app = FastAPI()

    @app.get("/api/v1/graph")
    async def other() -> list[int]:
        return [1]

    async with running(app) as url:
        result = await run("graph", "--url", url)
    assert result.exit_code == 1
    assert "did not answer as Mesh Telemetry does" in result.stderr
