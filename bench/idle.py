"""What an Envoy costs that has nothing to say: thousands of open streams, each on a connection of its own."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.mesh import Mesh, Workload
from bench.replay import METHOD
from bench.service import STREAMS, Own, Service, running, wait_until
from bench.streams import StreamAccessLogsMessage, identifier

IN_FLIGHT = 50
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Idle:
    """What the service needed to hold the streams: memory, and CPU while nothing came in."""

    streams: int
    rss_bytes_per_stream: float
    cpu_ratio: float


def hold_with_service(streams: int, folder: Path) -> Idle:
    """Hold the streams open to a service of its own."""
    with running(folder) as service:
        return hold(service, streams)


def hold(service: Service, streams: int) -> Idle:
    """Open the streams, let each send what Envoy sends first (61 KB), and see what they need."""
    return asyncio.run(_hold(service, streams))


async def _hold(service: Service, streams: int) -> Idle:
    before_bytes = service.rss_bytes
    some = asyncio.Semaphore(IN_FLIGHT)
    async with AsyncExitStack() as held:
        await asyncio.gather(*(_open(held, some, service, one) for one in Mesh(workloads=streams).members))
        await asyncio.to_thread(
            wait_until, lambda: Own(service.page()).total(STREAMS) >= streams, "all streams open", 60, 0.2
        )
        await asyncio.sleep(SETTLE_S)
        cpu_s, rss_bytes = service.cpu_s, service.rss_bytes
        await asyncio.sleep(SETTLE_S)
        cpu_ratio = (service.cpu_s - cpu_s) / SETTLE_S
    return Idle(streams, (rss_bytes - before_bytes) / streams, cpu_ratio)


async def _open(held: AsyncExitStack, some: asyncio.Semaphore, service: Service, workload: Workload) -> None:
    async with some:
        # Without a pool of its own, a channel shares its connection with the others to the same address.
        own_connection = [("grpc.use_local_subchannel_pool", 1)]
        address = f"127.0.0.1:{service.ports.grpc}"
        channel = await held.enter_async_context(grpc.aio.insecure_channel(address, own_connection))
        call = channel.stream_unary(f"/{METHOD}")()
        held.callback(call.cancel)
        await call.write(StreamAccessLogsMessage(identifier=identifier(workload)).SerializeToString())
