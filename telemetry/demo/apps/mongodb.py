"""A database that speaks plain TCP: a line in, an answer of fixed size out, over and over."""

import asyncio

from telemetry.demo.topology import APP_PORT, Workload

__all__ = ["Database", "serve_database"]

_ANSWER_BYTES = 512
_IDLE_TIMEOUT_S = 2.0


async def serve_database(workload: Workload) -> asyncio.Server:
    """Start the server on the workload's application port."""
    return await asyncio.start_server(_answer, workload.address, APP_PORT)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while question := await reader.readline():
            writer.write(question.strip().ljust(_ANSWER_BYTES - 1) + b"\n")
            await writer.drain()
    except ConnectionError:
        pass  # the sidecar went away; the client learns it on its own side
    finally:
        writer.close()


class Database:
    """A client with one connection: opened by a query, kept while in use, closed after two idle seconds.

    So every connection ends soon after traffic does, and bytes can be compared to the last one.
    """

    def __init__(self, address: str, port: int, local_address: str) -> None:
        self._address = (address, port)
        self._local_address = local_address
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def query(self, question: str) -> str:
        """Ask one line and give the answer. Raises ConnectionError without a database."""
        async with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            answer = await self._exchange(question)
            self._idle = asyncio.get_running_loop().call_later(_IDLE_TIMEOUT_S, self.close)
            return answer

    def close(self) -> None:
        """Close the connection; the next query opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, question: str) -> str:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, local_addr=(self._local_address, 0))
        reader, writer = self._streams
        writer.write(question.encode() + b"\n")
        await writer.drain()
        answer = await reader.readline()
        if not answer:
            self.close()
            raise ConnectionResetError(f"{self._address} closed the connection")
        return answer.decode().strip()
