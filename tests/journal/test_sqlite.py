"""The durable journal: what was appended is there after anything, and what is lost is known."""

import asyncio
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from telemetry.batch import Template
from telemetry.errors import StartError
from telemetry.journal.history import History
from telemetry.journal.sqlite import SqliteJournal
from telemetry.journal.tables import PAGE_BYTES
from telemetry.selfmetrics import SelfMetrics
from tests.journal.batches import assert_equal
from tests.rows import logentries, metrics

METRIC = {Template.METRIC}
SECOND_NS = 1_000_000_000


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "data" / "journal.db"


def journal(path: Path, **options) -> SqliteJournal:
    options = {"max_bytes": 1 << 30, "flush_s": 0.02, "retry_s": 0.02, **options}
    return SqliteJournal(path, options.pop("metrics", None) or SelfMetrics(), **options)


async def until(condition, deadline_s=5.0):
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


async def everything(one: SqliteJournal, cursor: str, after: int = 0) -> list:
    found = []
    while one.pending_batches(cursor) > len(found):
        got = await asyncio.wait_for(one.read(cursor, found[-1][0] if found else after, 100), 5)
        found += got
    return [batch for _, batch in found]


def failures(metrics_: SelfMetrics, kind: str) -> float:
    return metrics_.registry.get_sample_value("telemetry_journal_failures_total", {"kind": kind}) or 0


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


# Damage


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


def log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def size_of(path: Path) -> int:
    return path.stat().st_size


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


# A full disk


@asynccontextmanager
async def file_size_limit(limit: int):
    """Let no file grow beyond the limit: to SQLite, a disk that takes no more."""
    import resource

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


# Crashes

CHILD = """
import asyncio, random, sys
from pathlib import Path
from telemetry.batch import Template
from telemetry.journal.sqlite import SqliteJournal
from telemetry.selfmetrics import SelfMetrics
from tests.rows import metrics

def batch(sequence):
    return metrics(*(random.Random(sequence).random() for _ in range(1 + sequence % 7 * 400)), sequence=sequence)

async def main(path, begin, appends):
    async with SqliteJournal(path, SelfMetrics(), max_bytes=1 << 30, flush_s=0.01) as journal:
        journal.attach("a", {Template.METRIC})
        print("open", flush=True)
        sequence = begin
        while sequence < begin + appends:
            some = [batch(sequence + at) for at in range(1 + sequence % 3)]
            print("append", sequence, len(some), flush=True)
            await journal.append(some)
            sequence += len(some)
            print("kept", sequence - 1, flush=True)
        await asyncio.sleep(0.05)
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
"""


async def child(path: Path, *, begin: int = 0, appends: int = 10_000, kill_after: int | None = None, wait_s: float = 0):
    """A process that appends without end; killed `wait_s` after it began its `kill_after`th append."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(path), str(begin), str(appends), stdout=asyncio.subprocess.PIPE
    )
    process.lines = []
    started = 0
    async for line in process.stdout:
        if line.endswith(b"\n"):  # or it was killed while it wrote the line, before it did what it says
            process.lines.append(line.split())
        started += line.startswith(b"append")
        if started == kill_after:
            await asyncio.sleep(wait_s)
            process.kill()
            kill_after = None
    await process.wait()
    return process


def batch_of(sequence: int):
    return metrics(*(random.Random(sequence).random() for _ in range(1 + sequence % 7 * 400)), sequence=sequence)


async def test_whatever_moment_it_is_killed_at_what_was_appended_is_there_and_nothing_else(path):
    chance, in_the_middle, begin = random.Random(4711), 0, 0
    for _ in range(6):
        killed = await child(path, begin=begin, kill_after=chance.randint(1, 25), wait_s=chance.random() * 0.004)
        assert killed.returncode == -signal.SIGKILL
        kept = max((int(line[1]) for line in killed.lines if line[0] == b"kept"), default=begin - 1)
        begun = [int(line[1]) + int(line[2]) - 1 for line in killed.lines if line[0] == b"append"][-1]
        in_the_middle += begun > kept
        async with journal(path) as one:
            after = one.attach("a", METRIC)
            found = await everything(one, "a", after)
            sequences = [batch.sequence for batch in found]
            assert sequences == list(range(begin, begin + len(sequences)))
            assert kept <= begin + len(sequences) - 1 <= begun
            assert len(sequences) in (kept + 1 - begin, begun + 1 - begin), "an append is there whole or not at all"
            for batch in found:
                assert_equal(batch, batch_of(batch.sequence))
            await one.commit("a", one._end)
        begin += len(sequences)
    assert in_the_middle >= 2, "too few kills hit an append: this run has shown nothing"


# History


async def test_history_is_read_by_time_and_template_while_the_service_writes(path):
    clock = [10 * SECOND_NS]
    async with journal(path, retention_s=1000, clock_ns=lambda: clock[0]) as one:
        one.attach("a", {Template.METRIC, Template.LOGENTRY})
        for at in range(5):
            await one.append([metrics(at, sequence=at), logentries({}, sequence=at)])
            clock[0] += SECOND_NS
        history = History(path)
        found = list(history.batches(11 * SECOND_NS, 13 * SECOND_NS, METRIC))
        assert [(ns // SECOND_NS, batch.sequence) for _, ns, batch in found] == [(11, 1), (12, 2)]
        walking = history.batches()
        next(walking)
        await one.append([metrics(99, sequence=99)])
        assert [batch.sequence for _, _, batch in walking][-1] == 99
    assert len(list(History(path).batches())) == 11, "and of a file that nobody has open"


def test_a_history_that_is_not_there_or_not_a_journal_is_said_so(tmp_path):
    with pytest.raises(StartError, match="there is no journal"):
        next(History(tmp_path / "none").batches())
    (tmp_path / "text").write_text("hello" * 1000)
    with pytest.raises(StartError, match="can't be read as a journal"):
        next(History(tmp_path / "text").batches())
