"""Delivery: what is tried again, what is not, in which order, and what it costs the others."""

import asyncio

import pytest

from telemetry.batch import Template
from telemetry.errors import Rejected, Retry
from telemetry.journal.holding import held_bytes
from telemetry.journal.memory import MemoryJournal
from telemetry.rules import Selected
from tests.delivery.sinks import ROOMY, Box, Clock, Sink, delivery, run_until, run_until_delivered, sample, until
from tests.rows import logentries, metrics


async def test_a_batch_arrives_whole_and_is_committed():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink()
    one = delivery(sink, journal)
    await journal.append([metrics(1, 2, 3)])
    await run_until_delivered(one)
    assert sink.rows == [(1, 0), (1, 1), (1, 2)]
    assert one.account().delivered == 3
    assert len(journal) == 0


async def test_only_templates_that_the_adapter_accepts_are_offered():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink()
    one = delivery(sink, journal)
    await journal.append([logentries({}), metrics(1)])
    await run_until_delivered(one)
    assert one.account().offered == 1


async def test_templates_that_no_rule_chooses_are_not_asked_for():
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink(), journal, templates=frozenset[Template]())
    await journal.append([metrics(1)])
    assert one.account().offered == 0
    assert len(journal) == 0


@pytest.mark.parametrize(
    "error",
    [Retry("busy"), ConnectionRefusedError("no"), TimeoutError(), ValueError("a bug"), asyncio.CancelledError(),
     ExceptionGroup("several", [Rejected("one of many")])],
)  # fmt: skip
async def test_any_error_but_rejected_is_tried_again_until_it_works(error):
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink([error, error, None])
    one = delivery(sink, journal)
    await journal.append([metrics(1)])
    await run_until_delivered(one)
    assert len(sink.offered) == 3
    assert sample(one, "telemetry_handler_retries_total") == 2


async def test_an_exception_that_can_not_even_be_printed_is_tried_again():
    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink([UnprintableError()]), journal)
    await journal.append([metrics(1)])
    await run_until_delivered(one)
    assert one.account().delivered == 1


async def test_an_export_beyond_its_deadline_is_cancelled_and_tried_again():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink([asyncio.Event()])
    one = delivery(sink, journal, deadline_s=0.01)
    await journal.append([metrics(1)])
    await run_until_delivered(one)
    assert len(sink.offered) == 2
    assert "no answer within 0.01 s" in one.last_error


async def test_a_sink_that_names_a_time_is_tried_again_then():
    journal, clock = MemoryJournal(max_bytes=ROOMY), Clock()
    one = delivery(Sink([Retry("slow down", after_s=17)]), journal, sleep=clock.sleep)
    await journal.append([metrics(1)])
    await run_until_delivered(one)
    assert clock.slept_s == [17]


async def test_a_batch_that_never_goes_waits_ever_longer_though_others_succeed():
    journal, clock = MemoryJournal(max_bytes=ROOMY), Clock()
    fails = iter([True] * 6)
    sink = Sink([lambda batch: Retry("poison") if batch.sequence == 1 and next(fails, False) else None] * 100)
    one = delivery(sink, journal, concurrency=2, sleep=clock.sleep, initial_backoff_s=1)
    await journal.append([metrics(at, sequence=at) for at in range(1, 30)])
    await run_until_delivered(one)
    assert clock.slept_s == sorted(clock.slept_s)
    assert clock.slept_s[-1] >= 16


async def test_a_hung_sink_costs_the_others_nothing():
    journal, hung, healthy = MemoryJournal(max_bytes=ROOMY), Sink([asyncio.Event()]), Sink()
    slow, quick = delivery(hung, journal, "hung", deadline_s=3600), delivery(healthy, journal, "healthy")
    stuck = asyncio.create_task(slow.run())
    await journal.append([metrics(at) for at in range(100)])
    await run_until_delivered(quick)
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    assert quick.account().delivered == 100
    assert slow.account().pending == 100


async def test_several_batches_are_on_their_way_at_once_and_commits_stay_in_order():
    journal, gate = MemoryJournal(max_bytes=ROOMY), asyncio.Event()
    sink = Sink([gate])  # the first hangs, all others are taken
    one = delivery(sink, journal, concurrency=3)
    await journal.append([metrics(at, sequence=at) for at in range(6)])
    task = asyncio.create_task(one.run())
    await until(lambda: len(sink.taken) == 5, task)
    assert one.account().delivered == 5
    assert one.account().pending == 1
    assert journal.pending_batches("sink") == 6  # none is committed before the first
    assert one.status().lag_batches == 1
    gate.set()
    await until(lambda: journal.pending_batches("sink") == 0, task)
    task.cancel()


async def test_no_more_batches_are_on_their_way_than_may_be():
    journal = MemoryJournal(max_bytes=ROOMY)
    sink = Sink([asyncio.Event()] * 8)
    one = delivery(sink, journal, concurrency=4, deadline_s=0.01)
    await journal.append([metrics(at, sequence=at) for at in range(40)])
    await run_until_delivered(one)
    assert sink.most_running == 4


async def test_what_may_be_in_hand_is_bounded_while_the_first_batch_hangs():
    journal, gate = MemoryJournal(max_bytes=ROOMY), asyncio.Event()
    sink = Sink([gate])
    one = delivery(sink, journal, concurrency=2)
    await journal.append([metrics(at, sequence=at) for at in range(100)])
    task = asyncio.create_task(one.run())
    await until(lambda: len(sink.taken) == one.terms.window - 1, task)
    for _ in range(20):
        await asyncio.sleep(0)
    assert one.status().in_hand == one.terms.window == 32
    gate.set()
    await until(lambda: len(sink.taken) == 100, task)
    task.cancel()


