"""The circuit between us and a sink: after failures in a row, one probe at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Breaker"]


class Breaker:
    """Counts failures in a row and is open from `threshold` on, until the sink has answered.

    Exports that ran at the same time and failed together count as one failure: eight at once say no more about the
    sink than one.
    """

    def __init__(self, threshold: int) -> None:
        self.threshold = threshold
        self.failures = 0
        self._turn = asyncio.Lock()

    @property
    def open(self) -> bool:
        """Whether the sink is only probed."""
        return self.failures >= self.threshold

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Wait for leave to export: at once while closed, one after the other while open. Gives what to hand back.

        Leaving it ends the turn, so who is to wait before the next probe does so inside.
        """
        while self.open:
            async with self._turn:
                if self.open:  # and not closed by the probe before
                    yield self.failures
                    return
        yield self.failures

    def disown(self) -> "Breaker":
        """Part with whoever has the turn and won't end; gives the breaker that goes on from here."""
        breaker = Breaker(self.threshold)
        breaker.failures = self.failures
        return breaker

    def failed(self, seen: int) -> None:
        """Note that an export failed which began when `seen` failures had been counted."""
        if seen == self.failures:
            self.failures += 1

    def answered(self) -> None:
        """Note that the sink did its work, or said clearly that it won't."""
        self.failures = 0
