"""A disk that does not give back a part of the file: that part is lost, and nothing waits for it."""

import asyncio
import sqlite3
from contextlib import contextmanager

import pytest

from telemetry.errors import StartError
from telemetry.journal.cursors import Record
from telemetry.journal.faults import told
from telemetry.journal.store import Store
from telemetry.selfmetrics import SelfMetrics
from tests.journal.journals import METRIC, everything, failures, journal
from tests.rows import metrics

CODES = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_DATA, sqlite3.SQLITE_IOERR_CORRUPTFS)


class BadSector(Store):
    """Can't read the body of one batch, nor open the file the first times."""

    offset, times, opens, code = 0, 1 << 30, 0, sqlite3.SQLITE_IOERR_READ

    def open(self):
        if self.opens:
            self.opens -= 1
            self.fail()
        return super().open()

    def body(self, record: Record) -> bytes | None:
        if record.offset == self.offset and self.times:
            self.times -= 1
            self.fail()
        return super().body(record)

    def fail(self):
        with told():
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self.code
            raise error


@contextmanager
def bad(path, **options):
    """A journal on such a disk, not yet opened."""
    one = journal(path, **options)
    one._disk._store = BadSector(path)
    yield one, one._disk._store


@pytest.mark.parametrize("code", CODES)
async def test_a_batch_that_the_disk_does_not_give_back_costs_only_itself_and_holds_nobody_up(path, code):
    counts = SelfMetrics()
    with bad(path, tail_bytes=1, metrics=counts) as (one, store):
        async with one:
            after = one.attach("a", METRIC, "block")
            for at in range(10):
                await one.append([metrics(at, at, sequence=at)])
            store.offset, store.code = 3, code
            found = await asyncio.wait_for(one.read("a", after, 100), 5)
            assert [offset for offset, _ in found] == [1, 2, *range(4, 11)]
            assert [(loss.first, loss.rows, loss.reason) for loss in one.losses("a")] == [(3, 2, "damaged")]
            assert one.problems() == {}
            assert (failures(counts, "batch"), failures(counts, "file"), failures(counts, "disk")) == (1, 0, 0)


async def test_a_batch_that_the_disk_gives_back_at_the_second_try_is_not_lost(path):
    with bad(path, tail_bytes=1) as (one, store):
        async with one:
            after = one.attach("a", METRIC)
            for at in range(3):
                await one.append([metrics(at, sequence=at)])
            store.offset, store.times = 2, 1
            assert [offset for offset, _ in await one.read("a", after, 100)] == [1, 2, 3]


async def test_a_file_that_the_disk_does_not_give_back_is_set_aside_and_what_can_be_read_of_it_kept(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, 2, sequence=1)])
    with bad(path) as (one, store):
        store.opens = 1
        async with one:
            after = one.attach("a", METRIC)
            assert [batch.sequence for batch in await everything(one, "a", after)] == [1]
    assert [file.name.partition("Z-")[2] for file in path.parent.glob("*.damaged-*r")] == ["disk-i-o-error"]


async def test_a_start_that_no_new_file_helps_says_what_to_do(path):
    with bad(path) as (one, store):
        store.opens = 2
        with pytest.raises(StartError, match=r"can't open .*: disk I/O error; make room, or set journal\.path"):
            await one.__aenter__()
