"""All who watch: a few at once, and which templates must be made for them."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from telemetry.batch import Batch, Template
from telemetry.errors import TelemetryError
from telemetry.tapping.tap import Tap
from telemetry.tapping.view import View

__all__ = ["Busy", "Taps"]

_MOST = 4


class Busy(TelemetryError):  # noqa: N818 - it is we who are busy
    """There are as many taps as there may be; the message says how many."""


class Taps:
    """The open taps. They share one thread, so that watching costs one core at most. `changed` is set with `templates`.

    All methods are for the event loop's thread.
    """

    def __init__(self, most: int = _MOST) -> None:
        self.changed = asyncio.Event()
        self._most = most
        self._open: list[Tap] = []
        self._work = ThreadPoolExecutor(1, "tap")
        self._closed = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def templates(self) -> frozenset[Template]:
        """What is to be made because somebody watches."""
        return frozenset(tap.view.template for tap in self._open)

    def open(self, view: View) -> Tap:
        """Begin a tap, to be released in the end. Raises Busy."""
        if len(self._open) >= self._most or self._closed:
            raise Busy(f"there are {len(self._open)} taps already; end one of them")
        tap = Tap(view, self._work)
        self._open.append(tap)
        self.changed.set()
        return tap

    def release(self, tap: Tap) -> None:
        """Forget a tap."""
        tap.end("released")
        self._open.remove(tap)
        self.changed.set()

    def offer(self, batches: Sequence[Batch]) -> None:
        """Show batches to all who watch; never waits."""
        for tap in self._open:
            for batch in batches:
                tap.offer(batch)

    def close(self) -> None:
        """End all taps; there will be no others."""
        self._closed = True
        for tap in self._open:
            tap.end("the service is stopping")
        self._work.shutdown(wait=False)
