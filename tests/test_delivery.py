"""Delivery keeps the law: every row offered is delivered, dropped with a reason, or pending."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.delivery import Delivery, Patience
from telemetry.errors import Rejected, Retry
from telemetry.journal.memory import MemoryJournal
from telemetry.selfmetrics import SelfMetrics
from tests.adapters.fakes import Sink
from tests.rows import logentries, metrics

ROOMY = 1 << 30


class Clock:
    """Sleeps that take no time, and are remembered."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0)


def delivery(sink: Sink, journal: MemoryJournal, name: str = "sink", **options) -> Delivery:
    options.setdefault("sleep", Clock().sleep)
    return Delivery(name, sink, journal, SelfMetrics(), random=Random(7), **options)


async def until(condition, task: asyncio.Task) -> None:
    async with asyncio.timeout(5):
        while not condition():
            assert not task.done(), task.exception()
            await asyncio.sleep(0)


async def run_until(one: Delivery, condition) -> None:
    task = asyncio.create_task(one.run())
    try:
        await until(condition, task)
    finally:
        task.cancel()


async def test_a_batch_arrives_whole_and_is_committed():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink()
    one = delivery(sink, journal)
    await journal.append([metrics(1, 2, 3)])
    await run_until(one, lambda: sink.rows == 3 and one.account().delivered == 3)
    assert one.account().pending == 0
    assert len(journal) == 0


async def test_only_templates_that_the_adapter_accepts_are_offered():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink()
    one = delivery(sink, journal)
    await journal.append([logentries({}), metrics(1)])
    await run_until(one, lambda: one.account().delivered == 1)
    assert one.account().offered == 1


@pytest.mark.parametrize(
    "error",
    [Retry("busy"), ConnectionRefusedError("no"), TimeoutError(), ValueError("a bug"), asyncio.CancelledError()],
)
async def test_any_error_but_rejected_is_tried_again_until_it_works(error):
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink([error, error, None])
    one = delivery(sink, journal)
    await journal.append([metrics(1)])
    await run_until(one, lambda: one.account().delivered == 1)
    assert sink.offered == 3
    assert one.metrics.registry.get_sample_value("telemetry_handler_retries_total", {"handler": "sink"}) == 2


async def test_a_rejected_batch_is_dropped_with_its_reason_and_the_next_goes_on():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink([Rejected("no such topic")])
    one = delivery(sink, journal)
    await journal.append([metrics(1, 2), metrics(3)])
    await run_until(one, lambda: one.account().delivered == 1)
    labels = {"handler": "sink", "reason": "rejected"}
    assert one.metrics.registry.get_sample_value("telemetry_handler_dropped_rows_total", labels) == 2
    assert one.account().dropped == 2


async def test_an_export_beyond_its_deadline_is_cancelled_and_tried_again():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink([asyncio.Event()])
    one = delivery(sink, journal, patience=Patience(deadline_s=0.01))
    await journal.append([metrics(1)])
    await run_until(one, lambda: one.account().delivered == 1)
    assert sink.offered == 2


async def test_a_sink_that_names_a_time_is_tried_again_then():
    journal, clock = MemoryJournal(max_bytes=ROOMY), Clock()
    one = delivery(Sink([Retry("slow down", after_s=17)]), journal, sleep=clock.sleep)
    await journal.append([metrics(1)])
    await run_until(one, lambda: one.account().delivered == 1)
    assert clock.slept_s == [17]


async def test_a_hung_sink_costs_the_others_nothing():
    journal, hung, healthy = MemoryJournal(max_bytes=ROOMY), Sink([asyncio.Event()]), Sink()
    slow, quick = delivery(hung, journal, "hung"), delivery(healthy, journal, "healthy")
    stuck = asyncio.create_task(slow.run())
    await journal.append([metrics(at) for at in range(100)])
    await run_until(quick, lambda: quick.account().delivered == 100)
    stuck.cancel()
    assert slow.account().pending == 100


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_backoff_never_exceeds_its_ceiling(attempt, seed):
    patience = Patience(initial_backoff_s=0.1, max_backoff_s=30)
    assert 0.05 <= patience.backoff_s(attempt, Random(seed)) <= 30


ANSWERS = st.lists(st.sampled_from([None, Retry("later"), OSError("gone"), Rejected("never")]), max_size=30)


@given(
    sizes=st.lists(st.integers(1, 20), max_size=20), answers=ANSWERS, room=st.integers(1, 4000), stop=st.integers(0, 60)
)
def test_the_law_holds_at_every_moment(sizes, answers, room, stop):
    """Batches of any size, a sink of any mood, a journal with too little room, looked at after every step."""

    async def scenario() -> None:
        journal, sink = MemoryJournal(max_bytes=room, on_full="drop_oldest"), Sink(answers)
        one = delivery(sink, journal)
        task = asyncio.create_task(one.run())
        for size in sizes:
            await journal.append([metrics(*range(size))])
            for _ in range(stop % 3):
                await asyncio.sleep(0)
                assert one.account().unaccounted == 0
        for _ in range(stop):
            await asyncio.sleep(0)
            assert one.account().unaccounted == 0
        task.cancel()
        account = one.account()
        assert account.offered == sum(sizes)
        assert account.delivered <= sink.rows

    asyncio.run(scenario())