async def test_a_run_that_was_cancelled_goes_on_in_the_middle_of_a_batch():
    journal, gate = MemoryJournal(max_bytes=ROOMY), asyncio.Event()
    sink = Sink([None, gate])
    one = delivery(sink, journal, read_limit=2)
    one.terms = _rows_at_a_time(one, 2)
    await journal.append([metrics(1, 2, 3, 4)])
    await run_until(one, lambda: len(sink.offered) == 2)
    assert (one.account().delivered, one.account().pending) == (2, 2)
    await run_until_delivered(one)
    assert sink.rows == [(1, 0), (1, 1), (1, 2), (1, 3)]


def _rows_at_a_time(one, rows):
    from dataclasses import replace

    from telemetry.plugin import Limits

    return replace(one.terms, limits=Limits(rows))


async def test_rules_may_be_replaced_while_it_runs():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink()
    one = delivery(sink, journal)
    task = asyncio.create_task(one.run())
    await journal.append([metrics(1, 2)])
    await until(lambda: len(sink.rows) == 2, task)
    one.select = lambda batch: Selected(batch.slice(0, 1), filtered=1, sampled_out=2)
    await journal.append([metrics(1, 2, 3, 4, sequence=2)])
    await until(lambda: not journal.pending_rows("sink"), task)
    task.cancel()
    account = one.account()
    assert (account.delivered, account.filtered, account.sampled_out) == (3, 1, 2)
    assert account.unaccounted == 0
    assert sample(one, "telemetry_handler_sampled_out_rows_total") == 2


async def test_rules_that_choose_nothing_let_the_batch_go():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink()
    one = delivery(sink, journal, select=lambda batch: Selected(batch.slice(0, 0), filtered=len(batch.rows)))
    await journal.append([metrics(1, 2)])
    await run_until_delivered(one)
    assert sink.offered == []
    assert one.account().filtered == 2


async def test_rules_that_fail_make_dead_letters_not_a_halt():
    def broken(batch):
        raise ZeroDivisionError("in a rule")

    journal, box = MemoryJournal(max_bytes=ROOMY), Box()
    one = delivery(Sink(), journal, select=broken, dead_letters=box)
    await journal.append([metrics(1, 2)])
    await run_until_delivered(one)
    assert one.account().dead_lettered == 2
    assert "ZeroDivisionError: in a rule" in box.letters[0][1][0]


async def test_counts_of_rules_that_lie_do_not_break_the_law():
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink(), journal, select=lambda batch: Selected(batch.slice(0, 1), filtered=-5, sampled_out=99))
    await journal.append([metrics(1, 2, 3)])
    await run_until_delivered(one)
    assert one.account().sampled_out == 2
    assert one.account().unaccounted == 0


async def test_a_retired_handler_leaves_its_rows_counted():
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink(), journal)
    await journal.append([metrics(1, 2)])
    assert one.retire() == 2
    assert sample(one, "telemetry_handler_dropped_rows_total", reason="handler_removed") == 2
    assert one.metrics.registry.get_sample_value("telemetry_handler_pending_rows", {"handler": "sink"}) is None
    assert len(journal) == 0


async def test_losses_of_the_journal_are_counted_by_their_reason():
    journal = MemoryJournal(max_bytes=held_bytes(metrics(1)))
    one = delivery(Sink(), journal)
    await journal.append([metrics(1)])
    await journal.append([metrics(2)])
    account = one.account()
    assert account.dropped_by == {"journal_full": 1}
    assert account.unaccounted == 0
    assert sample(one, "telemetry_handler_dropped_rows_total", reason="journal_full") == 1


async def test_who_waits_for_all_to_be_delivered_is_told():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink([Retry("not yet")] * 3)
    one = delivery(sink, journal)
    await journal.append([metrics(1), metrics(2)])
    task = asyncio.create_task(one.run())
    await asyncio.wait_for(one.delivered(), 10)
    task.cancel()
    assert one.account().delivered == 2


async def test_an_adapter_that_swallows_a_cancellation_can_not_keep_it_running():
    class Stubborn(Sink):
        async def export(self, batch):
            self.offered.append(batch)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.taken.append(batch)

    journal, sink = MemoryJournal(max_bytes=ROOMY), Stubborn()
    one = delivery(sink, journal)
    await journal.append([metrics(1), metrics(2)])
    task = asyncio.create_task(one.run())
    await until(lambda: len(sink.offered) == 1, task)
    task.cancel()
    await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 10)
    assert (one.account().delivered, one.account().pending) == (1, 1)


async def test_a_sink_is_unreachable_until_it_has_answered_for_the_first_time():
    journal = MemoryJournal(max_bytes=ROOMY)
    answered, never = asyncio.Event(), asyncio.Event()
    sink = Sink([ConnectionError("gone"), answered, ConnectionError("gone again"), never])
    one = delivery(sink, journal)
    await journal.append([metrics(1), metrics(2, sequence=2)])
    assert one.unreachable == ""
    running = asyncio.create_task(one.run())
    await until(lambda: one.failing, running)
    assert one.unreachable == "ConnectionError: gone"
    answered.set()
    await until(lambda: "again" in one.last_error, running)
    assert (one.failing, one.unreachable) == (True, "")
    one.adapter = sink
    assert one.unreachable == "ConnectionError: gone again"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_who_may_wait_less_waits_no_more_once_the_sink_fails():
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink([ConnectionError("gone")] * 1000), journal)
    await journal.append([metrics(1)])
    waiting = asyncio.create_task(one.delivered(unless_failing=True))
    await asyncio.sleep(0)
    assert not waiting.done()
    await run_until(one, lambda: one.failing)
    await asyncio.wait_for(waiting, 5)
    assert one.account().pending == 1
