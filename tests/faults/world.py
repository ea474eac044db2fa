"""A real Envoy, `telemetry serve` with a durable journal, and two sinks: all that a schedule plays with."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from telemetry.demo.envoy.access_logs import AccessLogs
from telemetry.demo.envoy.clusters import als_cluster
from telemetry.demo.envoy.typed import Json, named, socket_address
from telemetry.demo.mesh import python_environment
from telemetry.demo.processes import Process, answers
from telemetry.demo.waiting import holds_within
from tests.faults.adapter import install
from tests.faults.disk import Disk, disk
from tests.faults.ports import free_port
from tests.faults.schedule import HANDLERS
from tests.faults.sink import Certificates, Sink

__all__ = ["ANSWERS", "HOST", "World", "running_world"]

HOST = "127.0.0.1"
# What Envoy answers below each path, so that entries differ.
ANSWERS = {"/ok": (200, "done"), "/made": (201, "m" * 400), "/missing": (404, ""), "/broken": (503, "sorry")}
_LOG_FLUSH_S = 0.05
_DEADLINE_S = 30.0


@dataclass
class World:
    """The service may be down, everything else is always there."""

    folder: Path
    disk: Disk
    sinks: dict[str, Sink]
    client: httpx.AsyncClient
    envoy_url: str
    als_port: int
    http_port: int
    retention: str = "1h"
    """How long the journal keeps what all have: for long runs, not for ever."""
    max_rows: int = 500
    service: Process = field(init=False)

    def __post_init__(self) -> None:
        site = install(self.folder)
        environment = python_environment()
        environment["PYTHONPATH"] = (
            f"{site}{os.pathsep}{Path(__file__).parents[2]}{os.pathsep}{environment['PYTHONPATH']}"
        )
        command = (sys.executable, "-m", "telemetry", "serve", "-c", self.configuration)
        log, ready = self.folder / "telemetry.log", f"{self.url}/readyz"
        self.service = Process(
            "telemetry serve", command, log, lambda: answers(self.client, ready), environment=environment
        )
        self.configure()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    @property
    def journal(self) -> Path:
        return self.disk.folder / "journal.db"

    @property
    def configuration(self) -> Path:
        return self.folder / "telemetry.yaml"

    @property
    def dead_letters(self) -> Path:
        return self.folder / "dead-letters"

    def configure(self) -> None:
        """Write the file that the service reads."""
        delivery = {"max_backoff": "500ms", "max_retry_after": "1s", "deadline": "2s", "max_rows": self.max_rows}
        numbered, otlp = (self.sinks[name].port for name in HANDLERS)
        ca = str(self.sinks["otlp"].certificates.folder / "ca.pem")
        content = {
            "receiver": {"grpc": {"address": f"{HOST}:{self.als_port}"}, "coalesce": {"max_delay": "20ms"}},
            "http": {"address": f"{HOST}:{self.http_port}"},
            "journal": {"path": str(self.journal), "retention": self.retention},
            "dead_letters": {"path": str(self.dead_letters)},
            "handlers": {
                "numbered": {
                    "adapter": "numbered", "url": f"https://localhost:{numbered}/rows", "certificate": ca,
                    "delivery": {**delivery, "concurrency": 4},
                },
                "otlp": {
                    "adapter": "otlp", "endpoint": f"https://localhost:{otlp}", "protocol": "http/protobuf",
                    "certificate": ca, "compression": "gzip", "delivery": delivery,
                },
            },
            "rules": [{"name": "entries", "templates": ["logentry"], "handlers": list(HANDLERS)}],
            "edges": {"enabled": False},
            "shutdown": {"deadline": "1s"},
        }  # fmt: skip
        self.configuration.write_text(yaml.safe_dump(content, sort_keys=False))

    async def kill(self) -> None:
        os.kill(self.service.pid, signal.SIGKILL)

        async def gone() -> bool:
            return not self.service.running

        assert await holds_within(gone, _DEADLINE_S, interval_s=0.01)

    async def own(self) -> dict[tuple[str, str], float]:
        """Give what the service says of its handlers: by metric and handler, reasons added up but for damage."""
        text = (await self.client.get(f"{self.url}/metrics")).raise_for_status().text
        found: dict[tuple[str, str], float] = {}
        lines = "\n".join(line for line in text.splitlines() if "telemetry_handler" in line) + "\n"
        for family in text_string_to_metric_families(lines):
            for sample in family.samples:
                key = sample.name, sample.labels.get("handler", "")
                found[key] = found.get(key, 0.0) + sample.value
                if sample.labels.get("reason") == "damaged":
                    found["damaged", sample.labels["handler"]] = sample.value
        return found

    async def refused_since(self, handler: str, since_ns: int) -> bool:
        """Say whether the handler has failed to connect since then."""
        state = (await self.client.get(f"{self.url}/debug/pipelines")).raise_for_status().json()
        one = next(one for one in state["handlers"] if one["handler"] == handler)
        return "ConnectError" in one["last_error"] and one["last_error_ns"] > since_ns

    async def ready(self) -> bool:
        return await answers(self.client, f"{self.url}/readyz")


@asynccontextmanager
async def running_world(folder: Path, envoy: Path, *, retention: str = "1h") -> AsyncIterator[World]:
    """Start everything but the service."""
    async with AsyncExitStack() as stack:
        als, http, front, back, admin = (free_port() for _ in range(5))
        certificates = Certificates(folder)
        sinks = {name: await stack.enter_async_context(Sink(certificates, port=free_port())) for name in HANDLERS}
        limits = httpx.Limits(max_connections=32)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=20, limits=limits))
        file = folder / "envoy.yaml"
        file.write_text(yaml.safe_dump(_bootstrap(als, front, back, admin)))
        command = (envoy, "-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
        answering = f"http://{HOST}:{admin}/ready"
        await stack.enter_async_context(
            Process("Envoy", command, folder / "envoy.log", lambda: answers(client, answering))
        )
        place = disk(folder / "disk")
        stack.callback(place.close)
        world = World(folder, place, sinks, client, f"http://{HOST}:{front}", als, http, retention)
        stack.push_async_callback(world.service.stop)
        yield world


def _bootstrap(als: int, front: int, back: int, admin: int) -> Json:
    replies = [
        {
            "match": {"prefix": path},
            "direct_response": {"status": code, **({"body": {"inline_string": body}} if body else {})},
        }
        for path, (code, body) in ANSWERS.items()
    ]
    onward = [{"match": {"prefix": "/"}, "route": {"cluster": "back"}}]
    return {
        "node": {"id": "faults-1", "cluster": "faults"},
        "admin": {"address": socket_address(HOST, admin)},
        "static_resources": {
            "listeners": [
                _listener("front", front, AccessLogs(None, _LOG_FLUSH_S).http("source"), onward),
                _listener("back", back, [], replies),
            ],
            "clusters": [_cluster("back", back), als_cluster(HOST, als)],
        },
    }


def _listener(name: str, port: int, logs: list[Json], routes: list[Json]) -> Json:
    host: dict[str, Any] = {"name": name, "domains": ["*"], "routes": routes}
    manager = named(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        access_log=logs,
        preserve_external_request_id=True,
        route_config={"virtual_hosts": [host]},
        http_filters=[named("router", "extensions.filters.http.router.v3.Router")],
    )
    return {"name": name, "address": socket_address(HOST, port), "filter_chains": [{"filters": [manager]}]}


def _cluster(name: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": socket_address(HOST, port)}}
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}
