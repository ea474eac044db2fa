"""What was kept is sent once more, with patience; files go only when every row in them was taken."""

import asyncio
from pathlib import Path

import pytest

from telemetry.dead_letters import DeadLetters, read
from telemetry.delivery import Terms
from telemetry.errors import Partial, Rejected, Retry
from telemetry.replay import Replay, Replayed
from telemetry.rules import Selected
from telemetry.selfmetrics import SelfMetrics
from tests.delivery.sinks import Clock, Sink
from tests.rows import logentries, metrics


def replay(sink: Sink, **options) -> Replay:
    return Replay("sink", sink, sleep=Clock().sleep, **options)


def kept(folder: Path, *batches) -> list[Path]:
    box = DeadLetters(folder, "sink", SelfMetrics(), max_bytes=1 << 24)
    for batch in batches:
        box(batch, ["bad"] * len(batch.rows))
    return [one.path for one in box.files()]


async def test_history_goes_out_in_order_and_keeps_its_identity():
    sink = Sink()
    done = await replay(sink).history([metrics(1, 2, sequence=5), metrics(3, sequence=6)])
    assert sink.rows == [(5, 0), (5, 1), (6, 0)]
    assert (done.batches, done.rows, done.delivered, done.complete) == (2, 3, 3, True)


async def test_a_sink_that_fails_is_tried_again_and_that_is_told():
    told: list[Replayed] = []
    done = await replay(Sink([Retry("busy")] * 3), progress=told.append).history([metrics(1)])
    assert (done.delivered, done.failed_exports, done.last_error) == (1, 3, "Retry: busy")
    assert len(told) == 4


async def test_rules_are_asked_for_history():
    done = await replay(Sink(), select=lambda batch: Selected(batch.slice(0, 1), filtered=2)).history(
        [metrics(1, 2, 3)]
    )
    assert (done.delivered, done.filtered, done.complete) == (1, 2, True)


async def test_what_is_rejected_is_told_with_its_reasons_and_is_not_complete():
    done = await replay(Sink([Rejected("no such topic")])).history([metrics(1, 2), metrics(3)])
    assert (done.delivered, done.rejected, done.finished, done.complete) == (1, 2, True, False)
    assert done.reasons == {"Rejected: no such topic": 2}


async def test_reasons_are_bounded():
    rejected = {at: f"reason {at}" for at in range(500)}
    done = await replay(Sink([Partial("all differ", rejected=rejected)])).history([metrics(*range(500))])
    assert len(done.reasons) == 100
    assert done.rejected == 500


async def test_several_batches_are_on_their_way_at_once_where_the_handler_says_so():
    sink = Sink([asyncio.Event()] * 4)
    one = Replay("sink", sink, Terms(concurrency=4), sleep=Clock().sleep)
    task = asyncio.create_task(one.history(metrics(at, sequence=at) for at in range(10)))
    async with asyncio.timeout(5):
        while sink.running < 4:
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not one.result.finished


async def test_one_that_is_interrupted_tells_what_was_done():
    sink = Sink([None, asyncio.Event()])
    one = replay(sink)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await one.history([metrics(1), metrics(2)])
    assert (one.result.delivered, one.result.finished) == (1, False)


async def test_dead_letters_that_are_taken_are_removed(tmp_path):
    files, sink = kept(tmp_path, metrics(1, 2, sequence=5), metrics(3, sequence=6)), Sink()
    done = await replay(sink).dead_letters(files)
    assert sink.rows == [(5, 0), (5, 1), (6, 0)]
    assert (done.files_removed, done.complete) == (2, True)
    assert not any(path.exists() for path in files)


async def test_a_file_of_which_a_row_is_rejected_again_stays_whole(tmp_path):
    files = kept(tmp_path, metrics(1, 2), metrics(3))
    done = await replay(Sink([Partial("one", rejected={1: "still bad"})])).dead_letters(files)
    assert [path.exists() for path in files] == [True, False]
    assert len(read(files[0]).batch.rows) == 2
    assert (done.delivered, done.rejected, done.complete) == (2, 1, False)


async def test_a_file_stays_when_the_replay_is_interrupted(tmp_path):
    files = kept(tmp_path, metrics(1, 2))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await replay(Sink([asyncio.Event()])).dead_letters(files)
    assert files[0].exists()


async def test_rules_do_not_make_dead_letters_vanish(tmp_path):
    files, sink = kept(tmp_path, metrics(1, 2)), Sink()
    await replay(sink, select=lambda batch: Selected(batch.slice(0, 0), filtered=2)).dead_letters(files)
    assert len(sink.rows) == 2


async def test_letters_of_a_template_that_the_handler_does_not_take_stay(tmp_path):
    files = kept(tmp_path, logentries({}))
    done = await replay(Sink()).dead_letters(files)
    assert files[0].exists()
    assert (done.not_accepted, done.complete) == (1, False)


async def test_a_file_that_can_not_be_read_is_counted_and_left(tmp_path):
    files = kept(tmp_path, metrics(1), metrics(2))
    files[0].write_bytes(b"damaged")
    done = await replay(Sink()).dead_letters(files)
    assert (done.files_unreadable, done.files_removed, done.complete) == (1, 1, False)
    assert files[0].exists()
