"""A disk that takes no more: append waits, and goes on by itself."""

import asyncio
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from telemetry.errors import StartError
from tests.journal.appending import child
from tests.journal.journals import METRIC, everything, journal, log_of, size_of, until
from tests.rows import metrics


@asynccontextmanager
async def file_size_limit(limit: int):
    """Let no file grow beyond the limit: to SQLite, a disk that takes no more."""

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


async def test_a_full_disk_holds_append_up_is_said_once_and_is_over_when_there_is_room(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, sequence=1)])
        with capture_logs() as logs:
            async with file_size_limit(size_of(log_of(path)) + 10_000):
                large = metrics(*(random.Random(1).random() for _ in range(50_000)), sequence=2)
                appending = asyncio.create_task(one.append([large]))
                await until(one.problems)
                assert "make room" in one.problems()["journal"]
                assert str(path) in one.problems()["journal"]
                await asyncio.sleep(0.2)
                assert not appending.done()
                assert one.pending_batches("a") == 1
                [(_, batch)] = await asyncio.wait_for(one.read("a", 0, 1), 5)
                assert batch.sequence == 1
            await asyncio.wait_for(appending, 5)
        assert one.problems() == {}
        assert [line["log_level"] for line in logs] == ["error", "info"]
    async with journal(path) as one:
        one.attach("a", METRIC)
        assert [batch.sequence for batch in await everything(one, "a")] == [1, 2]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False, capture_output=True)
    if made.returncode:
        pytest.skip(f"no right to mount: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@contextmanager
def full(folder: Path):
    """Leave no room there."""
    ballast = folder / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(16 << 20))
    try:
        yield
    finally:
        ballast.unlink()


async def filled(path: Path, count: int = 20) -> None:
    async with journal(path) as one:
        one.attach("a", METRIC)
        for at in range(count):
            await one.append([metrics(*(random.Random(at).random() for _ in range(2000)), sequence=at)])


def files_of(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()} - {"journal.db.lock", "journal.db.tally"}


async def test_on_a_real_disk_that_is_full_it_waits_for_room_and_loses_nothing(small_disk):
    path = small_disk / "journal.db"
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, sequence=1)])
        with full(small_disk):
            large = metrics(*(random.Random(1).random() for _ in range(20_000)), sequence=2)
            appending = asyncio.create_task(one.append([large]))
            await until(one.problems)
            assert "full" in one.problems()["journal"]
        await asyncio.wait_for(appending, 5)
        assert one.problems() == {}
    async with journal(path) as one:
        one.attach("a", METRIC)
        assert [batch.sequence for batch in await everything(one, "a")] == [1, 2]


async def test_who_reads_from_a_full_disk_does_not_make_it_look_as_if_there_were_room(path):
    async with journal(path, tail_bytes=1, retry_s=0.2) as one:
        one.attach("a", METRIC)
        for at in range(3):
            await one.append([metrics(at, sequence=at)])
        async with file_size_limit(size_of(log_of(path)) + 10_000):
            large = metrics(*(random.Random(1).random() for _ in range(50_000)), sequence=3)
            appending = asyncio.create_task(one.append([large]))
            await until(one.problems)
            [(_, batch)] = await asyncio.wait_for(one.read("a", 0, 1), 5)
            assert batch.sequence == 0
            assert "make room" in one.problems()["journal"]
            assert not appending.done()
        await asyncio.wait_for(appending, 5)


@pytest.mark.parametrize("end", ["killed", "closed"])
async def test_a_start_on_a_full_disk_says_so_delivers_what_is_there_and_goes_on_when_there_is_room(small_disk, end):
    path = small_disk / "journal.db"
    if end == "killed":
        killed = await asyncio.wait_for(child(path, appends=5), 30)
        kept = max(int(line[1]) for line in killed.lines if line[0] == b"kept") + 1
    else:
        await filled(path, kept := 5)
    with full(small_disk):
        one = await asyncio.wait_for(journal(path).__aenter__(), 5)
        after = one.attach("a", METRIC)
        assert [batch.sequence for batch in await everything(one, "a", after)] == list(range(kept))
        await one.commit("a", one._end)
        appending = asyncio.create_task(one.append([metrics(1, sequence=99)]))
        await until(one.problems)
        assert "full" in one.problems()["journal"]
        assert not appending.done()
    await asyncio.wait_for(appending, 5)
    await until(lambda: not one.problems())
    assert [batch.sequence for batch in await everything(one, "a", one._end - 1)] == [99]
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as beside:
        assert beside.execute("SELECT max(offset) FROM batches").fetchone() == (one._end,), "others may read again"
    await one.__aexit__(None, None, None)


async def test_damage_that_a_start_on_a_full_disk_finds_costs_nothing_more_once_there_is_room(small_disk):
    path = small_disk / "journal.db"
    await filled(path)
    os.truncate(path, size_of(path) - (64 << 10))
    before = files_of(path)
    with full(small_disk), pytest.raises(StartError, match=r"full; make room, or set journal\.path"):
        await journal(path).__aenter__()
    assert files_of(path) - {"journal.db-wal", "journal.db-shm"} == before
    async with journal(path) as one:
        after = one.attach("a", METRIC)
        found = [batch.sequence for batch in await everything(one, "a", after)]
        assert len(found) > 10
        assert one.lost_rows("a") == 2000 * (20 - len(found))


async def test_damage_that_is_found_while_the_disk_is_full_holds_append_up_and_loses_nothing(small_disk):
    path = small_disk / "journal.db"
    await filled(path, 10)
    async with journal(path, tail_bytes=1) as one:
        after = one.attach("a", METRIC)
        await until(lambda: not one._changes)
        await one._disk.run(one._disk._store.make_way)
        shutil.copy(path, small_disk / "copy")
        (small_disk / "copy").replace(path)
        with full(small_disk):
            appending = asyncio.create_task(one.append([metrics(1, sequence=99)]))
            await until(one.problems)
            assert "full" in one.problems()["journal"]
            assert [name for name in files_of(path) if "damaged" in name or "new" in name] == []
        await asyncio.wait_for(appending, 5)
        assert one.problems() == {}
        assert [batch.sequence for batch in await everything(one, "a", after)] == [*range(10), 99]
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("SELECT name, done FROM cursors").fetchall() == [("a", after)]
