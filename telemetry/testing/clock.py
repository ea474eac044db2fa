"""A clock that goes when it is told to."""

import asyncio

from telemetry.testing.batches import EPOCH_NS

__all__ = ["Clock"]


class Clock:
    """Stands in for `time.time_ns`, `time.monotonic_ns` and `asyncio.sleep`: pass its methods where those go."""

    def __init__(self, now_ns: int = EPOCH_NS) -> None:
        self._started_ns = self._now_ns = now_ns
        self.slept_s: list[float] = []
        """How long each sleep was to be, oldest first."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """Nanoseconds since the clock was made."""
        return self._now_ns - self._started_ns

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self._now_ns += round(seconds * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once; others get their turn."""
        self.slept_s.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)
