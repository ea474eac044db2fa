"""A real Envoy that sends entries and metrics to two ports of ours, so that one can fail while the other tells."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from telemetry.completeness import Completeness, WorkloadShare, refusals_of
from telemetry.config import GrpcSettings
from telemetry.config.envoy_metrics import EnvoyMetricsSettings
from telemetry.demo.envoy.typed import named
from telemetry.demo.processes import Process, answers
from telemetry.demo.waiting import holds_within
from telemetry.envoy_stats.accumulate import EnvoyStats
from telemetry.envoy_stats.envoys import Who
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.mesh.workload import Workload
from telemetry.options import Address
from telemetry.pipeline import Pipeline, Wanted
from telemetry.processors.connections import Connections
from telemetry.processors.contexts import Contexts
from telemetry.processors.normalise import Normalise
from telemetry.receivers import access_logs, metrics
from telemetry.receivers.coalesce import Coalescer
from telemetry.receivers.server import Server
from telemetry.selfmetrics import SelfMetrics
from tests.real.metrics_envoy import cluster, http, listener
from tests.real.web_application import answer

Json = dict[str, Any]

NODE = "envoy-1"
LOGS, STATS = "mesh_telemetry", "stats"
FLUSH_INTERVAL_S = 0.3
# Entries wait in Envoy for 0.2 s, and with us for 0.01 s.
SETTLE_S = 1.0
_DEADLINE_S = 20.0
UNLESS_TOLD_NOT_TO = {
    "header_filter": {
        "header": {
            "name": "x-log",
            "string_match": {"exact": "no"},
            "invert_match": True,
            "treat_missing_header_as_empty": True,
        }
    }
}


def grpc(name: str) -> Json:
    return {"grpc_service": {"envoy_grpc": {"cluster_name": name}}, "transport_api_version": "V3"}


def logger(kind: str, **wanted: Any) -> Json:
    common = {"log_name": kind, "buffer_flush_interval": "0.2s", **grpc(LOGS)}
    config = f"extensions.access_loggers.grpc.v3.{kind.title()}GrpcAccessLogConfig"
    return {**named(f"envoy.access_loggers.{kind}_grpc", config, common_config=common), **wanted}


def bootstrap(ports: "Ports", *, logs: bool, wanted: Json) -> Json:
    manager = http("ingress", "app")
    tcp = named(
        "envoy.filters.network.tcp_proxy", "extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix="tcp_in", cluster="app",
    )  # fmt: skip
    if logs:
        manager["typed_config"]["access_log"] = [logger("http", **wanted)]
        tcp["typed_config"]["access_log"] = [logger("tcp")]
    sink = named(
        "envoy.stat_sinks.metrics_service", "config.metrics.v3.MetricsServiceConfig",
        emit_tags_as_labels=True, histogram_emit_mode="HISTOGRAM", **grpc(STATS),
    )  # fmt: skip
    return {
        "node": {"id": NODE, "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ports.admin}}},
        "stats_flush_interval": f"{FLUSH_INTERVAL_S}s",
        "stats_sinks": [sink],
        "static_resources": {
            "listeners": [listener("ingress", ports.http, manager), listener("tcp", ports.tcp, tcp)],
            "clusters": [
                cluster("app", ports.application),
                cluster("dead", 1),
                cluster(LOGS, ports.logs, http2=True),
                cluster(STATS, ports.stats, http2=True),
            ],
        },
    }


@dataclass(frozen=True)
class Ports:
    """Where everything is."""

    admin: int
    http: int
    tcp: int
    logs: int
    application: int
    stats: int


class Receiving:
    """Our end. The access log service can be stopped, and started again."""

    def __init__(self, logs_port: int) -> None:
        self.metrics = SelfMetrics()
        self._logs_port = logs_port
        self._epoch = time.time_ns()
        self._entries, self._stats = (
            Coalescer(max_delay_s=0.01, max_entries=65_536, max_pending_bytes=2**24, clock_ns=time.time_ns)
            for _ in range(2)
        )
        who = Who(Workload(name="web", namespace="shop"), "envoy")
        self._engine = EnvoyStats(
            EnvoyMetricsSettings().rules(), self.metrics, lambda _: who, receiver="r", epoch=self._epoch, seed=b"x"
        )
        self.completeness = Completeness(
            self._engine.latest, receiver="r", epoch=self._epoch, seed=1,
            interval_s=0.2, settle_s=SETTLE_S, window_s=600, refusals=refusals_of(self.metrics),
        )  # fmt: skip
        addresses = Addresses()
        contexts = Contexts(Resolver(addresses, "Kubernetes"), addresses, seed=1)
        self._pipeline = Pipeline(
            Normalise(contexts), [Connections(started_ns=self._epoch), self.completeness], Wanted(), self.metrics,
            templates=(), receiver="r", epoch=self._epoch,
        )  # fmt: skip
        service = metrics.Metrics(
            self._stats, self.metrics, max_message_bytes=2**24, max_pending_bytes=2**24, max_streams_per_peer=10,
            learn=lambda _: None, gather_s=0.05,
        )  # fmt: skip
        self._stats_server = Server(
            GrpcSettings(address=Address("127.0.0.1", 0)), {metrics.METHOD: service.stream}, hard_limit_bytes=2**25
        )

    @property
    def stats_port(self) -> int:
        return self._stats_server.port

    async def __aenter__(self) -> "Receiving":
        await self._stats_server.start()
        await self.serve_logs()
        self._tasks = [asyncio.create_task(work()) for work in (self._take_entries, self._take_stats)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stats_server.stop(0)
        await self.stop_logs()
        self._entries.close()
        self._stats.close()
        await asyncio.gather(*self._tasks)

    async def serve_logs(self) -> None:
        logs = access_logs.AccessLogs(
            self._entries, self.metrics, max_message_bytes=2**24, max_streams_per_peer=100, learn=lambda _: None
        )
        address = Address("127.0.0.1", self._logs_port)
        self._logs_server = Server(GrpcSettings(address=address), {access_logs.METHOD: logs.stream})
        await self._logs_server.start()

    async def stop_logs(self) -> None:
        await self._logs_server.stop(0)

    async def _take_entries(self) -> None:
        while (chunk := await self._entries.take()) is not None:
            self._pipeline.run(chunk)

    async def _take_stats(self) -> None:
        while (chunk := await self._stats.take()) is not None:
            self._engine.run(chunk)
            self.completeness.refresh(time.time_ns())
            self._pipeline.flush(time.time_ns())


@dataclass
class Scene:
    """All of it, running."""

    ports: Ports
    receiving: Receiving
    client: httpx.AsyncClient

    async def ask(self, times: int, path: str = "/", **headers: str) -> None:
        """Send so many requests, 20 at a time."""
        for begin in range(0, times, 20):
            some = range(begin, min(begin + 20, times))
            url = f"http://127.0.0.1:{self.ports.http}{path}"
            await asyncio.gather(*(self.client.get(url, headers=headers) for _ in some))

    async def load(self, tool: Path, requests: int) -> None:
        """Send so many requests as fast as they are answered."""
        url = f"http://127.0.0.1:{self.ports.http}/direct"
        command = (tool, "--h1", "-n", str(requests), "-c", "8", url)
        process = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 0

    async def connect(self, times: int) -> None:
        """Open so many connections through the TCP proxy, and close them."""
        for _ in range(times):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.ports.tcp)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"hello")
            writer.close()
            await writer.wait_closed()

    @property
    def share(self) -> WorkloadShare:
        (share,) = self.receiving.completeness.report.workloads
        return share

    async def known(self) -> None:
        """Wait until the first moment is known that increases count from: what was before does not."""
        await self._until(lambda: any(one.envoys > one.unknown_envoys for one in self._workloads))

    async def compared(self, requests: int, connections: int = 0) -> WorkloadShare:
        """Wait until Envoy has told of as many in all, and their entries have had time to come."""
        await self._until(
            lambda: self._workloads and (self.share.http.expected, self.share.tcp.expected) == (requests, connections)
        )
        return self.share

    @property
    def _workloads(self) -> tuple[WorkloadShare, ...]:
        return self.receiving.completeness.report.workloads

    async def _until(self, condition: Callable[[], Any]) -> None:
        async def holds() -> bool:
            return bool(condition())

        assert await holds_within(holds, _DEADLINE_S), self.receiving.completeness.report


@asynccontextmanager
async def scene(
    binary: Path, folder: Path, free_port: Callable[..., int], *, logs: bool = True, **wanted: Any
) -> AsyncIterator[Scene]:
    """`logs`: whether there are access loggers. `wanted`: more fields of the HTTP one."""
    async with AsyncExitStack() as stack:
        receiving = await stack.enter_async_context(Receiving(free_port()))
        application = await stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        ports = Ports(
            *(free_port() for _ in range(3)),
            receiving._logs_port,
            application.sockets[0].getsockname()[1],
            receiving.stats_port,
        )
        file = folder / "bootstrap.json"
        file.write_text(json.dumps(bootstrap(ports, logs=logs, wanted=wanted)))
        command = (binary, "-c", file, "--use-dynamic-base-id", "--concurrency", "2", "-l", "error")
        ready = f"http://127.0.0.1:{ports.admin}/ready"
        await stack.enter_async_context(Process("envoy", command, folder / "envoy.log", lambda: answers(client, ready)))
        yield Scene(ports, receiving, client)
