"""What a handler has in hand: read from the journal, and not all of it committed."""

import asyncio
from collections import deque
from collections.abc import Callable

from telemetry.delivery.consignment import Consignment
from telemetry.delivery.terms import Terms
from telemetry.journal import Journal

__all__ = ["Hand"]


class Hand:
    """Gives several workers their consignments, and commits in order. `after`: the offset to read after.

    `terms` may change at any time.
    """

    def __init__(self, cursor: str, journal: Journal, terms: Callable[[], Terms], after: int) -> None:
        self._cursor = cursor
        self._journal = journal
        self._terms = terms
        self._hand: dict[int, Consignment] = {}
        self._after = after
        self.committed = after
        """Offset up to which the journal has been told that all is done."""
        self._begin()

    def __len__(self) -> int:
        """Batches read and not committed."""
        return len(self._hand)

    @property
    def done(self) -> int:
        """Those of them whose rows have all found their fate."""
        return sum(one.done for one in self._hand.values())

    @property
    def settled_rows(self) -> int:
        """Rows of theirs that have."""
        return sum(one.settled_rows for one in self._hand.values())

    def _begin(self) -> None:
        self._reading, self._room = asyncio.Lock(), asyncio.Event()
        self._queue = deque(one for one in self._hand.values() if not one.done)

    async def resume(self) -> None:
        """Begin with those that earlier workers have left."""
        self._begin()
        await self.commit()

    async def next(self) -> Consignment:
        """Give the next consignment that nobody works on, reading more when there is none."""
        async with self._reading:
            while not self._queue:
                await self._read()
            return self._queue.popleft()

    async def commit(self) -> None:
        """Let go of what is done, as far as nothing before it is still on its way."""
        committed = self.committed
        while self._hand and (first := next(iter(self._hand.values()))).done:
            del self._hand[first.offset]
            committed = first.offset
        if committed != self.committed:
            self.committed = committed
            self._room.set()
            # No await before the journal has taken it: what is neither in hand nor pending would be missing.
            await self._journal.commit(self._cursor, committed)

    def disown(self) -> None:
        """Part with workers that won't end: what they are at counts no more, and is begun again by the next."""
        self._hand = {offset: one.disown() for offset, one in self._hand.items()}

    def drop(self) -> None:
        """Let go of everything: its cursor is no more."""
        self._hand.clear()

    async def _read(self) -> None:
        while len(self._hand) >= self._terms().window:
            self._room.clear()
            await self._room.wait()
        terms = self._terms()
        limit = min(terms.read_limit, terms.window - len(self._hand))
        for offset, batch in await self._journal.read(self._cursor, self._after, limit):
            self._hand[offset] = one = Consignment.of(offset, batch)
            self._queue.append(one)
            self._after = offset
