"""A journal in memory: bounded, each cursor at its own pace, gone with the process."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from telemetry.batch import Batch, Template
from telemetry.journal import OnFull
from telemetry.journal.cursors import Record
from telemetry.journal.holding import held_bytes
from telemetry.journal.ledger import Ledger

__all__ = ["MemoryJournal"]


class MemoryJournal(Ledger):
    """Keeps batches until every cursor that takes them has committed past them.

    At `max_bytes`, `append` waits for a cursor attached with `on_full="block"`, which in the end holds Envoy back; from
    the others it takes the oldest batches that they have not read, and counts the rows. Belongs to one event loop.
    """

    def __init__(self, *, max_bytes: int, clock_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(max_bytes=max_bytes)
        self._clock_ns = clock_ns
        self._batches: dict[int, Batch] = {}
        self._changed = asyncio.Event()

    def change(self, cursor: str, templates: Collection[Template], on_full: OnFull) -> None:
        """Let a running cursor take these templates from now on; its account goes on, and what waits for it waits."""
        super().change(cursor, templates, on_full)
        self._announce()

    def detach(self, cursor: str) -> int:
        """End a cursor; what only it waited for goes. Gives the rows that were pending."""
        rows = super().detach(cursor)
        self._announce()
        return rows

    async def append(self, batches: Sequence[Batch]) -> int:
        """Keep the batches, all or none; gives the last offset. What no cursor takes isn't kept.

        One append is kept whole for cursors that may not lose, however large it is.
        """
        size_bytes = sum(held_bytes(batch) for batch in batches if self._wanted(batch.template))
        while not self._room_for(size_bytes):
            await self._changed.wait()
        for batch in batches:
            if self._wanted(batch.template):
                self._keep(batch)
        # What is larger than the journal is kept all the same: nobody waits.
        self._waits_for = ()
        self._announce()
        return self._end

    async def read(self, cursor: str, after: int, limit: int) -> Sequence[tuple[int, Batch]]:
        """Wait for batches beyond `after`; gives at most `limit` of them with their offsets, at least one."""
        while True:
            if found := self._take(cursor, after, limit):
                return [(record.offset, self._batches[record.offset]) for record in found]
            await self._changed.wait()

    async def commit(self, cursor: str, offset: int) -> None:
        """Let go of everything up to `offset`, as far as this cursor is concerned."""
        self._done(cursor, offset)
        self._announce()

    def _keep(self, batch: Batch) -> None:
        """Add a batch; within one append that is larger than the journal, its own first batches may have to go."""
        size_bytes = held_bytes(batch)
        self._room_for(size_bytes)
        self._batches[self._end + 1] = batch
        self._add(Record(self._end + 1, batch.template, len(batch.rows), size_bytes, self._clock_ns()))

    def _gone(self, offset: int) -> None:
        del self._batches[offset]

    def _announce(self) -> None:
        """Wake whoever waits; those who come later wait for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()
