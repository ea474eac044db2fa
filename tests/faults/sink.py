"""Back ends over HTTPS that fail in every way that back ends do, but never say that they have what they haven't."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import orjson
from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.adapters.otlp_sinks import attributes, gunzipped, records
from tests.authority import Authority
from tests.faults.oracle import Identity, Row

__all__ = ["FOR_ROWS", "Certificates", "Mood", "Sink"]


class Mood(StrEnum):
    """What a sink does from now on."""

    WORK = "work"
    REFUSE = "refuse connections"
    EXPIRED = "show an expired certificate"
    HANG = "hang"
    TOO_MANY = "answer 429 with Retry-After"
    UNAVAILABLE = "answer 503"
    CLOSE = "close in the middle of a request"
    FORGET = "take all and close before it can say so"
    PARTIAL = "take some, ask for some again, reject some"


FOR_ROWS = Mood.PARTIAL
"""Only where answers speak of rows; OTLP's do not."""


@dataclass
class Certificates:
    """Of one authority: one that holds, and one that has expired."""

    folder: Path

    def __post_init__(self) -> None:
        authority = Authority(self.folder)
        authority.issue("good")
        authority.issue("expired", timedelta(minutes=-1))

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


@dataclass
class Sink:
    """`rows`: what it has, as often as it has it. `failures`: requests that it answered otherwise, by mood."""

    certificates: Certificates
    rows: list[Row] = field(default_factory=list)
    failures: Counter[Mood] = field(default_factory=Counter)
    mood: Mood = Mood.WORK
    port: int = 0
    has_failed: bool = False
    """Whether anyone has felt its mood yet."""
    _runner: web.AppRunner | None = None

    def __post_init__(self) -> None:
        self._changed = asyncio.Event()

    async def __aenter__(self) -> "Sink":
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def behave(self, mood: Mood) -> None:
        """Do this from the next connection on: none outlives the change."""
        self.has_failed = False
        if mood is self.mood:
            return
        self.mood = mood
        self._changed.set()
        self._changed = asyncio.Event()
        await self._close()
        if mood is not Mood.REFUSE:
            await self._listen()

    async def _listen(self) -> None:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_post("/v1/logs", self._otlp)
        application.router.add_post("/rows", self._of_rows)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        context = self.certificates.context("expired" if self.mood is Mood.EXPIRED else "good")
        if self.mood is Mood.EXPIRED:
            context.sni_callback = lambda *_: self._failed()  # called at each handshake
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _otlp(self, request: web.Request) -> web.StreamResponse:
        if self.mood is Mood.CLOSE:
            return await self._cut_off(request)
        taken = list(_of_otlp(gunzipped(await request.read())))
        if (refusal := await self._refusal(request, taken)) is not None:
            return refusal
        self.rows += taken
        return web.Response(content_type="application/x-protobuf")

    async def _of_rows(self, request: web.Request) -> web.StreamResponse:
        if self.mood is Mood.CLOSE:
            return await self._cut_off(request)
        taken = list(_of_json(await request.read()))
        if (refusal := await self._refusal(request, taken)) is not None:
            return refusal
        retry: list[int] = []
        rejected: list[int] = []
        if self.mood is Mood.PARTIAL:
            self._failed()
            retry = [at for at in range(len(taken)) if at % 3 == 1]
            rejected = [at for at in range(len(taken)) if at % 11 == 5]
        named = {*retry, *rejected}
        self.rows += [row for at, row in enumerate(taken) if at not in named]
        return web.json_response({"retry": retry, "rejected": rejected})

    async def _cut_off(self, request: web.Request) -> web.StreamResponse:
        """Read half of it, and hang up."""
        self._failed()
        await request.content.readexactly((request.content_length or 0) // 2)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    async def _refusal(self, request: web.Request, rows: list[Row]) -> web.StreamResponse | None:
        """Answer as the mood is; None where it is to take them."""
        mood, changed = self.mood, self._changed
        if mood in (Mood.WORK, Mood.PARTIAL):
            return None
        self._failed()
        if mood is Mood.HANG:
            await changed.wait()
        if mood is Mood.TOO_MANY:
            return web.Response(status=429, headers={"retry-after": "1"})
        if mood in (Mood.UNAVAILABLE, Mood.HANG):
            return web.Response(status=503)
        if mood is Mood.FORGET:
            self.rows += rows
        if request.transport is not None:
            request.transport.close()
        return web.Response(status=503)

    def _failed(self) -> None:
        self.has_failed = True
        self.failures[self.mood] += 1


def _of_json(body: bytes) -> Iterator[Row]:
    said = orjson.loads(body)
    for number, *entry in said["rows"]:
        yield Row(Identity(said["receiver"], said["epoch"], said["sequence"], number), *entry)


def _of_otlp(body: bytes) -> Iterator[Row]:
    for _, scope, record in records(ExportLogsServiceRequest.FromString(body)):
        batch, own = attributes(scope), attributes(record)
        identity = Identity(
            batch["telemetry.receiver"], batch["telemetry.epoch"], batch["telemetry.sequence"], own["telemetry.row"]
        )
        seen = own["http.response.status_code"], own["user_agent.original"], own.get("http.response.body.size", 0)
        yield Row(identity, own["guid:x-request-id"], own["url.path"], *seen)
