"""Batches by their records: from memory, or from the disk, where the next is read while one is decoded."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from telemetry.batch import Batch
from telemetry.journal.cursors import Record
from telemetry.journal.disk import Disk
from telemetry.journal.encoding import UNREADABLE, decode
from telemetry.journal.fitting import fitted
from telemetry.journal.tail import Tail

__all__ = ["Reading"]

log = structlog.get_logger(__name__)

# What one call may take from the disk: a cursor that lags behind must not load all that it missed. Decoded, it is
# about nine times as much.
_READ_BYTES = 6 << 20
_DECODERS = 2


class Reading:
    """Gives batches; made and used within one event loop."""

    def __init__(self, disk: Disk, tail: Tail) -> None:
        self._disk = disk
        self._tail = tail
        self._threads = ThreadPoolExecutor(_DECODERS, "journal-decode")

    async def fetch(self, records: Sequence[Record]) -> list[tuple[Record, Batch | None]]:
        """Give the batches in their order, fewer when they are large; None for one that can't be read."""
        found: list[tuple[Record, asyncio.Future[Batch | None]]] = []
        read_bytes = 0
        for record in records:
            if self._tail.get(record.offset) is None:
                if read_bytes > _READ_BYTES:
                    break
                read_bytes += record.size_bytes
            found.append((record, await self._begun(record)))
        return [(record, await batch) for record, batch in found]

    def close(self) -> None:
        """End the threads, once what runs has run."""
        self._threads.shutdown(wait=False)

    async def _begun(self, record: Record) -> asyncio.Future[Batch | None]:
        loop = asyncio.get_running_loop()
        if (batch := self._tail.get(record.offset)) is None:
            body = await self._disk.body(record)
            return loop.run_in_executor(self._threads, _decoded, record, body)
        at_once: asyncio.Future[Batch | None] = loop.create_future()
        at_once.set_result(batch)
        return at_once


def _decoded(record: Record, body: bytes | None) -> Batch | None:
    try:
        return None if body is None else fitted(decode(body))
    except UNREADABLE as error:
        log.warning("a batch of the journal can't be understood", offset=record.offset, error=str(error))
        return None
