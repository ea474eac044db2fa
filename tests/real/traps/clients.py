"""Clients that say exactly these bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["Connection", "connected", "get", "head"]

_DEADLINE_S = 5


class Connection:
    """A TCP connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, text: str | bytes) -> None:
        self._writer.write(text.encode() if isinstance(text, str) else text)
        await self._writer.drain()

    async def hear(self, count: int) -> bytes:
        """Exactly so many bytes."""
        async with asyncio.timeout(_DEADLINE_S):
            return await self._reader.readexactly(count)

    async def hear_head(self) -> str:
        """All up to and including an empty line."""
        async with asyncio.timeout(_DEADLINE_S):
            return (await self._reader.readuntil(b"\r\n\r\n")).decode()

    async def hear_all(self) -> bytes:
        """All until the other end closes, however rudely."""
        heard = b""
        async with asyncio.timeout(_DEADLINE_S):
            try:
                while data := await self._reader.read(1 << 16):
                    heard += data
            except ConnectionError:
                pass
        return heard

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def connected(address: str, port: int) -> AsyncIterator[Connection]:
    connection = Connection(*await asyncio.open_connection(address, port))
    try:
        yield connection
    finally:
        await connection.close()


def head(path: str, method: str = "GET", *more: str, host: str = "traps.example") -> str:
    """A request without body."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"host: {host}", *more, "", ""))


async def get(address: str, port: int, path: str) -> bytes:
    """Ask once, and leave when the answer is there; gives its body, as much as came."""
    async with connected(address, port) as connection:
        await connection.say(head(path))
        lines = (await connection.hear_head()).lower().splitlines()
        length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
        try:
            return await connection.hear(length)
        except asyncio.IncompleteReadError as error:
            return error.partial
