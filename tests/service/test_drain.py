"""The end of the service: what could not be finished is counted, whatever kept it from that."""

import asyncio
from typing import Any

from telemetry.assembly import Assembly
from telemetry.drain import Drain
from telemetry.handlers import Handlers
from tests.service.running import settings


class Receiver:
    async def stop(self, grace_s: float) -> None:
        pass


class Feed:
    """Has entries that it can't get rid of."""

    def __init__(self, entries_in_hand: int, error: Exception | None = None) -> None:
        self.entries_in_hand = entries_in_hand
        self.flushed = False
        self._error = error

    async def run(self) -> None:
        if self._error:
            raise self._error

    async def flush(self, now_ns: int) -> None:
        self.flushed = True


async def drained(*feeds: Feed) -> float | None:
    assembly = Assembly(settings())
    feeding: list[Any] = [asyncio.create_task(feed.run()) for feed in feeds]
    receiver: Any = Receiver()
    given: Any = feeds
    await Drain(assembly, receiver, given, feeding, Handlers(lambda _: None), durable=False).run(5.0)
    return assembly.metrics.registry.get_sample_value("telemetry_receiver_rejected_total", {"reason": "shutdown"})


async def test_what_a_feed_that_failed_still_had_in_hand_is_counted() -> None:
    assert await drained(Feed(30, OSError("disk"))) == 30


async def test_a_feed_that_fails_keeps_no_other_from_its_last_flush() -> None:
    other = Feed(0)
    await drained(Feed(0, OSError("disk")), other)
    assert other.flushed
