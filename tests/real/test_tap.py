"""What people see of a real mesh while it runs: `telemetry tap` and `telemetry top`, as processes of their own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.real.asker import MIXED
from tests.real.world import World
from tests.service.running import until

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

ROUNDS = 3


class Command:
    """A `telemetry` command that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.rows: list[dict] = []
        self.said = ""
        self._reading = asyncio.gather(self._read_out(), self._read_err())

    async def _read_out(self) -> None:
        async for line in self.process.stdout:
            self.rows.append(json.loads(line))

    async def _read_err(self) -> None:
        async for line in self.process.stderr:
            self.said += line.decode()

    async def end(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            await self._reading
            return await self.process.wait()


@asynccontextmanager
async def command(world: World, *arguments: str) -> AsyncIterator[Command]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "telemetry", *arguments, "--url", f"http://{world.http_address}", stdout=pipe, stderr=pipe
    )
    running = Command(process)
    try:
        yield running
    finally:
        await running.end()


def written(world: World) -> int:
    """How many requests the product page's own Envoy wrote down."""
    lines = world.mesh.access_logs().filter(destination_workload="productpage-v1", reporter="destination")
    return lines.height


async def test_a_service_with_prometheus_only_shows_each_request_once_by_expression(world: World):
    assert await world.all_envoys_connected()
    match = 'context.reporter.kind == "inbound" && destination.workload.name == "productpage-v1"'
    async with command(world, "tap", "--match", match, "--max-rows-per-s", "10000") as tap:
        async with world.asker.asking("/productpage"):
            await until(lambda: bool(tap.rows))
        await world.settled()
        # Quiet now: what is written from here on is to be shown.
        shown_before, written_before = len(tap.rows), written(world)
        await world.asker.ask_all(MIXED * ROUNDS)
        await world.settled()
        asked = written(world) - written_before
        await until(lambda: len(tap.rows) - shown_before >= asked)
    assert await tap.end() == 0, tap.said
    assert len(tap.rows) - shown_before == asked >= ROUNDS * 12
    assert "0 sampled out, 0 dropped" in tap.said
    ids = [row["request.id"] for row in tap.rows]
    assert len(ids) == len(set(ids))
    assert {row["destination.workload.name"] for row in tap.rows} == {"productpage-v1"}
    assert not any("?" in row["request.path"] for row in tap.rows)


async def test_top_shows_the_services_that_are_asked_now(world: World):
    async with command(world, "top", "--json", "--interval", "1s") as top, world.asker.asking("/productpage"):
        await until(lambda: any(len(looked["rows"]) > 1 for looked in top.rows))
        rows = next(one["rows"] for one in top.rows if len(one["rows"]) > 1)
    assert await top.end() == 0, top.said
    assert any(row["service"].startswith("productpage") for row in rows)
    rates = [row["requests_per_s"] for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert all(row["p99_ms"] > 0 for row in rows if row["requests_per_s"])
