"""Everything real at once: a mesh of Envoys, `telemetry serve`, and a Prometheus that scrapes it."""

from collections.abc import AsyncIterator, Sequence
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
from tests.real.tally import PROMQL, Tally, by_reporter, counted, growth, unequal, written

__all__ = ["VACANT", "Settled", "World", "running_world"]

# A service of another namespace that nobody answers for.
VACANT = Service("vacant", namespace="shop")


@dataclass(frozen=True, slots=True)
class Settled:
    """What was written and what was counted, at a moment when nothing was under way."""

    written: Tally
    counted: Tally

    def since(self, before: "Settled") -> "Settled":
        """Give how much both grew."""
        return Settled(growth(self.written, before.written), growth(self.counted, before.counted))


NOTHING = Settled(Tally(), Tally())
_DEADLINE_S = 20.0
# Longer than Envoy's flush, our coalescing and a scrape take together.
_SILENCE_S = 2.0


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
            host = {"host": f"{VACANT.host}:{VACANT.port}"}
            response = await application.get(f"http://{address}:{OUTBOUND_PORT}/", headers=host)
        return response.status_code

    async def all_envoys_connected(self, paths: Sequence[str] = MIXED) -> bool:
        """Ask for these until every Envoy reports: from then on each address has a name."""
        envoys = len(self.mesh.topology.workloads)

        async def connected() -> bool:
            await self.asker.ask_all(paths)
            shown = {sample.name: sample.value for sample in await self.page()}
            return shown.get("telemetry_receiver_nodes") == envoys

        return await holds_within(connected, _DEADLINE_S)

    async def settled(self, since: Settled = NOTHING) -> Settled:
        """Wait until all was written and as much was counted, in sum; fails with the difference, by label."""
        last = since

        async def agreed() -> bool:
            nonlocal last
            last = await self._read()
            grown = last.since(since)
            return self._all_written() and by_reporter(grown.written) == by_reporter(grown.counted)

        in_time = await holds_within(agreed, _DEADLINE_S, interval_s=0.2)
        grown = last.since(since)
        assert in_time, unequal(grown.written, grown.counted)
        return last

    async def still(self) -> Settled:
        """Wait until all was written and the count has stopped growing: where entries were lost, there is no sum."""
        last = NOTHING

        async def unchanged() -> bool:
            nonlocal last
            before, last = last, await self._read()
            return self._all_written() and last == before

        assert await holds_within(unchanged, _DEADLINE_S, interval_s=_SILENCE_S)
        return last

    async def _read(self) -> Settled:
        return Settled(written(self.mesh.access_logs()), counted(await self.query(PROMQL)))

    def _all_written(self) -> bool:
        lines = self.mesh.access_logs()
        at_gateway = lines.filter(source_workload=self.mesh.topology.gateway.name, reporter="source").height
        return at_gateway == self.asker.sent and not open_connections(lines)


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
        assert await world.all_envoys_connected()
        yield world


def topology(network: str) -> Topology:
    plain = bookinfo(network)
    return replace(plain, services=(*plain.services, VACANT))
