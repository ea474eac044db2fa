"""A real Envoy that sends its metrics, an application behind it, and our end of it with a page."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from telemetry.adapters.prometheus import Prometheus
from telemetry.config import GrpcSettings
from telemetry.config.envoy_metrics import EnvoyMetricsSettings
from telemetry.demo.envoy.typed import named
from telemetry.demo.processes import Process, answers
from telemetry.demo.waiting import holds_within
from telemetry.envoy_stats.accumulate import EnvoyStats
from telemetry.envoy_stats.envoys import Who
from telemetry.mesh.workload import Workload
from telemetry.options import Address
from telemetry.receivers import metrics
from telemetry.receivers.coalesce import Coalescer
from telemetry.receivers.server import Server
from telemetry.selfmetrics import SelfMetrics
from tests.real.web_application import answer

Json = dict[str, Any]

REVIEWS = "outbound|9080|v1|reviews.default.svc.cluster.local"
PLAIN, DEAD, SINK = "plain", "dead", "sink"
INGRESS, INBOUND = "ingress", "inbound_0.0.0.0_9080"
NODE = "envoy-1"
FLUSH_INTERVAL_S = 0.2
_DEADLINE_S = 20.0


def cluster(name: str, port: int, *, http2: bool = False) -> Json:
    endpoint = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    options = named("x", "extensions.upstreams.http.v3.HttpProtocolOptions", explicit_http_config={
        "http2_protocol_options": {}
    })["typed_config"]  # fmt: skip
    return {
        "name": name, "type": "STATIC", "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
        "circuit_breakers": {"thresholds": [{"track_remaining": True}]},
        **({"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}}
           if http2 else {}),
    }  # fmt: skip


def listener(name: str, port: int, network_filter: Json) -> Json:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"name": name, "address": address, "filter_chains": [{"filters": [network_filter]}]}


def http(stat_prefix: str, to: str) -> Json:
    retries = {"retry_on": "5xx", "num_retries": 1}
    routes = [
        {"match": {"prefix": "/direct"}, "direct_response": {"status": 204}},
        {"match": {"prefix": "/dead"}, "route": {"cluster": DEAD}},
        {"match": {"prefix": "/"}, "route": {"cluster": to, "retry_policy": retries}},
    ]
    gets = {"name": "get", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}
    host = {"name": "everything", "domains": ["*"], "virtual_clusters": [gets], "routes": routes}
    return named(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=stat_prefix,
        route_config={"name": "routes", "virtual_hosts": [host]},
        http_filters=[named("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")],
    )


@dataclass(frozen=True)
class Ports:
    """Where everything is: Envoy's admin, its listeners, the application, our service."""

    admin: int
    ingress: int
    inbound: int
    tcp: int
    application: int
    sink: int


