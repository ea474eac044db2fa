"""A journal in memory: bounded, each cursor at its own pace, gone with the process."""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from telemetry.batch import Batch, Template

__all__ = ["MemoryJournal"]


@dataclass(slots=True)
class _Cursor:
    templates: frozenset[Template]
    committed: int
    offered_rows: int = 0
    lost_rows: int = 0
    in_hand: dict[int, int] = field(default_factory=dict)
    """Rows by offset of what was read and not committed: its reader has it, even if the journal lets go of it."""

    def waits_for(self, record: "_Record") -> bool:
        """Whether the record is one that this cursor has still to take."""
        return (
            record.offset > self.committed
            and record.offset not in self.in_hand
            and record.batch.template in self.templates
        )


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int
    batch: Batch
    size_bytes: int


class MemoryJournal:
    """Keeps batches until every cursor that wants them has committed past them.

    At `max_bytes`, `on_full="block"` makes `append` wait for the slowest cursor, which in the end holds Envoy back;
    `"drop_oldest"` takes the oldest batches from the cursors that have not read them, and counts their rows as lost.
    Belongs to one event loop.
    """

    def __init__(self, *, max_bytes: int, on_full: Literal["block", "drop_oldest"] = "drop_oldest") -> None:
        self._max_bytes = max_bytes
        self._on_full = on_full
        self._records: deque[_Record] = deque()
        self._next = 1
        self._cursors: dict[str, _Cursor] = {}
        self._changed = asyncio.Event()
        self.size_bytes = 0

    def attach(self, cursor: str, templates: Collection[Template]) -> int:
        """Begin a cursor at the end, for those templates; gives the offset to read after."""
        self._cursors[cursor] = _Cursor(frozenset(templates), self._next - 1)
        return self._next - 1

    def detach(self, cursor: str) -> None:
        """End a cursor: what only it waited for goes."""
        del self._cursors[cursor]
        self._trim()

    async def append(self, batches: Sequence[Batch]) -> int:
        """Keep the batches; gives the last one's offset. What no cursor wants isn't kept."""
        for batch in batches:
            size_bytes = batch.size_bytes
            await self._make_room(size_bytes)
            wanting = [one for one in self._cursors.values() if batch.template in one.templates]
            if not wanting:
                continue
            for one in wanting:
                one.offered_rows += len(batch.rows)
            self._records.append(_Record(self._next, batch, size_bytes))
            self._next += 1
            self.size_bytes += size_bytes
            self._announce()
        return self._next - 1

    async def read(self, cursor: str, after: int, limit: int) -> Sequence[tuple[int, Batch]]:
        """Wait for batches of the cursor's templates beyond `after`; gives at most `limit`, at least one."""
        reader = self._cursors[cursor]
        while True:
            records = (one for one in self._records if one.offset > after and one.batch.template in reader.templates)
            if found := [(one.offset, one.batch) for one in islice(records, limit)]:
                reader.in_hand = {offset: len(batch.rows) for offset, batch in found}
                return found
            await self._changed.wait()

    async def commit(self, cursor: str, offset: int) -> None:
        """Let go of everything up to `offset`, as far as this cursor is concerned."""
        one = self._cursors[cursor]
        one.committed = max(one.committed, offset)
        one.in_hand = {at: rows for at, rows in one.in_hand.items() if at > offset}
        self._trim()

    def offered_rows(self, cursor: str) -> int:
        """Rows appended for the cursor since it was attached."""
        return self._cursors[cursor].offered_rows

    def pending_rows(self, cursor: str) -> int:
        """Rows kept that the cursor has not committed, counted one by one."""
        one = self._cursors[cursor]
        waiting = sum(len(record.batch.rows) for record in self._records if one.waits_for(record))
        return waiting + sum(one.in_hand.values())

    def lost_rows(self, cursor: str) -> int:
        """Rows taken from the cursor before it committed them, for lack of room."""
        return self._cursors[cursor].lost_rows

    def __len__(self) -> int:
        return len(self._records)

    async def _make_room(self, size_bytes: int) -> None:
        while self._records and self.size_bytes + size_bytes > self._max_bytes:
            if self._on_full == "block":
                await self._changed.wait()
            else:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        record = self._forget_first()
        for one in self._cursors.values():
            if one.waits_for(record):
                one.lost_rows += len(record.batch.rows)

    def _trim(self) -> None:
        """Let go of the oldest batches that nobody waits for."""
        while self._records and not self._awaited(self._records[0]):
            self._forget_first()
        self._announce()

    def _awaited(self, record: _Record) -> bool:
        return any(one.waits_for(record) or record.offset in one.in_hand for one in self._cursors.values())

    def _forget_first(self) -> _Record:
        record = self._records.popleft()
        self.size_bytes -= record.size_bytes
        return record

    def _announce(self) -> None:
        """Wake whoever waits; those who come later wait for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()
