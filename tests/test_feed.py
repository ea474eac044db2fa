"""In order, into the journal; a failure costs only the sender whose entries can't be processed."""

import asyncio
import threading
from collections.abc import Iterable
from itertools import count

import polars as pl
from structlog.testing import capture_logs

from telemetry.batch import Batch, Template
from telemetry.feed import Feed
from telemetry.journal.memory import MemoryJournal
from telemetry.node import Node
from telemetry.pipeline import END_NS
from telemetry.receivers.coalesce import Chunk, Coalescer
from telemetry.selfmetrics import SelfMetrics
from tests.wire import inbound, message


class Names:
    """A pipeline that gives one batch of its senders' names, and breaks on those called broken."""

    def __init__(self, numbers: Iterable[int] | None = None, held: str = "") -> None:
        self._numbers = iter(numbers or count(1))
        self._held = held

    def run(self, chunk: Chunk) -> list[Batch]:
        names = [chunk.distinct[index].id for index in chunk.nodes]
        if "broken" in names:
            raise ValueError(f"can't do {names}")
        return [self._batch(names)]

    def flush(self, now_ns: int) -> list[Batch]:
        held, self._held = (self._held, "") if now_ns == END_NS else ("", self._held)
        return [self._batch([held])] if held else []

    def retire(self, successor: "Names") -> list[Batch]:
        return self.flush(END_NS)

    def _batch(self, names: list[str]) -> Batch:
        return Batch(Template.LOGENTRY, pl.DataFrame({"name": names}), "me", 1, next(self._numbers))


def node(name: str) -> Node:
    return Node(id=name, cluster="", metadata={}, version="", log_name="")


class Fed:
    """A feed with a journal that one cursor reads."""

    def __init__(self, pipeline: Names) -> None:
        self.metrics = SelfMetrics()
        self.journal = MemoryJournal(max_bytes=1 << 20)
        self.journal.attach("sink", [Template.LOGENTRY])
        self.coalescer = Coalescer(max_delay_s=60, max_entries=1000, max_pending_bytes=1 << 20, clock_ns=lambda: 0)
        self.feed = Feed(self.coalescer, pipeline, self.journal, self.metrics.rejected.labels("pipeline_error"))

    async def put(self, *senders: str) -> None:
        for sender in senders:
            await self.coalescer.put(message(inbound()), node(sender), 1)

    async def finish(self) -> None:
        self.coalescer.close()
        await asyncio.wait_for(self.feed.run(), 10)

    async def names(self) -> list[str]:
        read = await asyncio.wait_for(self.journal.read("sink", 0, 100), 10)
        return [name for _, batch in read for name in batch.rows["name"]]

    def rejected(self) -> float:
        return (
            self.metrics.registry.get_sample_value("telemetry_receiver_rejected_total", {"reason": "pipeline_error"})
            or 0.0
        )


async def test_what_comes_in_is_journalled():
    fed = Fed(Names())
    await fed.put("a", "b")
    await fed.finish()
    assert await fed.names() == ["a", "b"]


async def test_only_the_sender_that_breaks_the_pipeline_loses_its_entries():
    fed = Fed(Names())
    await fed.put("a", "broken", "b", "broken")
    with capture_logs() as logged:
        await fed.finish()
    assert sorted(await fed.names()) == ["a", "b"]
    assert fed.rejected() == 2
    assert [line["nodes"] for line in logged if line["log_level"] == "error"] == [["broken"]]


async def test_the_same_failure_is_counted_each_time_and_said_once():
    fed = Fed(Names())
    with capture_logs() as logged:
        feeding = asyncio.create_task(fed.feed.run())
        for _ in range(3):
            await fed.put(*["broken"] * 1000)
            while fed.coalescer.pending_entries:
                await asyncio.sleep(0.001)
        await fed.finish()
        await feeding
    assert fed.rejected() == 3000
    assert len([line for line in logged if line["log_level"] == "error"]) == 1


async def test_another_pipeline_takes_over_and_nothing_held_is_lost():
    fed = Fed(Names(held="left over"))
    await fed.put("a")
    fed.feed.use(Names())
    await fed.feed.flush(0)
    await fed.finish()
    assert await fed.names() == ["left over", "a"]


class Slow(Names):
    """Takes its time over a chunk: until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()

    def run(self, chunk: Chunk) -> list[Batch]:
        self.begun.set()
        assert self.go.wait(10)
        return super().run(chunk)

    def _batch(self, names: list[str]) -> Batch:
        return super()._batch([f"old {name}" for name in names])


async def test_a_chunk_that_is_under_way_stays_with_the_pipeline_that_began_it():
    old = Slow()
    fed = Fed(old)
    await fed.put("a", *["b"] * 999)
    running = asyncio.create_task(fed.feed.run())
    await asyncio.to_thread(old.begun.wait, 10)
    await fed.put("c", *["d"] * 999)
    fed.feed.use(Names())
    old.go.set()
    while fed.coalescer.pending_entries:
        await asyncio.sleep(0.001)
    fed.coalescer.close()
    await asyncio.wait_for(running, 10)
    names = await fed.names()
    assert names[:2] + names[1000:1002] == ["old a", "old b", "c", "d"]
