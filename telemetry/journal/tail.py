"""The newest batches, in memory: who is up to date never waits for the disk."""

from collections import OrderedDict
from collections.abc import Iterator

from telemetry.batch import Batch
from telemetry.journal.cursors import Record
from telemetry.journal.holding import held_bytes

__all__ = ["Tail"]


class Tail:
    """Holds batches by offset, up to a limit; the oldest go first, and the newest may be larger than that."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: OrderedDict[int, tuple[Record, Batch, int]] = OrderedDict()
        self.size_bytes = 0

    def __iter__(self) -> Iterator[tuple[Record, Batch]]:
        return ((record, batch) for record, batch, _ in list(self._held.values()))

    def put(self, record: Record, batch: Batch) -> None:
        """Hold the batch."""
        size_bytes = held_bytes(batch)
        self._held[record.offset] = record, batch, size_bytes
        self.size_bytes += size_bytes
        while self.size_bytes > self._limit_bytes and len(self._held) > 1:
            self.drop(next(iter(self._held)))

    def get(self, offset: int) -> Batch | None:
        """Give the batch if it is held."""
        held = self._held.get(offset)
        return held[1] if held else None

    def drop(self, offset: int) -> None:
        """Let go of the batch, if it is held."""
        if offset in self._held:
            self.size_bytes -= self._held.pop(offset)[2]
