"""Appends on their way to the disk: those that come together are written together."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from telemetry.batch import Batch
from telemetry.journal.streams import Pieces

__all__ = ["Appends"]


@dataclass(frozen=True, slots=True)
class _Appended:
    """One call of append, on its way."""

    batches: Sequence[Batch]
    bodies: Sequence[Pieces]
    done: asyncio.Future[int]


class Appends:
    """What waits to be written, and the group that is being written. For one event loop."""

    def __init__(self) -> None:
        self._queue: list[_Appended] = []
        self._group: list[_Appended] = []

    def put(self, batches: Sequence[Batch], bodies: Sequence[Pieces]) -> asyncio.Future[int]:
        """Let them wait; the future has the last offset once they are kept. Who cancels it before takes them back."""
        one = _Appended(batches, bodies, asyncio.get_running_loop().create_future())
        self._queue.append(one)
        return one.done

    def begin(self) -> list[tuple[Batch, Pieces]]:
        """Give all that wait, to be written as one group, each batch with its body."""
        self._group = [one for one in self._queue if not one.done.cancelled()]
        self._queue.clear()
        return [pair for one in self._group for pair in zip(one.batches, one.bodies, strict=True)]

    def written(self, end: int) -> None:
        """Tell the group that it is kept."""
        for done in _open(self._group):
            done.set_result(end)
        self._group = []

    def fail(self, error: BaseException) -> None:
        """Tell everyone that nothing more will be written."""
        for done in _open([*self._group, *self._queue]):
            done.set_exception(error)
        self._queue.clear()


def _open(appended: Sequence[_Appended]) -> Iterator[asyncio.Future[int]]:
    return (one.done for one in appended if not one.done.done())
