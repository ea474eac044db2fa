"""A back end of remote write that keeps to the specification, 2.0 or 1.0, and does as it is told."""

import asyncio
import math
import struct
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import cramjam
from aiohttp import web

from telemetry.remote_write.histograms import STALE
from telemetry.testing import Behaviour
from tests.adapters.behaving import InTheLoop
from tests.adapters.remote_write_protos import Request, WriteRequest

V2_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
Key = frozenset[tuple[str, str]]


def stale(value: float) -> bool:
    return struct.pack("<d", value) == struct.pack("<d", STALE)


@dataclass
class Written:
    """One series of one request, whatever the protocol."""

    labels: dict[str, str]
    samples: list[Any]
    histograms: list[Any]
    exemplars: list[tuple[dict[str, str], float, int]]
    metadata: tuple[int, str] | None = None

    @property
    def key(self) -> Key:
        return frozenset(self.labels.items())


def read_v1(body: bytes) -> list[Written]:
    return [
        Written(
            pairs_of([(label.name, label.value) for label in one.labels]),
            list(one.samples),
            list(one.histograms),
            [
                (pairs_of([(label.name, label.value) for label in e.labels]), e.value, e.timestamp)
                for e in one.exemplars
            ],
        )
        for one in WriteRequest.FromString(body).timeseries
    ]


def read_v2(body: bytes) -> list[Written]:
    request = Request.FromString(body)
    symbols = list(request.symbols)
    assert symbols[0] == ""
    assert len(set(symbols)) == len(symbols)

    def labels(references) -> dict[str, str]:
        texts = [symbols[reference] for reference in references]
        return pairs_of(list(zip(texts[::2], texts[1::2], strict=True)))

    return [
        Written(
            labels(one.labels_refs),
            list(one.samples),
            list(one.histograms),
            [(labels(e.labels_refs), e.value, e.timestamp) for e in one.exemplars],
            (one.metadata.type, symbols[one.metadata.unit_ref]),
        )
        for one in request.timeseries
    ]


def pairs_of(labels: list[tuple[str, str]]) -> dict[str, str]:
    """The labels; they must be sorted, without doubles, and none empty."""
    names = [name for name, _ in labels]
    assert names == sorted(set(names)), names
    assert all(value for _, value in labels)
    return dict(labels)


@dataclass
class RemoteWriteSink(InTheLoop):
    """`knows_newest`: 2.0; otherwise 1.0 alone, which either says 415 or reads a 2.0 request as an empty 1.0."""

    knows_newest: bool = True
    says_415: bool = True
    behaviour: Behaviour = Behaviour.WORK
    answer: web.Response | None = None
    port: int = 0
    requests: list[list[Written]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    last_ms: dict[Key, int] = field(default_factory=dict)
    values: dict[Key, float] = field(default_factory=dict)
    histograms: dict[Key, Any] = field(default_factory=dict)

    async def start(self) -> None:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_post("/api/v1/write", self.write)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        await self.runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    async def taken(self) -> Iterable[str]:
        """Totals say how often a row was added."""
        counts: Counter[str] = Counter()
        for key, value in self.values.items():
            labels = dict(key)
            if "mark" in labels and not labels["__name__"].endswith(("_bucket", "_sum")):
                counts[labels["mark"]] += int(value)
        return counts.elements()

    async def identities(self) -> Iterable[Hashable]:
        raise NotImplementedError

    async def write(self, request: web.Request) -> web.StreamResponse:
        behaviour, changed = self.behaviour, self.changed
        body = bytes(cramjam.snappy.decompress_raw(await request.read()))
        assert request.headers["content-encoding"] == "snappy"
        self.headers.append({name.lower(): text for name, text in request.headers.items()})
        if self.answer is not None:
            return self.answer
        if behaviour is Behaviour.BUSY:
            return web.Response(status=503, text="busy")
        if behaviour is Behaviour.REJECT:
            return web.Response(status=400, text="no")
        if behaviour is Behaviour.NONSENSE:
            return web.Response(status=599, body=b"x" * 5_000_000)
        if behaviour is Behaviour.HANG:
            await changed.wait()
        if behaviour is Behaviour.SLOW:
            await asyncio.sleep(0.3)
        response = self.take(
            request.headers["content-type"], request.headers["x-prometheus-remote-write-version"], body
        )
        if behaviour is Behaviour.FORGET:
            request.transport.close()
        return response

    def take(self, content_type: str, version: str, body: bytes) -> web.Response:
        newest = content_type == V2_TYPE
        assert version == ("2.0.0" if newest else "0.1.0")
        if newest and not self.knows_newest:
            return web.Response(status=415 if self.says_415 else 204)
        series = (read_v2 if newest else read_v1)(body)
        self.requests.append(series)
        fault = next((fault for one in series if (fault := self.keep(one))), None)
        if fault:
            return web.Response(status=400, text=fault)
        written = {
            "X-Prometheus-Remote-Write-Samples-Written": str(sum(len(one.samples) for one in series)),
            "X-Prometheus-Remote-Write-Histograms-Written": str(sum(len(one.histograms) for one in series)),
        }
        return web.Response(status=204, headers=written if newest else {})

    def keep(self, one: Written) -> str | None:
        """Take a series as Prometheus does: in the order of time alone."""
        assert "__name__" in one.labels
        assert bool(one.samples) != bool(one.histograms)
        (point,) = one.samples or one.histograms
        if self.last_ms.get(one.key, -math.inf) >= point.timestamp:
            return "out of order sample"
        self.last_ms[one.key] = point.timestamp
        if one.histograms:
            self.histograms[one.key] = point
        else:
            self.values[one.key] = point.value
        return None


@asynccontextmanager
async def running(sink: RemoteWriteSink) -> AsyncIterator[RemoteWriteSink]:
    await sink.start()
    try:
        yield sink
    finally:
        await sink.behave(Behaviour.WORK)
        await sink.stop()
