"""Adapters that encode in threads do so in threads of their own, which end with them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from telemetry.adapters.influxdb import InfluxDB
from telemetry.adapters.kafka import Kafka
from telemetry.batch import Template
from telemetry.plugin import Adapter
from telemetry.testing import batch_of
from tests.adapters.influx_sink import InfluxSink, running
from tests.adapters.kafka_sink import Brokers
from tests.jam import jammed


@pytest.fixture(params=["influxdb", "kafka"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[], Adapter]]:
    if request.param == "kafka":
        brokers = Brokers()
        config = Kafka.Config(bootstrap_servers="127.0.0.1:9092")
        yield lambda: Kafka(config, new_producer=brokers.producer)
    else:
        async with running(InfluxSink()) as sink:
            yield lambda: InfluxDB(InfluxDB.Config(url=sink.url, api="v3", database="mesh"))


async def test_an_export_needs_none_of_the_threads_that_a_plugin_may_have_taken(make: Callable[[], Adapter]) -> None:
    with jammed():
        async with asyncio.timeout(10), make() as adapter:
            await adapter.export(batch_of(Template.LOGENTRY, 5))


async def test_the_threads_end_when_the_adapter_is_left(make: Callable[[], Adapter]) -> None:
    before = set(threading.enumerate())
    async with make() as adapter:
        await adapter.export(batch_of(Template.LOGENTRY, 5))
    async with asyncio.timeout(10):
        while any(thread.name.startswith(("kafka", "influxdb")) for thread in set(threading.enumerate()) - before):
            await asyncio.sleep(0.005)
