"""A real Prometheus scrapes the page from a real HTTP server."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from telemetry.http.metrics import metrics_router
from tests.adapters.pages import Mesh, Point

HOSTILE = {
    "quote": 'say "hi"',
    "backslash": "C:\\temp\\new",
    "newline": "one\ntwo",
    "injection": 'x"} 1\nevil_total{a="y',
    "comment": '} 1 # {trace_id="x"} 2',
    "return": "a\rb",
    "nul": "a\x00b",
    "escape": "\x1b[31mred",
    "tab": "a\tb",
    "line separator": "a\u2028b\u0085c",
    "emoji": "🕸️",
    "eof": "\n# EOF\n",
    "long": "v" * 10_000,
    "empty": "",
}
DEADLINE_S = 20.0


def hostile_points() -> Iterator[Point]:
    return (Point("hostile_total", {"which": which, "value": value}, 3) for which, value in HOSTILE.items())


async def eventually(ask: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Ask until there is an answer."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        try:
            if answer := await ask():
                return answer
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.05)
    pytest.fail(f"{what}: not within {DEADLINE_S} s")


@asynccontextmanager
async def served(mesh: Mesh, port: int) -> AsyncIterator[None]:
    app = FastAPI()
    app.include_router(metrics_router(CollectorRegistry(), lambda: {"mesh": mesh.adapter}))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", ws="none", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def scraping(binary: Path, folder: Path, port: int, target: int) -> AsyncIterator[httpx.AsyncClient]:
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        "global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n"
        f'scrape_configs: [{{job_name: mesh, static_configs: [{{targets: ["127.0.0.1:{target}"]}}]}}]\n'
    )
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            binary,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), DEADLINE_S)
    complaints = [line for line in log.read_text().splitlines() if "level=warn" in line or "level=error" in line]
    assert not [line for line in complaints if "scrape" in line.lower()], "Prometheus complained of a scrape"


@pytest.mark.real
async def test_prometheus_reads_hostile_labels_histograms_and_exemplars_exactly(
    prometheus_binary: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    mesh, ours, theirs = Mesh(), free_port(), free_port()
    exemplar = {
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "value": 7.0,
        "time": datetime.now(UTC),
    }
    await mesh.export(*hostile_points())
    await mesh.export(Point("took_milliseconds", {"a": "x"}, 27.5, buckets=(1, 2, 0, 1), unit="ms", exemplar=exemplar))

    async with served(mesh, ours), scraping(prometheus_binary, tmp_path, theirs, ours) as client:

        async def query(expression: str) -> list[dict[str, Any]]:
            response = await client.get("/query", params={"query": expression})
            return response.json()["data"]["result"] if response.status_code == 200 else []

        rows = await eventually(lambda: query("hostile_total"), "the hostile series")
        assert {row["metric"]["which"]: row["metric"].get("value", "") for row in rows} == HOSTILE
        assert {row["value"][1] for row in rows} == {"3"}
        assert {row["value"][1] for row in await query("up")} == {"1"}
        assert not await query("evil_total")

        buckets = {row["metric"]["le"]: row["value"][1] for row in await query("took_milliseconds_bucket")}
        assert {float(le): int(value) for le, value in buckets.items()} == {1: 1, 10: 3, 100: 3, float("inf"): 4}
        assert [row["value"][1] for row in await query("took_milliseconds_sum")] == ["27.5"]
        assert [row["value"][1] for row in await query("took_milliseconds_count")] == ["4"]

        async def exemplars() -> list[dict[str, Any]]:
            now = time.time()
            response = await client.get(
                "/query_exemplars", params={"query": "took_milliseconds_bucket", "start": now - 60, "end": now + 60}
            )
            return response.json()["data"]

        found = (await eventually(exemplars, "the exemplar"))[0]
        assert float(found["seriesLabels"]["le"]) == 10
        assert found["exemplars"][0]["labels"] == {name: exemplar[name] for name in ("trace_id", "span_id")}

        await mesh.export(Point("hostile_total", {"which": "quote", "value": HOSTILE["quote"]}, 4))
        await eventually(lambda: query('hostile_total{which="quote"} == 7'), "the second delta")


@pytest.mark.real
async def test_promtool_finds_no_fault_with_the_page(promtool_binary: Path) -> None:
    mesh = Mesh()
    await mesh.export(*hostile_points())
    await mesh.export(Point("took_seconds", {"a": "x"}, 27.5, buckets=(1, 2, 0, 1), unit="s"))
    text = mesh.text()
    result = await asyncio.to_thread(
        subprocess.run, [promtool_binary, "check", "metrics"], input=text, capture_output=True, check=False
    )
    complaints = result.stderr.decode().splitlines()
    # The mesh's metrics carry no help text; that is all.
    assert [line for line in complaints if not line.endswith("no help text")] == []
