"""A whole service on free ports, and an Envoy's end of its streams."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import httpx
from prometheus_client.parser import text_string_to_metric_families

from telemetry.config import Settings
from telemetry.receivers.access_logs import METHOD
from telemetry.service import Service

QUICK = {
    "receiver": {"grpc": {"address": "127.0.0.1:0"}, "coalesce": {"max_delay_s": 0.01}},
    "http": {"address": "127.0.0.1:0"},
    # The built-in handler has tests of its own.
    "edges": {"enabled": False},
}


def settings(**more) -> Settings:
    return Settings.model_validate({**QUICK, **more}, by_name=True)


@asynccontextmanager
async def running(configured: Settings | None = None) -> AsyncIterator[Service]:
    async with Service(configured or settings()) as service:
        yield service
        assert not service.failed.done(), service.failed
    assert all(delivery.account().unaccounted == 0 for delivery in service.deliveries)


class Envoy:
    """One stream to the service, fed by hand with bytes."""

    def __init__(self, port: int) -> None:
        options = [("grpc.max_send_message_length", -1)]
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._call = self._channel.stream_unary(METHOD)()

    async def send(self, *messages: bytes) -> None:
        for message in messages:
            await self._call.write(message)

    async def end(self) -> bytes:
        """Finish the stream properly; gives the reply."""
        await self._call.done_writing()
        reply: bytes = await self._call
        await self._channel.close()
        return reply

    async def code(self) -> grpc.StatusCode:
        return await self._call.code()

    async def drop(self) -> None:
        await self._channel.close(None)

    @property
    def done(self) -> bool:
        return bool(self._call.done())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def counted(service: Service, name: str, **labels: str) -> float:
    """One of our own metrics, 0 when it has no such sample."""
    return service.metrics.registry.get_sample_value(name, labels) or 0.0


async def page(service: Service, **headers: str) -> str:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{service.http_port}/metrics", headers=headers)
        response.raise_for_status()
        return response.text


async def samples(service: Service, metric: str) -> list[tuple[dict[str, str], float]]:
    """The samples of that name on the page."""
    families = text_string_to_metric_families(await page(service))
    return [(s.labels, s.value) for family in families for s in family.samples if s.name == metric]


async def total(service: Service, metric: str, **labels: str) -> float:
    found = await samples(service, metric)
    return sum(value for own, value in found if labels.items() <= own.items())
