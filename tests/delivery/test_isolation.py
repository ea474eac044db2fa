"""What one adapter does to threads costs the other handlers nothing."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from telemetry.errors import Rejected
from telemetry.journal.memory import MemoryJournal
from telemetry.rules import Selected
from tests.delivery.sinks import ROOMY, Box, Sink, delivery, run_until, run_until_delivered
from tests.jam import jammed
from tests.rows import metrics


async def test_rules_are_asked_though_all_default_threads_hang():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink()
    one = delivery(sink, journal, select=lambda batch: Selected(batch.slice(0, 1), filtered=1))
    await journal.append([metrics(1, 2)])
    with jammed():
        await run_until_delivered(one)
    assert (one.account().delivered, one.account().filtered) == (1, 1)


async def test_dead_letters_are_written_though_all_default_threads_hang():
    journal, box = MemoryJournal(max_bytes=ROOMY), Box()
    one = delivery(Sink([Rejected("never")]), journal, dead_letters=box)
    await journal.append([metrics(1, 2)])
    with jammed():
        await run_until_delivered(one)
    assert one.account().dead_lettered == 2


async def test_a_handler_whose_dead_letters_hang_keeps_no_other_from_its_own():
    let_go = threading.Event()

    class Hung(Box):
        def __call__(self, batch, reasons):
            let_go.wait(10)
            super().__call__(batch, reasons)

    journal, box = MemoryJournal(max_bytes=ROOMY), Box()
    hung = delivery(Sink([Rejected("never")] * 20), journal, "hung", dead_letters=Hung(), concurrency=20)
    one = delivery(Sink([Rejected("never")]), journal, dead_letters=box)
    stuck = asyncio.create_task(hung.run())
    await journal.append([metrics(at, sequence=at) for at in range(20)])
    await run_until_delivered(one)
    assert one.account().dead_lettered == 1
    let_go.set()
    await hung.delivered()
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    assert hung.account().dead_lettered == 20


async def test_several_batches_of_a_handler_are_asked_about_at_once():
    together = threading.Barrier(3)

    def select(batch):
        together.wait(10)
        return Selected(batch)

    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink(), journal, select=select, concurrency=3)
    await journal.append([metrics(at, sequence=at) for at in range(3)])
    await run_until_delivered(one)
    assert one.account().delivered == 3


async def test_the_threads_of_a_handler_end_with_its_run():
    def select(batch):
        names.append(threading.current_thread())
        return Selected(batch)

    names: list[threading.Thread] = []
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink(), journal, select=select)
    await journal.append([metrics(1)])
    await run_until_delivered(one)
    assert names[0].name.startswith("handler sink")
    await asyncio.to_thread(names[0].join, 10)
    assert not names[0].is_alive()


async def test_a_cancelled_run_does_not_wait_for_rules_that_take_long():
    begun, let_go = threading.Event(), threading.Event()

    def select(batch):
        begun.set()
        let_go.wait(10)
        return Selected(batch)

    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink(), journal, select=select)
    await journal.append([metrics(1)])
    await asyncio.wait_for(run_until(one, begun.is_set), 5)
    assert one.account().pending == 1
    let_go.set()
    await run_until_delivered(one)


async def test_an_adapter_whose_own_thread_hangs_is_alone_with_it():
    let_go = threading.Event()

    class Blocking(Sink):
        threads = ThreadPoolExecutor(1, "plugin")

        async def export(self, batch):
            await asyncio.get_running_loop().run_in_executor(self.threads, let_go.wait, 10)

    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink()
    hangs = delivery(Blocking(), journal, "hangs", deadline_s=0.01)
    one = delivery(sink, journal, select=Selected)
    stuck = asyncio.create_task(hangs.run())
    await journal.append([metrics(at, sequence=at) for at in range(50)])
    await run_until_delivered(one)
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    let_go.set()
    assert (one.account().delivered, hangs.account().delivered) == (50, 0)
