"""The end of the service: what was read is finished and delivered, or it is said what is left."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from telemetry.assembly import Assembly
from telemetry.boundary import boundary
from telemetry.feed import Feed
from telemetry.handlers import Handlers
from telemetry.pipeline import END_NS
from telemetry.receivers.server import Server

__all__ = ["Drain"]

log = structlog.get_logger(__name__)

# How long streams may go on after our goodbye: Envoy's default flush interval, so that what it has buffered comes.
_STREAM_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class Drain:
    """What has to come to its end. `feeding`: the tasks that run the feeds, of which the first is that of entries.

    `durable`: the journal outlives us, so a sink that fails is not waited for: the next start delivers its rows.
    """

    assembly: Assembly
    receiver: Server
    feeds: Sequence[Feed[Any]]
    feeding: Sequence[asyncio.Task[None]]
    handlers: Handlers
    durable: bool

    async def run(self, deadline_s: float) -> None:
        """Stop reading, finish what was read, deliver it: within the deadline, or say what is left."""
        try:
            async with asyncio.timeout(deadline_s):
                await self._finish()
                await self.handlers.delivered(unless_failing=self.durable)
        except TimeoutError:
            pass  # what is left is told
        finally:
            entries = self.assembly.coalescer.pending_entries + self.feeds[0].entries_in_hand
            self.assembly.metrics.rejected.labels("shutdown").inc(entries)
            self._tell_left(entries)

    async def _finish(self) -> None:
        """Stop reading, and see what was read into the journal: of each feed, whatever becomes of the others."""
        with boundary() as outcome:
            await self.receiver.stop(_STREAM_GRACE_S)
        self.assembly.close_receivers()
        found = [outcome.error, *await asyncio.gather(*self.feeding, return_exceptions=True)]
        flushing = (feed.flush(END_NS) for feed in self.feeds)
        found += await asyncio.gather(*flushing, return_exceptions=True)
        for error in found:
            if error is not None:
                log.error("not everything that was read could be processed", exc_info=error)

    def _tell_left(self, entries: int) -> None:
        """Say what was not delivered, if anything; `entries` did not get as far as the journal."""
        pending = {delivery.name: delivery.account().pending for delivery in self.handlers.deliveries}
        rows = {name: number for name, number in pending.items() if number}
        if entries or rows:
            log.warning(
                "not everything was delivered; "
                + ("the journal keeps the rows for the next start" if self.durable else "raise shutdown.deadline"),
                entries=entries,
                rows=rows,
            )
