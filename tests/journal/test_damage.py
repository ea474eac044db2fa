"""A damaged journal: what can be read is there, and of the rest it is known how much it was."""

import asyncio
import os
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from telemetry.journal.tables import PAGE_BYTES
from telemetry.selfmetrics import SelfMetrics
from tests.journal.appending import child
from tests.journal.batches import assert_equal
from tests.journal.journals import METRIC, everything, failures, journal, log_of, until
from tests.rows import metrics


async def fill(path: Path, count: int = 30) -> None:
    async with journal(path) as one:
        one.attach("a", METRIC)
        for at in range(count):
            await one.append([metrics(*(random.Random(at).random() for _ in range(2000)), sequence=at)])


async def damaged(path: Path, damage) -> tuple[int, list, SelfMetrics, list]:
    """Rows lost, batches read, metrics and log of a journal opened after the damage."""
    counts = SelfMetrics()
    damage(path)
    with capture_logs() as logs:
        began_s = asyncio.get_running_loop().time()
        async with journal(path, metrics=counts) as one:
            one.attach("a", METRIC)
            assert asyncio.get_running_loop().time() - began_s < 5
            found = await everything_readable(one)
            assert one.offered_rows("a") == one.pending_rows("a") + one.lost_rows("a")
            await one.append([metrics(7)])
            return one.lost_rows("a"), found, counts, logs


async def everything_readable(one) -> list:
    found, after = [], 0
    while one.pending_batches("a") > len(found):
        reading = asyncio.create_task(one.read("a", after, 100))
        await until(lambda: reading.done() or one.pending_batches("a") == len(found))  # noqa: B023
        if not reading.done():
            reading.cancel()
            break
        got = reading.result()
        after = got[-1][0]
        found += [batch for _, batch in got]
    return found


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(200_000))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096 + 100)


def scrambled_middle(path: Path) -> None:
    scrambled_from(path, 1 / 2, 100_000)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def scrambled_from(path: Path, share: float, count: int) -> None:
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * share))
        file.write(random.Random(2).randbytes(count))


def header_gone(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(4096))


@pytest.mark.parametrize("damage", [garbage, truncated, scrambled_middle, header_gone])
async def test_after_any_damage_it_starts_within_five_seconds_and_every_row_is_there_or_counted(path, damage):
    await fill(path)
    lost, found, counts, logs = await damaged(path, damage)
    assert lost + sum(len(batch.rows) for batch in found) == 30 * 2000
    assert lost > 0
    for batch in found:
        assert_equal(
            batch, metrics(*(random.Random(batch.sequence).random() for _ in range(2000)), sequence=batch.sequence)
        )
    assert failures(counts, "file") + failures(counts, "batch") > 0
    assert [one["event"] for one in logs if one["log_level"] == "error"]


async def test_of_a_damaged_file_what_can_be_read_is_kept_and_the_file_is_named_after_the_time_and_the_fault(path):
    await fill(path)
    lost, found, _, logs = await damaged(path, truncated)
    assert lost < 30 * 2000
    assert found
    asides = [
        file.name for file in path.parent.glob("journal.db.damaged-*") if not file.name.endswith(("-wal", "-shm"))
    ]
    assert len(asides) == 1
    assert asides[0].startswith("journal.db.damaged-20")
    assert "malformed" in asides[0]
    assert sum("set aside" in one["event"] for one in logs) == 1


async def test_a_torn_batch_costs_only_itself(path):
    await fill(path)

    def tear(path):
        with sqlite3.connect(path) as database:
            (body,) = database.execute("SELECT body FROM bodies WHERE offset = 7").fetchone()
            torn = body[: len(body) // 2] + bytes(len(body) - len(body) // 2)
            database.execute("UPDATE bodies SET body = ? WHERE offset = 7", (torn,))
        database.close()

    lost, found, counts, _ = await damaged(path, tear)
    assert lost == 2000
    assert len(found) == 29
    assert failures(counts, "batch") == 1
    assert failures(counts, "file") == 0


async def test_a_torn_log_loses_what_was_in_it_and_says_how_much(path):
    killed = await child(path, appends=20)
    assert killed.returncode == -signal.SIGKILL
    scrambled_from(log_of(path), 1 / 3, 50_000)
    counts = SelfMetrics()
    async with journal(path, metrics=counts) as one:
        one.attach("a", METRIC)
        found = await everything(one, "a")
        assert one.offered_rows("a") == one.lost_rows("a") + sum(len(batch.rows) for batch in found)
        assert one.lost_rows("a") > 0


async def test_a_file_that_is_damaged_while_we_run_is_replaced_and_what_memory_has_is_saved(path):
    counts = SelfMetrics()
    async with journal(path, metrics=counts) as one:
        one.attach("a", METRIC)
        for at in range(10):
            await one.append([metrics(*range(at + 1), sequence=at)])
        await until(lambda: not one._changes)
        await one._disk.run(one._disk._store.make_way)
        garbage(path)
        emptied(log_of(path))
        await asyncio.wait_for(one.append([metrics(1, sequence=99)]), 5)
        assert [batch.sequence for batch in await everything(one, "a")] == [*range(10), 99]
    async with journal(path) as one:
        after = one.attach("a", METRIC)
        assert [batch.sequence for batch in await everything(one, "a", after)] == [*range(10), 99]


async def test_a_file_that_is_deleted_while_we_run_is_written_anew(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, sequence=1)])
        for file in path.parent.glob("journal.db*"):
            file.unlink(missing_ok=True)  # the tally is being replaced all the time
        await asyncio.wait_for(one.append([metrics(2, sequence=2)]), 5)
    async with journal(path) as one:
        after = one.attach("a", METRIC)
        assert [batch.sequence for batch in await everything(one, "a", after)] == [1, 2]


@pytest.mark.parametrize("keep_bytes", [0, 100, 8_000, 16_300])
async def test_a_cursor_whose_page_was_cut_off_is_resumed_from_the_tally(path, keep_bytes):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, 2, sequence=1)])
    with closing(sqlite3.connect(path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'cursors'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES + keep_bytes)
        file.write(bytes(PAGE_BYTES - keep_bytes))
    async with journal(path) as one:
        after = one.attach("a", METRIC)
        assert [batch.sequence for batch in await everything(one, "a", after)] == [1]
        assert one.lost_rows("a") == 0


async def test_a_cursor_that_the_file_has_lost_is_resumed_from_the_tally(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, 2, sequence=1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DELETE FROM cursors")
    async with journal(path) as one:
        after = one.attach("a", METRIC)
        assert [batch.sequence for batch in await everything(one, "a", after)] == [1]
