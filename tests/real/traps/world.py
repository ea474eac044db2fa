"""One Envoy full of traps, our service within this process, and what both have to say of each thing that happens."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import httpx
import orjson
from pydantic import BaseModel

from telemetry.batch import Batch, Template, fault_of
from telemetry.config.loading import parse
from telemetry.demo.envoy.typed import Json, socket_address
from telemetry.demo.network import claimed_network
from telemetry.demo.processes import Process, answers
from telemetry.demo.waiting import holds_within
from telemetry.service import Service
from tests.adapters.fakes import Sink
from tests.captures.certificates import Authority, Paths
from tests.real.traps.clusters import clusters
from tests.real.traps.listeners import listeners
from tests.real.traps.loggers import Loggers, read
from tests.real.traps.seen import Lines, Seen, counts
from tests.real.traps.sites import Sites
from tests.real.traps.upstreams import upstreams

__all__ = ["IDENTITY", "Traps", "running_traps"]

IDENTITY = "spiffe://traps.example/traps"
_DEADLINE_S = 10.0
_CONFIGURATION = b"""
receiver: {grpc: {address: "127.0.0.1:0"}, coalesce: {max_delay: 10ms}}
http: {address: "127.0.0.1:0"}
handlers: {all: {adapter: everything}}
"""


class Everything(Sink):
    """Keeps rows and metrics."""

    class Config(BaseModel):
        """Nothing to set."""

    accepts: ClassVar = frozenset({Template.LOGENTRY, Template.METRIC})

    def __init__(self, config: Config) -> None:
        super().__init__()

    async def export(self, batch: Batch) -> None:
        assert fault_of(batch) is None
        await super().export(batch)

    def of(self, template: Template) -> list[Mapping[str, Any]]:
        return [row for batch in self.taken if batch.template is template for row in batch.rows.iter_rows(named=True)]


@dataclass(frozen=True, slots=True)
class Traps:
    """The running whole."""

    sites: Sites
    service: Service
    sink: Everything
    log: Path
    _begun: list[int] = field(default_factory=list)

    def port(self, listener: str) -> int:
        return self.sites.port(listener)

    async def after(self, happening: Awaitable[object], *, entries: int = 1) -> Seen:
        """Wait for what happens, and for so many entries of it."""
        return await self._after(happening, lambda lines: len(lines) >= entries, f"{entries} entries")

    async def until_types(self, happening: Awaitable[object], kinds: Set[str]) -> Seen:
        """Wait for what happens, and for an entry of each of those types: the last of it."""
        return await self._after(happening, lambda lines: kinds <= {line["type"] for line in lines}, str(kinds))

    async def written(self, kind: str, count: int) -> None:
        """Wait, while something happens, until so many lines of that type were written of it."""
        before = self._begun[-1]

        async def there() -> bool:
            return sum(line["type"] == kind for line in read(self.log)[before:]) >= count

        assert await holds_within(there, _DEADLINE_S, interval_s=0.01)

    async def _after(self, happening: Awaitable[object], done: Callable[[Lines], bool], what: str) -> Seen:
        before = read(self.log), self._rows(), self.sink.of(Template.METRIC)
        self._begun.append(len(before[0]))
        await happening

        async def told() -> bool:
            lines = read(self.log)[len(before[0]) :]
            return done(lines) and len(self._rows()) - len(before[1]) == len(lines) and self._delivered()

        in_time = await holds_within(told, _DEADLINE_S, interval_s=0.01)
        after = read(self.log), self._rows(), self.sink.of(Template.METRIC)
        lines, rows, metrics = (now[len(then) :] for then, now in zip(before, after, strict=True))
        assert in_time, (f"waited for {what}", lines, rows)
        assert len({line["listener"] for line in lines}) == 1, lines
        return Seen(lines, rows, counts(metrics), metrics)

    def _rows(self) -> list[Mapping[str, Any]]:
        return self.sink.of(Template.LOGENTRY)

    def _delivered(self) -> bool:
        return not any(delivery.account().pending for delivery in self.service.deliveries)


@asynccontextmanager
async def running_traps(folder: Path, envoy: Path) -> AsyncIterator[Traps]:
    """Start it all; at the end insist that every line of Envoy's own file became a row."""
    async with AsyncExitStack() as stack:
        sites = Sites(stack.enter_context(claimed_network()))
        await stack.enter_async_context(upstreams(sites))
        configured = parse(_CONFIGURATION, "traps", folder=folder, installed={"everything": Everything})
        service = await stack.enter_async_context(Service(configured))
        # QUIC's clients insist on the name they asked for.
        paths = Authority(folder / "certificates").issue("traps", [IDENTITY], ["traps.example"])
        log = folder / "access.jsonl"
        log.touch()
        file = folder / "envoy.json"
        file.write_bytes(orjson.dumps(_bootstrap(sites, service.grpc_port, log, paths)))
        await stack.enter_async_context(_process(envoy, file, sites, await stack.enter_async_context(_probe())))
        sink = service.deliveries[0].adapter
        assert isinstance(sink, Everything)
        traps = Traps(sites, service, sink, log)
        yield traps


def _probe() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=2)


def _process(envoy: Path, file: Path, sites: Sites, client: httpx.AsyncClient) -> Process:
    command = (
        envoy, "--config-path", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning",
        "--file-flush-interval-msec", "20",
    )  # fmt: skip
    ready = f"http://{sites.envoy}:{sites.admin_port}/ready"
    return Process("Envoy of the traps", command, file.with_suffix(".log"), lambda: answers(client, ready))


def _bootstrap(sites: Sites, als_port: int, log: Path, paths: Paths) -> Json:
    return {
        "node": {"id": "traps-1", "cluster": "traps"},
        "admin": {"address": socket_address(sites.envoy, sites.admin_port)},
        "static_resources": {
            "listeners": listeners(sites, Loggers(log), paths),
            "clusters": clusters(sites, als_port, paths),
        },
    }
