"""An InfluxDB that reads line protocol as the specification says, keeps points by series and time, and obeys."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Hashable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from telemetry.testing import Behaviour
from tests.adapters.behaving import InTheLoop

Point = tuple[str, dict[str, str], dict[str, Any], int]


def parse(text: str) -> list[Point]:
    """Read lines; a line break within a quoted text is part of it."""
    points, at = [], 0
    while at < len(text):
        name, at = until(text, at, ", ")
        tags, fields = {}, {}
        while text[at] == ",":
            key, at = until(text, at + 1, "=")
            tags[key], at = until(text, at + 1, ", ")
            assert tags[key]
        assert text[at] == " "
        while text[at] in " ,":
            key, at = until(text, at + 1, "=")
            fields[key], at = value(text, at + 1)
            if text[at] == " ":
                break
        stamp = re.compile(r" (\d+)(\n|$)").match(text, at)
        assert stamp, text[at : at + 50]
        at = stamp.end()
        points.append((name, tags, fields, int(stamp[1])))
    return points


def until(text: str, at: int, ends: str) -> tuple[str, int]:
    """Read up to one of these characters, unescaped; then undo our percent-encoding."""
    piece = ""
    while text[at] not in ends:
        assert text[at] not in "\n\r"
        if text[at] == "\\":
            at += 1
        piece += text[at]
        at += 1
    return unquote(piece), at


def value(text: str, at: int) -> tuple[Any, int]:
    if text[at] == '"':
        found = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S).match(text, at)
        assert found
        return re.sub(r"\\(.)", r"\1", found[1], flags=re.S), found.end()
    found = re.compile(r"[^, ]+").match(text, at)
    assert found
    word = found[0]
    if word in ("true", "false"):
        return word == "true", found.end()
    return (int(word[:-1]) if word.endswith("i") else float(word)), found.end()


@dataclass
class InfluxSink(InTheLoop):
    """`answer`: what it says instead of the usual."""

    behaviour: Behaviour = Behaviour.WORK
    answer: web.Response | None = None
    port: int = 0
    points: dict[Hashable, Point] = field(default_factory=dict)
    queries: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def start(self) -> None:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_post("/{path:.*}", self.write)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.port = self.runner.addresses[0][1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        await self.runner.cleanup()

    async def taken(self) -> Iterable[str]:
        return [mark(point) for point in self.points.values()]

    async def identities(self) -> Iterable[Hashable]:
        return list(self.points)

    async def write(self, request: web.Request) -> web.StreamResponse:
        behaviour, changed = self.behaviour, self.changed
        body = await request.read()
        # aiohttp has undone the compression.
        assert request.headers["content-encoding"] == "gzip"
        text = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()
        self.queries.append({"path": request.path, **request.query})
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if answer := self.answer or refusal(behaviour):
            return answer
        if behaviour is Behaviour.HANG:
            await changed.wait()
        if behaviour is Behaviour.SLOW:
            await asyncio.sleep(0.3)
        points = parse(text)
        refused = range(1, len(points), 2) if behaviour is Behaviour.PARTIAL else ()
        for at, point in enumerate(points):
            if at not in refused:
                self.points[point[0], frozenset(point[1].items()), point[3]] = point
        if behaviour is Behaviour.FORGET:
            request.transport.close()
        if refused:
            data = [{"line_number": at + 1, "error_message": "invalid", "original_line": "x"} for at in refused]
            said = {"error": "partial write of line protocol occurred", "data": data}
            return web.json_response(said, status=400)
        return web.Response(status=204)


def refusal(behaviour: Behaviour) -> web.Response | None:
    if behaviour is Behaviour.BUSY:
        return web.Response(status=503, headers={"retry-after": "0"})
    if behaviour is Behaviour.REJECT:
        return web.json_response({"error": "field type conflict"}, status=400)
    return web.Response(status=599, body=b"x" * 5_000_000) if behaviour is Behaviour.NONSENSE else None


def mark(point: Point) -> str:
    name, tags, fields, _ = point
    return {"logentry": fields.get("request.id"), "edge": tags.get("source.workload.name")}.get(name) or tags["mark"]


@asynccontextmanager
async def running(sink: InfluxSink) -> AsyncIterator[InfluxSink]:
    await sink.start()
    try:
        yield sink
    finally:
        await sink.behave(Behaviour.WORK)
        await sink.runner.cleanup()
