"""Service and Envoys come and go in mid-traffic: nothing is counted twice, and what is lost is known."""

import json
import time
from bisect import bisect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from telemetry.adapters.prometheus import Prometheus
from telemetry.config import Settings
from telemetry.demo.waiting import holds_within
from telemetry.service import Service
from tests.real.asker import PRODUCT
from tests.real.tally import Tally, by_reporter, counted
from tests.real.world import Settled, World
from tests.service.running import counted as own

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

RECEIVED = "telemetry_receiver_entries_total"
STREAMS = "telemetry_receiver_streams_opened_total"
REQUESTS = "istio_requests_total"


@asynccontextmanager
async def in_process(world: World) -> AsyncIterator[Service]:
    """A service on the addresses that the Envoys know, open to inspection even after its end."""
    addresses = {"receiver": {"grpc": {"address": world.als_address}}, "http": {"address": world.http_address}}
    async with Service(Settings.model_validate(addresses, by_name=True)) as service:
        yield service


@asynccontextmanager
async def without_process(world: World) -> AsyncIterator[None]:
    """The world's own service stands aside."""
    assert await world.service.stop() == 0
    yield
    await world.service.start()
    assert await world.all_envoys_connected()


def tally(service: Service) -> Tally:
    """Count what its adapter holds, whether or not it can still be scraped."""
    adapter = service.deliveries[0].adapter
    assert isinstance(adapter, Prometheus)
    text = b"".join(adapter.exposition(openmetrics=False)).decode()
    return counted(sample for family in text_string_to_metric_families(text) for sample in family.samples)


async def receives(service: Service, entries: int) -> bool:
    """Wait until it has so many more than now."""
    goal = own(service, RECEIVED) + entries

    async def reached() -> bool:
        return own(service, RECEIVED) >= goal

    return await holds_within(reached, 15)


async def streams_opened(world: World) -> float:
    return next(sample.value for sample in await world.page() if sample.name == STREAMS)


async def assert_counts_exactly(world: World, since: Settled) -> None:
    """From here on every entry is counted, under the names of both ends."""
    await world.asker.ask_all([PRODUCT] * 50)
    grown = (await world.settled(since)).since(since)
    assert grown.counted == grown.written
    assert by_reporter(grown.counted)[REQUESTS, "source"] == 100


def most_at_once(times: list[datetime], within: timedelta) -> int:
    """Give the greatest number of these times in any interval of that length."""
    ordered = sorted(times)
    return max(bisect(ordered, time + within) - at for at, time in enumerate(ordered))


async def test_a_service_stopped_in_mid_traffic_exits_0_and_a_new_one_counts_on(world: World) -> None:
    async with world.asker.asking(PRODUCT):
        began = time.monotonic()
        assert await world.service.stop() == 0
        assert time.monotonic() - began < 5
        await world.service.start()
        assert await world.all_envoys_connected()
    log = (world.mesh.folder / "telemetry.log").read_text().splitlines()
    (stopped,) = (entry for entry in map(json.loads, log) if entry["event"] == "stopped")
    assert "dropped 0, pending 0" in stopped["prometheus"]
    await assert_counts_exactly(world, await world.still())


async def test_two_services_one_after_the_other_never_count_an_entry_twice(world: World) -> None:
    async with without_process(world):
        before = await world.still()
        async with world.asker.asking(PRODUCT, at_once=6):
            async with in_process(world) as first:
                assert await receives(first, 400)
            async with in_process(world) as second:
                assert await receives(second, 400)
        written = by_reporter((await world.still()).since(before).written)
    for service in (first, second):
        # No TCP here: each entry is one request, as one side saw it.
        count = by_reporter(tally(service))
        assert count[REQUESTS, "source"] + count[REQUESTS, "destination"] == own(service, RECEIVED) >= 400
        assert service.deliveries[0].account().pending == 0
    both = by_reporter(tally(first) + tally(second))
    assert both <= written
    # What Envoys sent while nobody listened; the rest is all there.
    assert both[REQUESTS, "source"] > written[REQUESTS, "source"] / 2


async def test_an_envoy_drained_and_restarted_in_mid_traffic_loses_nothing(world: World) -> None:
    before, streams = await world.still(), await streams_opened(world)
    async with world.asker.asking(PRODUCT):
        await world.mesh.restart("details-v1")
        assert await world.all_envoys_connected([PRODUCT])
    grown = (await world.settled(before)).since(before)
    assert grown.counted == grown.written
    assert await streams_opened(world) > streams


async def test_an_envoy_stopped_at_once_loses_at_most_what_it_had_yet_to_send(world: World) -> None:
    before = await world.still()
    async with world.asker.asking(PRODUCT, at_once=6):
        await world.mesh.restart("details-v1", drained=False)
        assert await world.all_envoys_connected([PRODUCT])
    after = await world.still()
    grown = after.since(before)
    lost = {key: number for key, number in (grown.written - grown.counted).items() if key[0] == REQUESTS}
    assert grown.counted <= grown.written
    assert all(key[1:4] == ("destination", "productpage-v1", "details-v1") for key in lost)
    lines = world.mesh.access_logs().filter(reporter="destination", destination_workload="details-v1")
    times = [datetime.fromisoformat(text) for text in lines["start_time"]]
    # Twice the flush interval: the timer may have just fired, and a request takes time too.
    assert sum(lost.values()) <= most_at_once(times, timedelta(seconds=0.4))
    await assert_counts_exactly(world, after)
