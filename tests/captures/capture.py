"""Make a style's captures: a real Envoy for each of its proxies, and a sink that keeps what it is sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import httpx
import orjson

from telemetry import native
from telemetry.demo.processes import Process, answers
from telemetry.demo.waiting import until
from tests.captures.cases import Case
from tests.captures.certificates import Authority
from tests.captures.envoys import ADMIN_PORT, HTTP_PORT, TCP_PORT, bootstrap, port
from tests.captures.recording import Message, slimmed

__all__ = ["capture"]

_DEADLINE_S = 10.0


class Sink:
    """An access log service; `messages` in the order of arrival, with the number of their stream."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.entries = 0
        self._streams = 0

    async def stream(self, messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        self._streams += 1
        number = self._streams
        async for message in messages:
            self.messages.append((number, slimmed(message)))
            self.entries += native.inspect(message)[1]
        return b""


async def capture(cases: Sequence[Case], envoy: Path, folder: Path) -> list[Message]:
    """Let each case happen, one after the other, in order: one entry for each."""
    async with AsyncExitStack() as stack:
        sink = Sink()
        als_port = await stack.enter_async_context(_serving(sink))
        await stack.enter_async_context(_upstreams())
        authority = Authority(folder)
        client = await stack.enter_async_context(httpx.AsyncClient())
        numbered = dict(enumerate(cases))
        for proxy in {case.proxy.address: case.proxy for case in cases}.values():
            own = {number: case for number, case in numbered.items() if case.proxy.address == proxy.address}
            content = bootstrap(proxy, own, als_port, authority)
            await stack.enter_async_context(_process(envoy, proxy.address, content, folder, client))
        for number, case in numbered.items():
            await _happen(number, case, authority)
            await until(_counts(sink, number + 1), _DEADLINE_S, f"capture: no entry of {case.name!r}")
        return sink.messages


def _counts(sink: Sink, count: int):
    async def there() -> bool:
        assert sink.entries <= count, "more entries than cases"
        return sink.entries == count

    return there


async def _happen(number: int, case: Case, authority: Authority) -> None:
    context = None
    if case.client_sans:
        paths = authority.issue(f"client-{number}", case.client_sans)
        context = ssl.create_default_context(cafile=str(paths.authority))
        context.check_hostname = False
        context.load_cert_chain(paths.certificate, paths.key)
    address = case.listen or case.proxy.address
    reader, writer = await asyncio.open_connection(
        address, port(number), local_addr=(case.client, 0), ssl=context, server_hostname="" if context else None
    )
    writer.write(b"hello" if case.tcp else _request(case))
    await writer.drain()
    try:
        await asyncio.wait_for(reader.read(1), _DEADLINE_S)
        writer.close()
        await writer.wait_closed()
    except ConnectionError:
        pass  # how a connection to nobody ends


def _request(case: Case) -> bytes:
    grpc_lines = ["content-type: application/grpc", "te: trailers", "content-length: 0"] if case.grpc else []
    method = "POST" if case.grpc else "GET"
    return "\r\n".join([f"{method} {case.path} HTTP/1.1", f"host: {case.host}", *grpc_lines, "", ""]).encode()


@asynccontextmanager
async def _serving(sink: Sink) -> AsyncIterator[int]:
    server = grpc.aio.server()
    handlers = {"StreamAccessLogs": grpc.stream_unary_rpc_method_handler(sink.stream)}
    service = "envoy.service.accesslog.v3.AccessLogService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    als_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield als_port
    await server.stop(grace=None)


@asynccontextmanager
async def _upstreams() -> AsyncIterator[None]:
    """On every loopback address: every pod, every application."""
    servers = [
        await asyncio.start_server(_answer, "0.0.0.0", HTTP_PORT),
        await asyncio.start_server(_echo, "0.0.0.0", TCP_PORT),
    ]
    yield
    for server in servers:
        server.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            status = b"content-type: application/grpc\r\ngrpc-status: 5\r\n" if b"application/grpc" in head else b""
            writer.write(b"HTTP/1.1 200 OK\r\n" + status + b"content-length: 0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
        await writer.drain()
    writer.close()


def _process(envoy: Path, address: str, content: object, folder: Path, client: httpx.AsyncClient) -> Process:
    file = folder / f"{address}.json"
    file.write_bytes(orjson.dumps(content))
    command = (envoy, "--config-path", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
    ready = f"http://{address}:{ADMIN_PORT}/ready"
    return Process(f"Envoy at {address}", command, file.with_suffix(".log"), lambda: answers(client, ready))
