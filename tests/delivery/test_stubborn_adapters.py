"""Adapters that don't end when they are told to: they hold up neither a reload nor the end of the service."""

import asyncio
import threading
from contextlib import suppress

import pytest
import structlog

from telemetry.batch import Template
from telemetry.delivery import Delivery, Patience, Terms
from telemetry.errors import Partial, Rejected, Retry
from telemetry.handlers import Handlers, Outfit
from telemetry.journal.memory import MemoryJournal
from telemetry.rules import everything
from telemetry.selfmetrics import SelfMetrics
from tests.delivery.sinks import ROOMY, Box, Sink, delivery, sample, until
from tests.rows import metrics


class Turning(Sink):
    """Makes another error of its cancellation."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    async def export(self, batch):
        self.offered.append(batch)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise self.error from None


class Deaf(Sink):
    """Fails at first, if it is to; then hears no cancellation: that export ends when `let_go` is set."""

    def __init__(self, fails=False):
        super().__init__()
        self.fails = fails
        self.let_go, self.over = asyncio.Event(), asyncio.Event()

    async def export(self, batch):
        if self.fails:
            self.fails = False
            raise ConnectionError("not yet")
        self.offered.append(batch)
        if len(self.offered) == 1:
            while not self.let_go.is_set():
                with suppress(asyncio.CancelledError):
                    await self.let_go.wait()
            self.over.set()
        self.taken.append(batch)


class DeafToLeaving(Sink):
    """Its leaving hears no cancellation: it ends when `let_go` is set."""

    def __init__(self):
        super().__init__()
        self.let_go = asyncio.Event()

    async def __aexit__(self, *_):
        while not self.let_go.is_set():
            with suppress(asyncio.CancelledError):
                await self.let_go.wait()


def outfit(sink, journal, metrics, made_of=0, box=None) -> Outfit:
    terms = Terms(Patience(deadline_s=3600, initial_backoff_s=0.001, max_backoff_s=0.01, open_circuit_after=1))

    def deliver(adapter):
        return Delivery("sink", adapter, journal, metrics, terms, dead_letters=box)

    return Outfit(made_of, lambda: sink, deliver, frozenset({Template.METRIC}), terms, everything, box)


async def begun(*outfits: tuple[str, Outfit]) -> Handlers:
    handlers = Handlers(lambda task: None, leave_s=0.05)
    await handlers.apply(await handlers.prepare(dict(outfits)))
    return handlers


async def cancelled_while_exporting(one: Delivery, sink: Turning) -> asyncio.Task[None]:
    """Run it, cancel it once the sink was offered something, and wait for its end; gives its task."""
    task = asyncio.create_task(one.run())
    await until(lambda: len(sink.offered) == 1, task)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.done()
    return task


@pytest.mark.parametrize(
    "error", [Retry("closed", after_s=300), ConnectionError("closed"), Partial("closed", retry=[0], after_s=300)]
)
async def test_a_cancellation_that_became_another_error_is_obeyed_and_nothing_waits(error):
    journal, sink = MemoryJournal(max_bytes=ROOMY), Turning(error)
    one = delivery(sink, journal, sleep=asyncio.sleep, initial_backoff_s=300, max_backoff_s=300)
    await journal.append([metrics(1)])
    task = await cancelled_while_exporting(one, sink)
    assert task.cancelled()
    assert (one.account().pending, one.account().unaccounted) == (1, 0)


async def test_a_cancellation_that_became_another_error_says_nothing_of_the_sink():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Turning(ConnectionError("closed"))
    one = delivery(sink, journal)
    await journal.append([metrics(1)])
    await cancelled_while_exporting(one, sink)
    assert (one.failing, one.last_error, one.status().consecutive_failures) == (False, "", 0)


async def test_what_a_sink_took_before_the_cancellation_counts_as_taken():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Turning(Partial("closed", retry=[1]))
    one = delivery(sink, journal)
    await journal.append([metrics(1, 2)])
    await cancelled_while_exporting(one, sink)
    assert (one.account().delivered, one.account().pending) == (1, 1)


async def test_a_group_of_cancellations_that_an_adapter_made_is_tried_again():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink([BaseExceptionGroup("two", [asyncio.CancelledError()])])
    one = delivery(sink, journal)
    await journal.append([metrics(1)])
    task = asyncio.create_task(one.run())
    await until(lambda: len(sink.taken) == 1, task)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sample(one, "telemetry_handler_retries_total") == 1


async def test_a_group_of_our_own_cancellations_is_obeyed_as_one():
    group = BaseExceptionGroup("two", [asyncio.CancelledError(), ConnectionError("closed")])
    journal, sink = MemoryJournal(max_bytes=ROOMY), Turning(group)
    one = delivery(sink, journal)
    await journal.append([metrics(1)])
    task = await cancelled_while_exporting(one, sink)
    assert task.cancelled()
    assert (one.account().pending, one.account().unaccounted, one.failing) == (1, 0, False)


async def test_the_end_does_not_wait_for_an_adapter_that_hears_no_cancellation():
    journal, sink, counted = MemoryJournal(max_bytes=ROOMY), Deaf(), SelfMetrics()
    handlers = await begun(("sink", outfit(sink, journal, counted)))
    await journal.append([metrics(1, 2)])
    one = handlers.deliveries[0]
    async with asyncio.timeout(5):
        while not sink.offered:
            await asyncio.sleep(0)
        with structlog.testing.capture_logs() as logs:
            await handlers.stop()
    assert [entry["handler"] for entry in logs if "left behind" in entry["event"]] == ["sink"]
    sink.let_go.set()
    await asyncio.wait_for(sink.over.wait(), 5)
    assert (one.account().delivered, one.account().pending, one.account().unaccounted) == (0, 2, 0)


async def test_a_reload_goes_on_without_the_adapter_that_hears_nothing_and_its_rows_are_offered_again():
    journal, deaf, better, counted = MemoryJournal(max_bytes=ROOMY), Deaf(), Sink(), SelfMetrics()
    handlers = await begun(("sink", outfit(deaf, journal, counted)))
    await journal.append([metrics(1, 2)])
    one = handlers.deliveries[0]
    async with asyncio.timeout(5):
        while not deaf.offered:
            await asyncio.sleep(0)
        await handlers.apply(await handlers.prepare({"sink": outfit(better, journal, counted, made_of=1)}))
        await one.delivered()
        deaf.let_go.set()
        await deaf.over.wait()
        await journal.append([metrics(3, sequence=2)])
        await one.delivered()
    assert better.rows == [(1, 0), (1, 1), (2, 0)]
    account = one.account()
    assert (account.offered, account.delivered, account.unaccounted) == (3, 3, 0)
    await handlers.stop()


async def test_one_that_hears_nothing_while_the_circuit_is_open_keeps_its_successor_from_nothing():
    journal, better, counted = MemoryJournal(max_bytes=ROOMY), Sink(), SelfMetrics()
    deaf = Deaf(fails=True)
    handlers = await begun(("sink", outfit(deaf, journal, counted)))
    one = handlers.deliveries[0]
    await journal.append([metrics(1)])
    async with asyncio.timeout(5):
        while not deaf.offered:
            await asyncio.sleep(0)
        assert one.status().state == "circuit_open"
        await handlers.apply(await handlers.prepare({"sink": outfit(better, journal, counted, made_of=1)}))
        await one.delivered()
        deaf.let_go.set()
        await handlers.stop()
    assert better.rows == [(1, 0)]


async def test_a_removed_handler_whose_adapter_hears_nothing_gives_up_its_rows_once():
    journal, deaf, counted = MemoryJournal(max_bytes=ROOMY), Deaf(), SelfMetrics()
    handlers = await begun(("sink", outfit(deaf, journal, counted)))
    await journal.append([metrics(1, 2)])
    async with asyncio.timeout(5):
        while not deaf.offered:
            await asyncio.sleep(0)
        await handlers.apply(await handlers.prepare({}))
        deaf.let_go.set()
        await deaf.over.wait()
        await asyncio.sleep(0)
    value = counted.registry.get_sample_value
    assert value("telemetry_handler_dropped_rows_total", {"handler": "sink", "reason": "handler_removed"}) == 2
    assert not value("telemetry_handler_delivered_rows_total", {"handler": "sink"})


async def test_an_adapter_whose_leaving_never_ends_holds_up_nobody():
    journal, counted = MemoryJournal(max_bytes=ROOMY), SelfMetrics()
    sink = DeafToLeaving()
    handlers = await begun(("sink", outfit(sink, journal, counted)))
    with structlog.testing.capture_logs() as logs:
        stopping = asyncio.create_task(handlers.stop())
        await asyncio.wait([stopping], timeout=5)
    assert stopping.done()
    sink.let_go.set()
    assert ["failed when it was left" in entry["event"] for entry in logs] == [True]


async def test_dead_letters_that_hang_are_not_counted_twice():
    let_go = threading.Event()

    class Hung(Box):
        def __call__(self, batch, reasons):
            let_go.wait(10)
            super().__call__(batch, reasons)

    journal, counted, box = MemoryJournal(max_bytes=ROOMY), SelfMetrics(), Hung()
    sink = Sink([Rejected("never")])
    handlers = await begun(("sink", outfit(sink, journal, counted, box=box)))
    one = handlers.deliveries[0]
    await journal.append([metrics(1)])
    async with asyncio.timeout(5):
        while not sink.offered:
            await asyncio.sleep(0)
        await handlers.apply(await handlers.prepare({"sink": outfit(Sink(), journal, counted, made_of=1, box=box)}))
        let_go.set()
        await one.delivered()
    await handlers.stop()
    account = one.account()
    assert (account.dead_lettered, account.unaccounted) == (1, 0)
