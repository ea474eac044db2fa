"""What a real Envoy has handled, against the entries that came: the share is right, and so are the reasons."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry.completeness import Share
from tests.real.completeness_envoy import UNLESS_TOLD_NOT_TO, Scene, scene

pytestmark = pytest.mark.real

FreePort = Callable[..., int]


def whys(world: Scene) -> set[str]:
    return {why.reason for why in world.share.reasons}


async def test_where_everything_is_logged_all_is_seen(
    envoy_binary: Path, h2load_binary: Path, tmp_path: Path, free_port: FreePort
) -> None:
    async with scene(envoy_binary, tmp_path, free_port) as world:
        await world.known()
        await world.ask(100)
        await world.load(h2load_binary, 20_000)
        await world.connect(20)
        share = await world.compared(20_100, 20)
        assert (share.workload, share.namespace, share.envoys, share.unknown_envoys) == ("web", "shop", 1, 0)
        assert share.http.seen == 20_100
        assert share.tcp.seen == 20
        assert world.receiving.completeness.ratio() == 1
        assert share.reasons == ()


async def test_while_requests_go_on_the_share_is_right_to_a_hundredth_of_a_second(
    envoy_binary: Path, h2load_binary: Path, tmp_path: Path, free_port: FreePort
) -> None:
    async with scene(envoy_binary, tmp_path, free_port) as world:
        await world.known()
        told: set[Share] = set()
        while_it_lasted: list[Share] = []

        async def tell() -> None:
            while True:
                told.add(world.receiving.completeness.report.all)
                await asyncio.sleep(0.1)

        listening = asyncio.create_task(tell())
        sent, began = 0, time.monotonic()
        # However fast this machine is: as long as it takes until a few moments in the middle have been compared.
        while len(while_it_lasted) < 3 and sent < 1_500_000:
            await world.load(h2load_binary, 30_000)
            sent += 30_000
            while_it_lasted = [share for share in told if 15_000 < share.expected < sent]
        listening.cancel()
        assert len(while_it_lasted) >= 3
        # Envoy's count and our entries are of moments some milliseconds apart.
        moment = 0.01 * sent / (time.monotonic() - began)
        assert all(share.seen == pytest.approx(share.expected, abs=moment) for share in while_it_lasted), told
        assert (await world.compared(sent)).http.seen == sent


async def test_a_filter_lowers_the_share_by_what_it_leaves_out(
    envoy_binary: Path, tmp_path: Path, free_port: FreePort
) -> None:
    async with scene(envoy_binary, tmp_path, free_port, filter=UNLESS_TOLD_NOT_TO) as world:
        await world.known()
        await world.ask(300)
        await world.ask(100, **{"x-log": "no"})
        share = await world.compared(400)
        assert share.http.ratio == 0.75
        assert whys(world) == {"not_logged"}
        assert share.reasons[0].count == 100


async def test_an_envoy_without_access_log_shows_0_percent_and_says_why(
    envoy_binary: Path, tmp_path: Path, free_port: FreePort
) -> None:
    async with scene(envoy_binary, tmp_path, free_port, logs=False) as world:
        await world.known()
        await world.ask(100)
        share = await world.compared(100)
        assert share.http.ratio == 0
        assert world.receiving.completeness.ratio() == 0
        assert whys(world) == {"no_access_log"}


async def test_what_is_lost_while_we_are_away_is_missing_and_named(
    envoy_binary: Path, tmp_path: Path, free_port: FreePort
) -> None:
    async with scene(envoy_binary, tmp_path, free_port) as world:
        await world.known()
        await world.ask(200)
        await world.compared(200)
        await world.receiving.stop_logs()
        await world.ask(200)
        await world.compared(400)
        await world.receiving.serve_logs()
        await world.ask(100)
        share = await world.compared(500)
        # What was buffered when we came back may have reached us.
        assert 0.58 < (share.http.ratio or 0) < 0.9
        assert "sink_unreachable" in whys(world)
        assert not whys(world) & {"no_access_log", "not_logged", "unexplained"}
