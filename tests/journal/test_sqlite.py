"""The durable journal: what was appended is there after a restart, for whom it is meant, once."""

import asyncio
import os
import sqlite3
import stat
from contextlib import suppress

import pytest

from telemetry.batch import Template
from telemetry.errors import StartError
from telemetry.journal.history import History
from telemetry.selfmetrics import SelfMetrics
from tests.journal.batches import assert_equal
from tests.journal.journals import METRIC, SECOND_NS, everything, journal, until
from tests.rows import logentries, metrics


async def test_a_cursor_goes_on_where_it_was(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        offset = await one.append([metrics(1)])
        await one.append([metrics(2, 3, sequence=2)])
        await one.commit("a", offset)
    async with journal(path) as one:
        after = one.attach("a", METRIC)
        assert (after, one.offered_rows("a"), one.pending_rows("a"), one.lost_rows("a")) == (offset, 2, 2, 0)
        [batch] = await everything(one, "a", after)
        assert_equal(batch, metrics(2, 3, sequence=2))


async def test_offsets_never_come_twice(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        last = await one.append([metrics(1)])
        await one.commit("a", last)
    async with journal(path) as one:
        assert one.attach("a", METRIC) == last
        assert await one.append([metrics(2)]) == last + 1


async def test_a_new_cursor_begins_at_the_end(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1)])
        one.attach("late", METRIC)
        assert one.pending_rows("late") == 0


async def test_a_template_that_a_cursor_takes_anew_begins_at_the_end(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        one.attach("b", {Template.LOGENTRY})
        await one.append([metrics(1), logentries({}, {})])
    async with journal(path) as one:
        one.attach("a", {Template.METRIC, Template.LOGENTRY})
        assert one.pending_rows("a") == 1


async def test_what_no_handler_takes_and_nobody_wants_retained_is_not_written(path):
    async with journal(path, retention_s=60, retain={Template.EDGE}) as one:
        one.attach("a", METRIC)
        await one.append([logentries({})])
        assert len(one) == 0
    assert list(History(path).batches()) == []


async def test_history_stays_for_its_time_and_goes_first_when_there_is_no_room(path):
    clock = [SECOND_NS]
    async with journal(path, retention_s=60, clock_ns=lambda: clock[0]) as one:
        one.attach("a", METRIC)
        await one.commit("a", await one.append([metrics(1)]))
        assert len(one) == 1
        assert [batch.rows["value"].to_list() for _, _, batch in History(path).batches()] == [[1.0]]
        clock[0] += 61 * SECOND_NS
        await until(lambda: len(one) == 0)
    async with journal(path, retention_s=60, max_bytes=1) as one:
        one.attach("a", METRIC)
        await one.commit("a", await one.append([metrics(1)]))
        await one.append([metrics(2)])
        assert (len(one), one.lost_rows("a")) == (1, 0)


async def test_too_old_is_given_up_for_those_who_may_lose_only(path):
    clock = [SECOND_NS]
    async with journal(path, max_age_s=60, clock_ns=lambda: clock[0]) as one:
        one.attach("a", METRIC)
        one.attach("entries", {Template.LOGENTRY}, "block")
        await one.append([metrics(1, 2), metrics(3), logentries({})])
        clock[0] += 60 * SECOND_NS
        await until(lambda: one.lost_rows("a") == 3)
        [loss] = one.losses("a")
        assert (loss.first, loss.last, loss.rows, loss.reason) == (1, 2, 3, "expired")
        assert one.lost_rows("entries") == 0


async def test_appends_that_come_together_are_one_transaction(path):
    counts = SelfMetrics()
    async with journal(path, metrics=counts) as one:
        one.attach("a", METRIC)
        await asyncio.gather(*(one.append([metrics(at)]) for at in range(50)))
        assert one.pending_rows("a") == 50
        written = counts.registry.get_sample_value("telemetry_journal_append_seconds_count")
        assert written < 40


async def test_the_tail_is_read_from_memory_and_what_is_older_from_the_disk(path):
    async with journal(path, tail_bytes=1) as one:
        one.attach("a", METRIC)
        sent = [metrics(at, at, sequence=at) for at in range(10)]
        for batch in sent:
            await one.append([batch])
        assert one._tail.get(1) is None
        for batch, expected in zip(await everything(one, "a"), sent, strict=True):
            assert_equal(batch, expected)


async def test_the_file_is_ours_alone(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1)])
        assert path.exists()
        for file in path.parent.iterdir():
            with suppress(FileNotFoundError):  # the tally is written beside itself, and renamed
                assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


async def test_a_second_writer_is_refused_and_told_who_holds_it(path):
    async with journal(path):
        with pytest.raises(StartError, match=rf"in use by process {os.getpid()} .*journal\.path"):
            await journal(path).__aenter__()


@pytest.mark.parametrize(("version", "age"), [(0, "an older"), (999, "a newer")])
async def test_a_file_of_another_format_is_refused_with_the_way_out(path, version, age):
    async with journal(path):
        pass
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version={version}")
    database.close()
    with pytest.raises(StartError, match=f"{age} version .* mv "):
        await journal(path).__aenter__()
    assert list(path.parent.glob("*.damaged-*")) == []


async def test_another_programs_database_is_left_alone(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (a)")
    database.close()
    with pytest.raises(StartError, match="another program's"):
        await journal(path).__aenter__()


async def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"journal: can't write .* set journal\.path"):
        await journal(tmp_path / "file" / "journal.db").__aenter__()


async def test_a_detached_cursor_is_gone_after_a_restart_and_a_forgotten_one_is_not(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        one.attach("b", METRIC)
        await one.append([metrics(1, 2)])
        assert one.detach("b") == 2
    async with journal(path) as one:
        assert one.cursors == {"a"}
        assert len(one) == 1
        assert one.detach("a") == 2
        assert len(one) == 0
