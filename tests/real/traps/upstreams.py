"""The servers behind the traps: each path of theirs is a way to answer, or not to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import grpc

from tests.real.traps.sites import Sites

__all__ = ["upstreams"]

_HEAD_END = b"\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
_LARGE = 1 << 20


class _Web:
    """HTTP/1.1 by hand, since a well-kept server would not misbehave."""

    def __init__(self) -> None:
        self._flaky = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(_HEAD_END):
                if not await self._answer(head.split()[1].decode().strip("/"), reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Say whether the connection may be used again."""
        match path:
            case "silence" | "timeout" | "idle" | "too_long" | "upstream_too_long":
                await reader.read(1)
                return False
            case "close":
                return False
            case "cut":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf a")
                await writer.drain()
                return False
            case "garbage":
                writer.write(b"this is no HTTP\r\n\r\n")
                return False
            case "upgrade":
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
                await _echo(reader, writer)
                return False
            case "flaky":
                writer.write(_UNAVAILABLE if self._flaky else _ANSWER)
                self._flaky = not self._flaky
            case "failing":
                writer.write(_UNAVAILABLE)
            case "large":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % _LARGE + bytes(_LARGE))
            case "hold":
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
                await reader.read(1)
                return False
            case _:
                writer.write(_ANSWER)
        await writer.drain()
        return True


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class _UdpEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


async def _succeed(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return request


async def _fail_at_once(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "nothing here")


async def _fail_late(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    yield request
    await context.abort(grpc.StatusCode.DATA_LOSS, "the rest is lost")


@asynccontextmanager
async def upstreams(sites: Sites) -> AsyncIterator[None]:
    """HTTP/1.1, gRPC, TCP and UDP echo, until left."""
    web = _Web()
    http = await asyncio.start_server(web.serve, sites.upstream, sites.http_port)
    tcp = await asyncio.start_server(_echo, sites.upstream, sites.tcp_port)
    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(_UdpEcho, (sites.upstream, sites.tcp_port))
    handlers = {
        "Succeed": grpc.unary_unary_rpc_method_handler(_succeed),
        "FailAtOnce": grpc.unary_unary_rpc_method_handler(_fail_at_once),
        "FailLate": grpc.unary_stream_rpc_method_handler(_fail_late),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("traps.v1.Trap", handlers),))
    server.add_insecure_port(f"{sites.upstream}:{sites.grpc_port}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(grace=None)
        udp.close()
        for listening in (http, tcp):
            listening.close()
