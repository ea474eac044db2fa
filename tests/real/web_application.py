"""A web application for Envoys in tests."""

import asyncio

ANSWER = b"hello"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request of a connection: 500 for paths with `fail`, 200 for others."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            status = b"500 No" if b"fail" in head.split(b"\r\n")[0] else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(ANSWER), ANSWER))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