def bootstrap(ports: Ports, **sink: Any) -> Json:
    """`sink`: fields of MetricsServiceConfig."""
    tcp = named(
        "envoy.filters.network.tcp_proxy", "extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix="tcp_in", cluster=PLAIN,
    )  # fmt: skip
    service = {"grpc_service": {"envoy_grpc": {"cluster_name": SINK}}, "transport_api_version": "V3", **sink}
    return {
        "node": {"id": NODE, "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ports.admin}}},
        "stats_flush_interval": f"{FLUSH_INTERVAL_S}s",
        "stats_sinks": [
            named("envoy.stat_sinks.metrics_service", "config.metrics.v3.MetricsServiceConfig", **service)
        ],
        "static_resources": {
            "listeners": [
                listener("ingress", ports.ingress, http(INGRESS, REVIEWS)),
                listener("inbound", ports.inbound, http(INBOUND, PLAIN)),
                listener("tcp", ports.tcp, tcp),
            ],
            "clusters": [
                cluster(REVIEWS, ports.application), cluster(PLAIN, ports.application), cluster(DEAD, 1),
                cluster(SINK, ports.sink, http2=True),
            ],
        },
    }  # fmt: skip


class Receiving:
    """Our end: the service, and a page. `flushes`: how many have been taken in."""

    def __init__(self, settings: EnvoyMetricsSettings) -> None:
        self.metrics = SelfMetrics()
        self.flushes = 0
        self._page = Prometheus(Prometheus.Config())
        self._coalescer = Coalescer(
            max_delay_s=0.01, max_entries=metrics.MAX_STATS, max_pending_bytes=2**20, clock_ns=time.time_ns
        )
        self._engine = EnvoyStats(
            settings.rules(), self.metrics, lambda node: Who(Workload(name="web"), "envoy"),
            receiver="r", epoch=time.time_ns(), seed=b"x",
        )  # fmt: skip
        service = metrics.Metrics(
            self._coalescer, self.metrics, max_message_bytes=settings.max_message_bytes, max_pending_bytes=2**20,
            max_streams_per_peer=10, learn=lambda _: None, gather_s=0.05,
        )  # fmt: skip
        grpc = GrpcSettings(address=Address("127.0.0.1", 0))
        self._server = Server(grpc, {metrics.METHOD: service.stream}, hard_limit_bytes=2 * settings.max_message_bytes)

    @property
    def port(self) -> int:
        return self._server.port

    async def __aenter__(self) -> "Receiving":
        await self._server.start()
        self._feeding = asyncio.create_task(self._feed())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)
        self._coalescer.close()
        await self._feeding

    async def _feed(self) -> None:
        while (chunk := await self._coalescer.take()) is not None:
            for batch in self._engine.run(chunk):
                await self._page.export(batch)
            self.flushes += len(chunk.messages)

    def text(self) -> str:
        return b"".join(self._page.exposition(openmetrics=False)).decode()


@dataclass
class Scene:
    """All of it, running."""

    ports: Ports
    receiving: Receiving
    client: httpx.AsyncClient
    envoy: Process

    async def ask(self, times: int) -> None:
        """Send every kind of request so often, to both listeners, and one by TCP."""
        for _ in range(times):
            for path in ("/", "/fail", "/dead", "/direct"):
                for port in (self.ports.ingress, self.ports.inbound):
                    await self.client.get(f"http://127.0.0.1:{port}{path}")
        await self.client.get(f"http://127.0.0.1:{self.ports.tcp}/")

    async def admin(self, path: str) -> str:
        response = await self.client.get(f"http://127.0.0.1:{self.ports.admin}{path}")
        return response.raise_for_status().text

    async def kill(self) -> None:
        os.kill(self.envoy.pid, signal.SIGKILL)

        async def gone() -> bool:
            return not self.envoy.running

        assert await holds_within(gone, _DEADLINE_S)

    async def flushed(self, times: int = 3) -> None:
        """Wait until so many flushes more have come: what happened before is in the last ones."""
        goal = self.receiving.flushes + times

        async def reached() -> bool:
            return self.receiving.flushes >= goal

        assert await holds_within(reached, _DEADLINE_S)


@asynccontextmanager
async def scene(
    binary: Path, folder: Path, free_port: Callable[..., int], settings: EnvoyMetricsSettings, **sink: Any
) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        receiving = await stack.enter_async_context(Receiving(settings))
        application = await stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
        # No connection outlives its request: nothing is open when pages are compared.
        client = await stack.enter_async_context(
            httpx.AsyncClient(timeout=20, limits=httpx.Limits(max_keepalive_connections=0))
        )
        ports = Ports(*(free_port() for _ in range(4)), application.sockets[0].getsockname()[1], receiving.port)
        file = folder / "bootstrap.json"
        file.write_text(json.dumps(bootstrap(ports, **sink)))
        command = (binary, "-c", file, "--use-dynamic-base-id", "--concurrency", "2", "-l", "error")
        ready = f"http://127.0.0.1:{ports.admin}/ready"
        envoy = Process("envoy", command, folder / "envoy.log", lambda: answers(client, ready))
        await stack.enter_async_context(envoy)
        yield Scene(ports, receiving, client, envoy)
