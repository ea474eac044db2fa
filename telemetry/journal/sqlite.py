"""The durable journal: what `append` has returned for is on the disk, and survives whatever ends this process."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import structlog

from telemetry.batch import Batch, Template
from telemetry.journal import OnFull
from telemetry.journal.appends import Appends
from telemetry.journal.cursors import Record
from telemetry.journal.disk import Disk
from telemetry.journal.encoding import Encoder
from telemetry.journal.ledger import Ledger
from telemetry.journal.reading import Reading
from telemetry.journal.store import Changes
from telemetry.journal.streams import Pieces
from telemetry.journal.tables import Contents, Stored, file_bytes, stored
from telemetry.journal.tail import Tail
from telemetry.journal.tally import CursorTally, Tally, missing
from telemetry.selfmetrics import SelfMetrics

__all__ = ["SqliteJournal"]

log = structlog.get_logger(__name__)

_MIB = 1 << 20


class SqliteJournal(Ledger):
    """Keeps batches in an SQLite file until every cursor that takes them has committed past them: docs/journal.md.

    `async with` opens and closes it; opening raises StartError when the file is in use, of another format, or can't be
    written. Work on the file is done in a thread, everything else belongs to one event loop. Appends that come together
    are one transaction. Commits are written with the next one, or within `flush_s`: one that a crash takes back means
    that batches are delivered again, never that they are lost.
    """

    def __init__(
        self,
        path: Path,
        metrics: SelfMetrics,
        *,
        max_bytes: int,
        max_age_s: float | None = None,
        retention_s: float = 0.0,
        retain: Collection[Template] = (),
        tail_bytes: int = 64 * _MIB,
        flush_s: float = 1.0,
        retry_s: float = 1.0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(max_bytes=max_bytes, max_age_s=max_age_s, retention_s=retention_s, retain=retain)
        self._metrics = metrics
        self._flush_s, self._clock_ns = flush_s, clock_ns
        self._encoder = Encoder()
        self._tail = Tail(tail_bytes)
        self._disk = Disk(
            path, metrics, rescue=self._rescue, recovered=self._recovered, retry_s=retry_s, clock_ns=clock_ns
        )
        self._reading = Reading(self._disk, self._tail)
        self._appends = Appends()
        self._changes = Changes()
        self._unsaved: set[str] = set()
        """Cursors that the file doesn't know yet: without them a crash would forget what waits for them."""
        self._changed, self._wake = asyncio.Event(), asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        contents, tally = await self._disk.open()
        losses = missing(tally, contents) if tally else {}
        self._resume(contents.cursors, (record for record, _ in contents.records), contents.end)
        for cursor, loss in losses.items():
            self._cursors[cursor].note(loss)
            log.error("rows of the journal are lost", handler=cursor, rows=loss.rows, reason=loss.reason)
        for cursor in self._cursors:
            self._changed_cursor(cursor)
        self._writer = asyncio.create_task(self._write_for_ever())
        self._writer.add_done_callback(self._ended)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])
        self._reading.close()
        await self._disk.close(self._changes, self._end, self._tally())

    def attach(self, cursor: str, templates: Collection[Template], on_full: OnFull = "drop_oldest") -> int:
        """Begin a cursor at the end, or resume it where it was; gives the offset to read after."""
        self._unsaved.add(cursor)
        return super().attach(cursor, templates, on_full)

    async def append(self, batches: Sequence[Batch]) -> int:
        """Keep the batches, all or none; gives the last offset, once the disk has them.

        What no cursor takes and nobody wants retained isn't written. Waits for a cursor that may not lose, and while
        the disk takes nothing. Cancelled, it may have kept them. Raises RuntimeError when the journal isn't open.
        """
        wanted = [batch for batch in batches if self._wanted(batch.template)]
        if not wanted:
            return self._end
        if self._writer is None or self._writer.done():
            raise RuntimeError("the journal is not open")
        bodies = await self._disk.run(lambda: [self._encoder.encode(batch) for batch in wanted])
        self._wake.set()
        return await self._appends.put(wanted, bodies)

    async def read(self, cursor: str, after: int, limit: int) -> Sequence[tuple[int, Batch]]:
        """Wait for batches beyond `after`; gives at most `limit` of them with their offsets, at least one.

        Fewer when they come from the disk and are large.
        """
        while True:
            records = self._cursors[cursor].beyond(after, limit)
            if not records:
                await self._changed.wait()
            elif found := self._hand_over(cursor, await self._reading.fetch(records)):
                return found

    async def commit(self, cursor: str, offset: int) -> None:
        """Note that the cursor's handler is done with everything up to `offset`; on the disk within `flush_s`."""
        self._done(cursor, offset)

    def problems(self) -> Mapping[str, str]:
        """Say what keeps the journal from working now; empty when all is well."""
        return {"journal": self._disk.problem} if self._disk.problem else super().problems()

    # What is read.

    def _hand_over(self, cursor: str, found: Iterable[tuple[Record, Batch | None]]) -> list[tuple[int, Batch]]:
        """Give what the cursor still waits for into its reader's hand; account for what can't be read."""
        given: list[tuple[int, Batch]] = []
        for record, batch in found:
            reader = self._cursors[cursor]
            if record.offset not in reader:
                continue
            if batch is not None:
                reader.in_hand.add(record.offset)
                given.append((record.offset, batch))
            elif record.offset in self._awaited:
                self._damaged([record])
            else:  # it was in hand when it was found to be damaged
                reader.lose(record, "damaged")
        return given

    # What is written.

    async def _write_for_ever(self) -> None:
        told_s = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_s):
                    await self._wake.wait()
            self._wake.clear()
            self._expire(self._clock_ns())
            await self._write_group()
            if time.monotonic() - told_s >= self._flush_s:
                told_s = time.monotonic()
                await self._disk.tell(self._tally())

    async def _write_group(self) -> None:
        """Write all that is waiting in one transaction, and tell those who wait."""
        group = self._appends.begin()
        if group:
            await self._wait_for_room(sum(file_bytes(body.size_bytes) for _, body in group))
        entries = list(self._entries(group))
        await self._write(entries)
        for entry, (batch, _) in zip(entries, group, strict=True):
            self._tail.put(entry.record, batch)
            self._add(entry.record)
        if self._unsaved:
            await self._write([])
        self._appends.written(self._end)
        self._announce()

    def _entries(self, group: Iterable[tuple[Batch, Pieces]]) -> Iterator[Stored]:
        now_ns = self._clock_ns()
        for offset, (batch, body) in enumerate(group, self._end + 1):
            yield stored(Record(offset, batch.template, len(batch.rows), file_bytes(body.size_bytes), now_ns), body)

    async def _wait_for_room(self, size_bytes: int) -> None:
        while not self._room_for(size_bytes):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_s):
                    await self._changed.wait()
            await self._write([])

    async def _write(self, entries: list[Stored]) -> None:
        changes, self._changes = self._changes, Changes()
        self._unsaved.clear()
        if not entries and not changes:
            return
        try:
            if None in changes.cursors.values():
                # First, or a crash would take a cursor that has ended for one that the file has lost.
                await self._disk.tell(self._tally())
            await self._disk.write(entries, changes, entries[-1].record.offset if entries else self._end)
        except asyncio.CancelledError:  # we are being closed, which writes once more
            self._changes.put_back(changes)
            raise

    def _ended(self, writer: asyncio.Task[None]) -> None:
        """Let nobody wait for a writer that is gone."""
        error = None if writer.cancelled() else writer.exception()
        self._appends.fail(error or RuntimeError("the journal was closed"))

    def _gone(self, offset: int) -> None:
        self._tail.drop(offset)
        self._changes.gone.append(offset)

    def _changed_cursor(self, cursor: str) -> None:
        one = self._cursors.get(cursor)
        self._changes.cursors[cursor] = None if one is None else one.done
        self._announce()

    def _announce(self) -> None:
        """Wake whoever waits; those who come later wait for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _tally(self) -> Tally:
        return Tally(self._end, {name: CursorTally(one.done, one.waiting_rows) for name, one in self._cursors.items()})

    # What is damaged.

    def _rescue(self) -> Iterator[Stored]:
        """Give what the memory still has, as it was stored; runs in the disk's thread."""
        return (stored(record, self._encoder.encode(batch)) for record, batch in self._tail)

    def _recovered(self, contents: Contents) -> None:
        """Note what the new file lacks, and let it know the cursors."""
        saved = {record.offset for record, _ in contents.records}
        kept = [*self._awaited.values(), *self._history.values()]
        self._damaged([record for record in kept if record.offset not in saved])
        # Beyond the end is what was being written: it will be written again.
        self._changes.gone += [at for at in saved.difference(self._awaited, self._history) if at <= self._end]
        for cursor in self._cursors:
            self._changed_cursor(cursor)

    def _damaged(self, records: Sequence[Record]) -> None:
        for record in records:
            self._take_away(record, "damaged")
            self._metrics.journal_failures.labels("batch").inc()
        if records:
            rows, first, last = sum(one.rows for one in records), records[0].offset, records[-1].offset
            log.error("batches of the journal are damaged", batches=len(records), rows=rows, first=first, last=last)
