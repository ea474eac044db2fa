"""A journal that is a list: the real interface, no bound, no disk."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from telemetry.batch import Batch, Template
from telemetry.journal import Loss, OnFull

__all__ = ["FakeJournal"]


@dataclass(slots=True)
class _Cursor:
    templates: frozenset[Template]
    committed: int
    offered_rows: int = 0
    losses: list[Loss] = field(default_factory=list)


class FakeJournal:
    """Keeps everything for ever, so that a test can look. `lose` takes batches away, `trouble` is what it complains of.

    `commits`: every (cursor, offset) in the order in which they came. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.commits: list[tuple[str, int]] = []
        self.trouble: dict[str, str] = {}
        self._cursors: dict[str, _Cursor] = {}
        self._changed = asyncio.Event()

    def attach(self, cursor: str, templates: Collection[Template], on_full: OnFull = "drop_oldest") -> int:
        """Begin at the end, or resume; `on_full` never matters here."""
        one = self._cursors.setdefault(cursor, _Cursor(frozenset(templates), len(self.batches)))
        return one.committed

    def change(self, cursor: str, templates: Collection[Template], on_full: OnFull) -> None:
        """Offer these templates, too, from now on; what was offered before stays."""
        self._cursors[cursor].templates |= frozenset(templates)

    def detach(self, cursor: str) -> int:
        """End a cursor; gives what was pending."""
        pending = self.pending_rows(cursor)
        del self._cursors[cursor]
        return pending

    async def append(self, batches: Sequence[Batch]) -> int:
        """Keep the batches; offsets count from 1."""
        for batch in batches:
            self.batches.append(batch)
            for one in self._cursors.values():
                one.offered_rows += len(batch.rows) if batch.template in one.templates else 0
        self._changed.set()
        self._changed = asyncio.Event()
        return len(self.batches)

    async def read(self, cursor: str, after: int, limit: int) -> Sequence[tuple[int, Batch]]:
        """Wait for batches of the cursor's templates that were not lost to it."""
        while True:
            if found := self._waiting(cursor, after):
                return found[:limit]
            await self._changed.wait()

    async def commit(self, cursor: str, offset: int) -> None:
        """Note it."""
        one = self._cursors[cursor]
        one.committed = max(one.committed, offset)
        self.commits.append((cursor, offset))

    def lose(self, cursor: str, offset: int, reason: str = "journal_full") -> None:
        """Take the batch with that offset away from the cursor."""
        rows = len(self.batches[offset - 1].rows)
        self._cursors[cursor].losses.append(Loss(offset, offset, rows, reason))

    def offered_rows(self, cursor: str) -> int:
        """Rows appended since it was attached."""
        return self._cursors[cursor].offered_rows

    def pending_rows(self, cursor: str) -> int:
        """Rows that it has not committed and not lost."""
        return sum(len(batch.rows) for _, batch in self._pending(cursor))

    def pending_batches(self, cursor: str) -> int:
        """Batches that it has not committed and not lost."""
        return len(self._pending(cursor))

    def oldest_pending_ns(self, cursor: str) -> int | None:
        """When the receiver of the oldest pending batch started: this journal has no clock."""
        return min((batch.epoch for _, batch in self._pending(cursor)), default=None)

    def losses(self, cursor: str) -> Sequence[Loss]:
        """Give what `lose` took."""
        return tuple(self._cursors[cursor].losses)

    def lost_rows(self, cursor: str) -> int:
        """Count the rows of these."""
        return sum(loss.rows for loss in self._cursors[cursor].losses)

    def problems(self) -> Mapping[str, str]:
        """Give `trouble`."""
        return dict(self.trouble)

    def _pending(self, cursor: str) -> list[tuple[int, Batch]]:
        return self._waiting(cursor, self._cursors[cursor].committed)

    def _waiting(self, cursor: str, after: int) -> list[tuple[int, Batch]]:
        one = self._cursors[cursor]
        lost = {loss.first for loss in one.losses}
        return [
            (offset, batch)
            for offset, batch in enumerate(self.batches[after:], after + 1)
            if batch.template in one.templates and offset not in lost
        ]
