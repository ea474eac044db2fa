"""Flushes come out whole, whichever way they were sent, and each stream is somebody of its own."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakSet

import grpc
import pytest

from telemetry.config import GrpcSettings
from telemetry.native import inspect_metrics
from telemetry.node import Node
from telemetry.options import Address
from telemetry.receivers.coalesce import Chunk, Coalescer
from telemetry.receivers.metrics import METHOD, Metrics
from telemetry.receivers.server import Server
from telemetry.selfmetrics import SelfMetrics
from tests.envoy_stats.messages import counter, families_of, message

LIMIT = 100_000


class Receiver:
    """The service on a free port, and its coalescer in our hands. `streams`: the nodes that are still somebody's."""

    def __init__(self, *, gather_s: float, max_pending_bytes: int) -> None:
        self.metrics = SelfMetrics()
        self.streams: WeakSet[Node] = WeakSet()
        self.coalescer = Coalescer(max_delay_s=0.001, max_entries=1, max_pending_bytes=2**20, clock_ns=lambda: 1)
        service = Metrics(
            self.coalescer, self.metrics, max_message_bytes=LIMIT, max_pending_bytes=max_pending_bytes,
            max_streams_per_peer=3, learn=self.streams.add, gather_s=gather_s,
        )  # fmt: skip
        settings = GrpcSettings(address=Address("127.0.0.1", 0), max_message_bytes=2**17)
        self.server = Server(settings, {METHOD: service.stream}, hard_limit_bytes=2**20)

    async def take(self) -> Chunk:
        async with asyncio.timeout(10):
            chunk = await self.coalescer.take()
        assert chunk is not None
        return chunk

    async def names(self) -> list[str]:
        """The stats of the next flush."""
        (raw,) = (await self.take()).messages
        return [family.name for family in families_of(raw)]

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def receiving(*, gather_s: float = 30.0, max_pending_bytes: int = 2**20) -> AsyncIterator[Receiver]:
    receiver = Receiver(gather_s=gather_s, max_pending_bytes=max_pending_bytes)
    await receiver.server.start()
    yield receiver
    await receiver.server.stop(0)


@asynccontextmanager
async def stream(receiver: Receiver) -> AsyncIterator[grpc.aio.StreamUnaryCall]:
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.server.port}", options=options) as channel:
        yield channel.stream_unary(METHOD)()


async def test_the_parts_of_a_flush_come_out_as_one_and_the_next_flush_apart() -> None:
    async with receiving() as receiver, stream(receiver) as call:
        for at, name in enumerate("abc"):
            await call.write(message(counter(name, 1, at_ms=1000), node=None if at else "envoy-1"))
        await call.write(message(counter("d", 1, at_ms=2000)))
        assert await receiver.names() == ["a", "b", "c"]
        await call.done_writing()
        assert await receiver.names() == ["d"]


async def test_a_flush_is_complete_when_nothing_follows_at_once() -> None:
    async with receiving(gather_s=0.01) as receiver, stream(receiver) as call:
        await call.write(message(counter("a", 1), node="envoy-1"))
        assert await receiver.names() == ["a"]
        await call.write(message(counter("b", 1)))
        assert await receiver.names() == ["b"]


async def test_what_can_not_be_joined_safely_goes_alone() -> None:
    async with receiving() as receiver, stream(receiver) as call:
        await call.write(message(counter("a", 1), node="envoy-1"))
        broken = message(counter("b", 1)) + b"\x12\x7f"
        assert not inspect_metrics(broken)[3]
        await call.write(broken)
        assert await receiver.names() == ["a"]
        assert (await receiver.take()).messages == [broken]


@pytest.mark.parametrize(("pending", "flushes"), [(2**20, 2), (10, 3)])
async def test_what_is_gathered_is_bounded(pending: int, flushes: int) -> None:
    async with receiving(max_pending_bytes=pending) as receiver, stream(receiver) as call:
        for name in ("a" * 60_000, "b" * 50_000, "c"):
            await call.write(message(counter(name, 1)))
        await call.done_writing()
        found = [await receiver.names() for _ in range(flushes)]
        assert [name[0] for names in found for name in names] == ["a", "b", "c"]


async def test_a_message_that_is_too_large_is_counted_and_the_stream_goes_on() -> None:
    async with receiving() as receiver, stream(receiver) as call:
        await call.write(message(counter("x" * LIMIT, 1), node="envoy-1"))
        await call.write(message(counter("a", 1)))
        await call.done_writing()
        assert await receiver.names() == ["a"]
        reason = {"reason": "message_too_large"}
        assert receiver.counted("telemetry_receiver_refused_total", **reason) == 1
        assert receiver.counted("telemetry_envoy_stats_rejected_total", **reason) == 1


async def test_a_stream_is_somebody_as_long_as_it_is_open() -> None:
    async with receiving(gather_s=0.001) as receiver:
        async with stream(receiver) as first, stream(receiver) as second:
            for call in (first, second):
                await call.write(message(counter("a", 1), node="envoy-1"))
            nodes = {node.number for _ in range(2) for node in (await receiver.take()).distinct}
            assert len(nodes) == len(receiver.streams) == 2
        async with asyncio.timeout(10):
            while receiver.streams:
                await asyncio.sleep(0.01)
                gc.collect()


async def test_a_stream_without_identifier_is_kept_and_counted() -> None:
    async with receiving() as receiver, stream(receiver) as call:
        await call.write(message(counter("a", 1)))
        await call.done_writing()
        chunk = await receiver.take()
        assert chunk.distinct[0].id == ""
        assert receiver.counted("telemetry_receiver_refused_total", reason="no_identifier") == 1


async def test_a_peer_has_so_many_streams() -> None:
    async with receiving(gather_s=0.001) as receiver, AsyncExitStack() as stack:
        for _ in range(3):
            call = await stack.enter_async_context(stream(receiver))
            await call.write(message(counter("a", 1)))
            await receiver.take()
        more = await stack.enter_async_context(stream(receiver))
        assert await more.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
