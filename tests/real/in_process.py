"""A real mesh whose Envoys report to a service in this process, which remembers what its handlers were given."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from telemetry.batch import Batch, Template
from telemetry.config.handlers import settings_class
from telemetry.demo.mesh import Mesh
from telemetry.demo.network import claimed_network
from telemetry.demo.waiting import holds_within
from telemetry.plugin import Adapter
from telemetry.service import Service
from tests.real.asker import MIXED, Asker
from tests.real.world import topology
from tests.service.running import settings

_DEADLINE_S = 20.0


@dataclass
class Given:
    """The batches that an adapter's exports returned for: what its back end must have."""

    batches: list[Batch] = field(default_factory=list)

    def rows(self, template: Template) -> pl.DataFrame:
        return pl.concat([batch.rows for batch in self.batches if batch.template is template], how="diagonal")

    def of(self, template: Template) -> list[Batch]:
        return [batch for batch in self.batches if batch.template is template]


def remembering(adapter: type[Adapter], given: Given) -> type[Adapter]:
    """The adapter itself, but that it notes what it has handed over."""

    class Remembering(adapter):
        async def export(self, batch: Batch) -> None:
            await super().export(batch)
            given.batches.append(batch)

    return Remembering


@asynccontextmanager
async def mesh_through(
    adapter: type[Adapter], options: Mapping[str, Any], folder: Path, requests: int = 8
) -> AsyncIterator[Given]:
    """Send so many rounds of mixed requests through a real mesh, and wait until all that came of it was exported."""
    given = Given()
    handler = settings_class(remembering(adapter, given)).model_validate({"adapter": "x", **options})
    async with httpx.AsyncClient(timeout=20) as client:
        with claimed_network() as network:
            configured = settings(handlers={"sink": handler})
            address = configured.receiver.grpc.address
            grpc = configured.receiver.grpc.model_copy(update={"address": replace(address, host=f"{network}.1")})
            receiver = configured.receiver.model_copy(update={"grpc": grpc})
            async with Service(configured.model_copy(update={"receiver": receiver})) as service:
                als = (f"{network}.1", service.grpc_port)
                async with Mesh(topology(network), als, folder, buffer_flush_interval_s=0.2) as mesh:
                    asker = Asker(client, mesh.gateway_url)
                    await asker.ask_all(MIXED * requests)
                    await _until_all_is_exported(mesh, asker, service)
            yield given


async def _until_all_is_exported(mesh: Mesh, asker: Asker, service: Service) -> None:
    async def exported() -> bool:
        lines = mesh.access_logs()
        written = lines.filter(source_workload=mesh.topology.gateway.name, reporter="source").height
        quiet = all(delivery.account().pending == 0 for delivery in service.deliveries)
        entries = service.metrics.registry.get_sample_value("telemetry_receiver_entries_total")
        return written == asker.sent and quiet and (entries or 0) >= lines.height

    assert await holds_within(exported, _DEADLINE_S, interval_s=0.2)
