"""What a sink refuses: halves for what is too large, dead letters for what it never takes, again for the rest."""

import asyncio
import threading

import numpy as np
import pytest

from telemetry.errors import Partial, Rejected, Retry, TooLarge
from telemetry.journal.memory import MemoryJournal
from tests.delivery.sinks import ROOMY, Box, Clock, Sink, delivery, run_until_delivered, sample, until
from tests.rows import metrics


def at_most(rows):
    return lambda batch: TooLarge(f"more than {rows}") if len(batch.rows) > rows else None


async def test_a_rejected_batch_becomes_a_dead_letter_and_the_next_goes_on():
    journal, box, sink = MemoryJournal(max_bytes=ROOMY), Box(), Sink([Rejected("no such topic")])
    one = delivery(sink, journal, dead_letters=box)
    await journal.append([metrics(1, 2), metrics(3, sequence=2)])
    await run_until_delivered(one)
    assert (one.account().delivered, one.account().dead_lettered, one.account().unaccounted) == (1, 2, 0)
    [(batch, reasons)] = box.letters
    assert (batch.sequence, list(reasons)) == (1, ["Rejected: no such topic"] * 2)
    assert sample(one, "telemetry_handler_dead_lettered_rows_total") == 2


async def test_without_dead_letters_rejected_rows_are_dropped_with_their_reason():
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink([Rejected("no such topic")]), journal)
    await journal.append([metrics(1, 2)])
    await run_until_delivered(one)
    assert one.account().dropped_by == {"rejected": 2}
    assert sample(one, "telemetry_handler_dropped_rows_total", reason="rejected") == 2


async def test_dead_letters_that_can_not_be_written_are_counted_and_hold_nobody_up():
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink([Rejected("no")]), journal, dead_letters=Box(OSError(28, "No space left on device")))
    await journal.append([metrics(1, 2), metrics(3)])
    await run_until_delivered(one)
    assert one.account().dropped_by == {"dead_letter_failed": 2}
    assert one.account().delivered == 1


async def test_what_is_too_large_is_halved_until_it_fits_rows_in_order():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink([at_most(3)] * 100)
    one = delivery(sink, journal)
    await journal.append([metrics(*range(10))])
    await run_until_delivered(one)
    assert sink.rows == [(1, number) for number in range(10)]
    assert sample(one, "telemetry_handler_too_large_total") == 3
    assert sample(one, "telemetry_handler_retries_total") == 0


async def test_a_row_that_is_too_large_alone_becomes_a_dead_letter_the_others_arrive():
    def one_row_never(batch):
        return TooLarge("1.4 MB") if 5 in batch.row_numbers else None

    journal, box, sink = MemoryJournal(max_bytes=ROOMY), Box(), Sink([one_row_never] * 100)
    one = delivery(sink, journal, dead_letters=box)
    await journal.append([metrics(*range(10))])
    await run_until_delivered(one)
    assert box.rows == {(1, 5): 1}
    assert sink.rows == [(1, number) for number in range(10) if number != 5]


async def test_only_rows_that_failed_are_offered_again():
    journal, box, clock = MemoryJournal(max_bytes=ROOMY), Box(), Clock()
    sink = Sink([Partial("two of five", retry=[1, 3], rejected={4: "bad"}, after_s=9)])
    one = delivery(sink, journal, dead_letters=box, sleep=clock.sleep)
    await journal.append([metrics(*range(5))])
    await run_until_delivered(one)
    assert [batch.row_numbers.to_list() for batch in sink.offered] == [[0, 1, 2, 3, 4], [1, 3]]
    assert [list(reasons) for _, reasons in box.letters] == [["bad"]]
    assert box.rows == {(1, 4): 1}
    assert clock.slept_s == [9]
    assert (one.account().delivered, one.account().dead_lettered, one.account().unaccounted) == (4, 1, 0)


@pytest.mark.parametrize(
    ("lie", "delivered", "dead"),
    [
        (Partial("a row that isn't there", retry=[7]), 3, 0),
        (Partial("negative", rejected={-1: "no"}), 3, 0),
        (Partial("both", retry=[1], rejected={1: "no", 2: "no"}), 2, 1),
        (Partial("twice", retry=[1, 1, 1]), 3, 0),
        (Partial("nothing"), 3, 0),
        (Partial("no numbers", rejected={"first": "no"}), 3, 0),  # type: ignore[dict-item]
        (Partial("numbers of numpy", rejected={np.int64(2): "no"}), 2, 1),
        (Partial("no text", rejected={2: object()}), 2, 1),  # type: ignore[dict-item]
        (Partial("after never", retry=[0, 1, 2], after_s=float("nan")), 3, 0),
        (Retry("after words", after_s="soon"), 3, 0),  # type: ignore[arg-type]
    ],
)
async def test_answers_that_make_no_sense_lose_nothing(lie, delivered, dead):
    journal, box = MemoryJournal(max_bytes=ROOMY), Box()
    one = delivery(Sink([lie]), journal, dead_letters=box)
    await journal.append([metrics(1, 2, 3)])
    await run_until_delivered(one)
    account = one.account()
    assert (account.delivered, account.dead_lettered, account.unaccounted) == (delivered, dead, 0)


async def test_a_partial_answer_that_took_nothing_counts_as_a_failure_in_a_row():
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink([Partial("none", retry=[0, 1])] * 3), journal, open_circuit_after=3)
    await journal.append([metrics(1, 2)])
    seen = []
    one._courier.sleep = lambda _: asyncio.sleep(0, seen.append(one.status().state))
    await run_until_delivered(one)
    assert seen == ["retrying", "retrying", "circuit_open"]


async def test_a_dead_letter_that_is_being_written_is_counted_though_the_run_is_cancelled():
    begun, go = threading.Event(), threading.Event()

    class Slow(Box):
        def __call__(self, batch, reasons):
            begun.set()
            go.wait(10)
            super().__call__(batch, reasons)

    journal, box = MemoryJournal(max_bytes=ROOMY), Slow()
    one = delivery(Sink([Rejected("no")]), journal, dead_letters=box)
    await journal.append([metrics(1, 2)])
    task = asyncio.create_task(one.run())
    await until(begun.is_set, task)
    task.cancel()
    await asyncio.sleep(0)
    assert (one.account().pending, one.account().unaccounted) == (2, 0)
    go.set()
    await asyncio.gather(task, return_exceptions=True)
    assert box.rows == {(1, 0): 1, (1, 1): 1}
    assert (one.account().dead_lettered, one.account().pending) == (2, 0)
    await run_until_delivered(one)
    assert len(box.letters) == 1


async def test_hostile_reasons_are_bounded_and_printable_and_show_no_secret():
    said = "\x1b[2J\n" + "https://me:hunter2@sink/ key=s3cr3t " + "x" * 1_000_000
    journal, box = MemoryJournal(max_bytes=ROOMY), Box()
    one = delivery(Sink([Partial("p", rejected={0: said}), Rejected(said)]), journal, dead_letters=box,
                   secrets=["s3cr3t"])  # fmt: skip
    await journal.append([metrics(1), metrics(2, sequence=2)])
    await run_until_delivered(one)
    for text in (one.last_error, *(reason for _, reasons in box.letters for reason in reasons)):
        assert len(text) < 600
        assert text.isprintable()
        assert "hunter2" not in text
        assert "s3cr3t" not in text
