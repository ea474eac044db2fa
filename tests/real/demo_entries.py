"""What a real mesh reports, as LOGENTRY batches; and with Envoy's own tracer on."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import httpx
import orjson
import polars as pl
from pydantic import BaseModel

from telemetry.batch import Batch, Template
from telemetry.config.handlers import settings_class
from telemetry.demo.certificates import CertificatePaths
from telemetry.demo.compare import open_connections
from telemetry.demo.envoy.access_logs import ALS_CLUSTER
from telemetry.demo.envoy.typed import named
from telemetry.demo.mesh import Mesh
from telemetry.demo.network import claimed_network
from telemetry.demo.topology import Workload
from telemetry.demo.waiting import holds_within
from telemetry.plugin import Processor
from telemetry.processors.spans import Spans, TracesSettings
from telemetry.service import Service
from tests.real.asker import Asker
from tests.real.world import topology
from tests.service.running import settings

_DEADLINE_S = 30.0
END_NS = 2**63 - 1
Load = Callable[[Asker, Mesh], Awaitable[None]]


class TracingMesh(Mesh):
    """A mesh whose Envoys trace by themselves, in OpenTelemetry's way; where their own spans go, nobody listens."""

    def _configuration(self, workload: Workload, certificates: CertificatePaths) -> Path:
        path = super()._configuration(workload, certificates)
        content = orjson.loads(path.read_bytes())
        for listener in content["static_resources"]["listeners"]:
            for chain in listener["filter_chains"]:
                for one in chain["filters"]:
                    if one["name"] == "envoy.filters.network.http_connection_manager":
                        one["typed_config"]["tracing"] = _TRACING
        path.write_bytes(orjson.dumps(content))
        return path


_TRACING = {
    "provider": named(
        "envoy.tracers.opentelemetry",
        "config.trace.v3.OpenTelemetryConfig",
        grpc_service={"envoy_grpc": {"cluster_name": ALS_CLUSTER}},
        service_name="envoy",
    ),
    "random_sampling": {"value": 100.0},
}


async def demo_entries(folder: Path, load: Load, mesh_class: type[Mesh] = Mesh) -> list[Batch]:
    """Let a load run through a real mesh, and give all that its Envoys reported, as the service makes entries of it."""
    batches: list[Batch] = []

    class Keeping(AbstractAsyncContextManager[Any]):
        class Config(BaseModel):
            pass

        accepts: ClassVar[frozenset[Template]] = frozenset({Template.LOGENTRY})

        def __init__(self, config: Config) -> None:
            pass

        async def __aexit__(self, *_: object) -> None:
            pass

        async def export(self, batch: Batch) -> None:
            batches.append(batch)

    configured = settings(handlers={"sink": settings_class(Keeping).model_validate({"adapter": "x"})})
    with claimed_network() as network:
        grpc = configured.receiver.grpc
        grpc = grpc.model_copy(update={"address": replace(grpc.address, host=f"{network}.1")})
        receiver = configured.receiver.model_copy(update={"grpc": grpc})
        async with (
            httpx.AsyncClient(timeout=20) as client,
            Service(configured.model_copy(update={"receiver": receiver})) as service,
            mesh_class(
                topology(network), (f"{network}.1", service.grpc_port), folder, buffer_flush_interval_s=0.2
            ) as mesh,
        ):
            await load(Asker(client, mesh.gateway_url), mesh)

            async def all_is_here() -> bool:
                lines = mesh.access_logs()
                return connections_have_ended(lines) and sum(len(batch.rows) for batch in batches) >= lines.height

            assert await holds_within(all_is_here, _DEADLINE_S, interval_s=0.3)
    return batches


def connections_have_ended(lines: pl.DataFrame) -> bool:
    """Whether both ends have told so. Where ratings were asked there is one, though its lines may be to come."""
    ended = lines.filter(access_log_type="TcpConnectionEnd")["reporter"].n_unique()
    asked = lines.filter(destination_workload="ratings-v1", reporter="destination").height
    return not open_connections(lines) and (ended == 2 or not asked)


def through(processor: Processor, entries: list[Batch]) -> list[Batch]:
    """Give what the processor makes of the entries, to the end, without the entries."""
    out = [made for batch in entries for made in processor.process(batch)] + [*processor.flush(END_NS)]
    return [batch for batch in out if batch.template is not Template.LOGENTRY]


async def demo_spans(folder: Path, load: Load, mesh_class: type[Mesh] = Mesh) -> list[Batch]:
    """Give the TRACESPAN batches of a load through a real mesh: for whoever has a back end to put them in."""
    return through(Spans(TracesSettings()), await demo_entries(folder, load, mesh_class))
