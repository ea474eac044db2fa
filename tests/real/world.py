"""Everything real at once: a mesh of Envoys, `telemetry serve`, and a Prometheus that scrapes it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from telemetry.demo.compare import open_connections
from telemetry.demo.mesh import Mesh
from telemetry.demo.network import claimed_network
from telemetry.demo.processes import Process
from telemetry.demo.prometheus import prometheus
from telemetry.demo.samples import Sample, query_page, query_prometheus
from telemetry.demo.service import service
from telemetry.demo.topology import OUTBOUND_PORT, Service, Topology, bookinfo
from telemetry.demo.waiting import holds_within
from tests.real.asker import MIXED, Asker
from tests.real.tally import PROMQL, Tally, by_reporter, counted, unequal, written

__all__ = ["VACANT", "Settled", "World", "running_world"]

# A service of another namespace that nobody answers for.
VACANT = Service("vacant", namespace="shop")


@dataclass(frozen=True, slots=True)
class Settled:
    """What was written and what was counted, at a moment when nothing was under way."""

    written: Tally
    counted: Tally


@dataclass(frozen=True, slots=True)
class World:
    """The running whole. `als_address` and `http_address` are host:port; its own, whoever else runs a mesh."""

    mesh: Mesh
    service: Process
    asker: Asker
    client: httpx.AsyncClient
    als_address: str
    http_address: str
    prometheus_url: str

    @property
    def page_url(self) -> str:
        return f"http://{self.http_address}/metrics"

    async def page(self) -> list[Sample]:
        return await query_page(self.client, self.page_url)

    async def query(self, expression: str) -> list[Sample]:
        return await query_prometheus(self.client, self.prometheus_url, expression)

    async def ask_vacant(self) -> int:
        """Call the vacant service as the product page would."""
        address = self.mesh.topology.workload("productpage-v1").address
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(transport=transport) as application:
            host = {"host": f"{VACANT.name}.{VACANT.namespace}:{VACANT.port}"}
            response = await application.get(f"http://{address}:{OUTBOUND_PORT}/", headers=host)
        return response.status_code

    async def all_envoys_connected(self, deadline_s: float = 15) -> bool:
        """Ask until every Envoy reports: from then on each address has a name."""
        envoys = len(self.mesh.topology.workloads)

        async def connected() -> bool:
            await self.asker.ask_all(MIXED)
            shown = {sample.name: sample.value for sample in await self.page()}
            return shown.get("telemetry_receiver_nodes") == envoys

        return await holds_within(connected, deadline_s)

    async def settled(self, deadline_s: float = 15, *, lost: bool = False) -> Settled:
        """Wait until all was written and Prometheus has counted as much; fails with the difference.

        `lost`: what was written may never be counted; then it waits for what is counted to stay the same.
        """
        last = Settled(Tally(), Tally())

        async def quiet() -> bool:
            nonlocal last
            before, lines = last, self.mesh.access_logs()
            last = Settled(written(lines), counted(await self.query(PROMQL)))
            at_gateway = lines.filter(source_workload=self.mesh.topology.gateway.name, reporter="source").height
            if at_gateway < self.asker.sent or open_connections(lines):
                return False
            return last == before if lost else by_reporter(last.written) == by_reporter(last.counted)

        # Longer than a scrape and a flush when nothing but silence tells.
        interval_s = 3.0 if lost else 0.2
        agreed = await holds_within(quiet, deadline_s, interval_s=interval_s)
        assert agreed, unequal(last.written, last.counted)
        return last


@asynccontextmanager
async def running_world(folder: Path) -> AsyncIterator[World]:
    """Start it all, and ask until every Envoy is known to the service."""
    async with AsyncExitStack() as stack:
        network = stack.enter_context(claimed_network())
        als, http, prom = (f"{network}.1:{port}" for port in (9901, 9902, 9903))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        process = await stack.enter_async_context(service(als, http, folder, client))
        await stack.enter_async_context(prometheus(http, prom, folder, client))
        mesh = Mesh(topology(network), (f"{network}.1", 9901), folder, buffer_flush_interval_s=0.2)
        await stack.enter_async_context(mesh)
        asker = Asker(client, mesh.gateway_url)
        world = World(mesh, process, asker, client, als, http, f"http://{prom}")
        await world.ask_vacant()
        assert await world.all_envoys_connected()
        yield world


def topology(network: str) -> Topology:
    plain = bookinfo(network)
    return replace(plain, services=(*plain.services, VACANT))
