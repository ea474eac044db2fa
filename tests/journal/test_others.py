"""Other programs that look into the journal, and what else stands in its way: nothing that was kept is lost by it."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.errors import StartError
from telemetry.journal.faults import NoRoomError
from telemetry.journal.recovery import recover
from telemetry.journal.sqlite import SqliteJournal
from telemetry.journal.store import Store
from telemetry.selfmetrics import SelfMetrics
from tests.journal.journals import METRIC, everything, failures, journal, until
from tests.rows import metrics

LOOK = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT count(*) FROM batches'); db.close()"


def as_killed(path: Path, to: Path) -> Path:
    """Give a copy of what a kill -9 would leave."""
    to.mkdir()
    for part in path.parent.glob(f"{path.name}*"):
        shutil.copy(part, to)
    return to / path.name


async def sequences(path: Path, **options) -> list[int]:
    async with journal(path, **options) as one:
        return [batch.sequence for batch in await everything(one, "a", one.attach("a", METRIC))]


async def test_who_looks_into_the_journal_with_a_program_of_his_own_costs_nothing(path, tmp_path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, sequence=1)])
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", LOOK, str(path)], check=True)
        await one.append([metrics(2, sequence=2)])
        killed = as_killed(path, tmp_path / "killed")
    assert await sequences(killed) == [1, 2]


async def test_a_log_that_was_deleted_is_saved_from_what_is_open_and_begun_anew(path, tmp_path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, sequence=1)])
        path.with_name(path.name + "-wal").unlink()
        await one.append([metrics(2, sequence=2)])
        killed = as_killed(path, tmp_path / "killed")
        assert not list(path.parent.glob("*.damaged-*"))
    assert await sequences(killed) == [1, 2]


def test_a_store_that_is_closed_is_opened_again_when_it_is_asked(path):
    path.parent.mkdir()
    store = Store(path)
    store.open()
    store.close()
    store.make_way()
    store.check()
    store.close()
    shutil.rmtree(path.parent)
    with pytest.raises(NoRoomError):
        store.make_way()


async def test_what_a_recovery_cost_is_told_even_if_it_was_killed_at_its_end(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        for at in range(5):
            await one.append([metrics(at, sequence=at)])
        await until(path.with_name(path.name + ".tally").exists)
    # Killed before the new file had its place, and nothing could be copied in time.
    recovered = recover(path, "for a test", 1, limit_s=-1)
    path.rename(recovered.aside.with_name(recovered.aside.name + ".whole"))
    recovered.aside.rename(path)
    told = SelfMetrics()
    async with journal(path, metrics=told) as one:
        one.attach("a", METRIC)
        assert sum(loss.rows for loss in one.losses("a")) == 5
        assert one.pending_batches("a") == 0
    assert failures(told, "file") == 1


async def test_who_holds_the_file_is_told_to_let_go_of_it(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StartError, match="close the program that has it open"):
            async with SqliteJournal(path, SelfMetrics(), max_bytes=1 << 20):
                pass
    finally:
        holder.close()
