"""The journal in memory: bounded, in order, each cursor at its own pace."""

import asyncio

import pytest

from telemetry.batch import Template
from telemetry.journal.holding import held_bytes
from telemetry.journal.memory import MemoryJournal
from tests.rows import logentries, metrics

METRIC = {Template.METRIC}


async def test_what_no_cursor_wants_is_not_kept():
    journal = MemoryJournal(max_bytes=1000)
    journal.attach("a", METRIC)
    await journal.append([logentries({})])
    assert len(journal) == 0


async def test_a_reader_waits_for_what_is_to_come():
    journal = MemoryJournal(max_bytes=1 << 20)
    after = journal.attach("a", METRIC)
    reading = asyncio.create_task(journal.read("a", after, 10))
    await asyncio.sleep(0)
    assert not reading.done()
    await journal.append([metrics(5)])
    [(_, batch)] = await asyncio.wait_for(reading, 5)
    assert batch.rows["value"].to_list() == [5.0]


async def test_batches_come_in_order_and_no_more_than_asked_for():
    journal = MemoryJournal(max_bytes=1 << 20)
    after = journal.attach("a", METRIC)
    await journal.append([metrics(at, sequence=at) for at in range(5)])
    first = await journal.read("a", after, 3)
    rest = await journal.read("a", first[-1][0], 3)
    assert [batch.sequence for _, batch in (*first, *rest)] == [0, 1, 2, 3, 4]


async def test_a_batch_stays_until_every_cursor_that_wants_it_has_committed():
    journal = MemoryJournal(max_bytes=1 << 20)
    journal.attach("a", METRIC)
    journal.attach("b", METRIC)
    offset = await journal.append([metrics(1)])
    await journal.commit("a", offset)
    assert len(journal) == 1
    await journal.commit("b", offset)
    assert len(journal) == 0
    assert journal.size_bytes == 0


async def test_a_cursor_of_another_template_holds_nothing_back():
    journal = MemoryJournal(max_bytes=1 << 20)
    journal.attach("metrics", METRIC)
    journal.attach("entries", {Template.LOGENTRY})
    offset = await journal.append([metrics(1)])
    await journal.commit("metrics", offset)
    assert len(journal) == 0


async def test_a_detached_cursor_holds_nothing_back():
    journal = MemoryJournal(max_bytes=1 << 20)
    journal.attach("a", METRIC)
    await journal.append([metrics(1)])
    journal.detach("a")
    assert len(journal) == 0


async def test_a_full_journal_drops_the_oldest_and_counts_the_rows_for_who_missed_them():
    journal = MemoryJournal(max_bytes=held_bytes(metrics(1, 2)))
    journal.attach("slow", METRIC)
    journal.attach("entries", {Template.LOGENTRY})
    await journal.append([metrics(1, 2), metrics(3, 4)])
    assert journal.lost_rows("slow") == 2
    assert journal.pending_rows("slow") == 2
    assert journal.lost_rows("entries") == 0
    assert journal.size_bytes <= held_bytes(metrics(1, 2))


async def test_what_a_reader_has_in_hand_is_not_lost():
    journal = MemoryJournal(max_bytes=held_bytes(metrics(1, 2)))
    after = journal.attach("a", METRIC)
    await journal.append([metrics(1, 2)])
    [(offset, _)] = await journal.read("a", after, 1)
    await journal.append([metrics(3)])
    assert journal.lost_rows("a") == 0
    assert journal.pending_rows("a") == 3
    await journal.commit("a", offset)
    assert journal.pending_rows("a") == 1


async def test_a_blocking_journal_makes_append_wait_for_room():
    journal = MemoryJournal(max_bytes=held_bytes(metrics(1)))
    journal.attach("a", METRIC, "block")
    first = await journal.append([metrics(1)])
    second = asyncio.create_task(journal.append([metrics(2)]))
    await asyncio.sleep(0)
    assert not second.done()
    await journal.commit("a", first)
    assert await asyncio.wait_for(second, 5) == first + 1
    assert journal.lost_rows("a") == 0


async def test_a_full_journal_says_for_whom_it_waits_as_long_as_it_does():
    journal = MemoryJournal(max_bytes=held_bytes(metrics(1)))
    for name, on_full in (("a", "block"), ("b", "drop_oldest"), ("c", "block")):
        journal.attach(name, METRIC, on_full)
    first = await journal.append([metrics(1)])
    assert journal.problems() == {}
    second = asyncio.create_task(journal.append([metrics(2)]))
    await asyncio.sleep(0)
    assert journal.problems() == {"journal": "full: waits for handler a, c"}
    await journal.commit("a", first)
    await asyncio.sleep(0)
    assert journal.problems() == {"journal": "full: waits for handler c"}
    journal.detach("c")
    await asyncio.wait_for(second, 5)
    assert journal.problems() == {}


@pytest.mark.parametrize("on_full", ["block", "drop_oldest"])
async def test_a_batch_larger_than_the_journal_is_still_kept_alone(on_full):
    journal = MemoryJournal(max_bytes=1)
    journal.attach("a", METRIC, on_full)
    await asyncio.wait_for(journal.append([metrics(1, 2, 3)]), 5)
    assert journal.pending_rows("a") == 3
    assert journal.problems() == {}


def test_a_batch_of_one_row_takes_what_its_columns_need():
    one = metrics(1)
    assert held_bytes(one) > one.size_bytes + 500 * one.rows.width
    many = metrics(*range(10_000))
    assert held_bytes(many) < 1.1 * many.size_bytes
