"""A disk that takes no more: append waits, and goes on by itself."""

import asyncio
import random
import resource
import signal
import subprocess
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

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
    """A file system of 2 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False, capture_output=True)
    if made.returncode:
        pytest.skip(f"no right to mount: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_on_a_real_disk_that_is_full_it_waits_for_room_and_loses_nothing(small_disk):
    path = small_disk / "journal.db"
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, sequence=1)])
        ballast = small_disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(bytes(4 << 20))
        large = metrics(*(random.Random(1).random() for _ in range(20_000)), sequence=2)
        appending = asyncio.create_task(one.append([large]))
        await until(one.problems)
        assert "full" in one.problems()["journal"]
        ballast.unlink()
        await asyncio.wait_for(appending, 5)
        assert one.problems() == {}
    async with journal(path) as one:
        one.attach("a", METRIC)
        assert [batch.sequence for batch in await everything(one, "a")] == [1, 2]
