"""A running cursor that takes other templates, or may no longer be held up, keeps its account."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from telemetry.batch import Template
from telemetry.journal.memory import MemoryJournal
from telemetry.journal.sqlite import SqliteJournal
from telemetry.selfmetrics import SelfMetrics
from tests.rows import logentries, metrics


@pytest.fixture(params=["memory", "sqlite"])
def opened(request, tmp_path):
    @asynccontextmanager
    async def one(max_bytes):
        if request.param == "memory":
            yield MemoryJournal(max_bytes=max_bytes)
        else:
            async with SqliteJournal(tmp_path / "journal.db", SelfMetrics(), max_bytes=max_bytes) as journal:
                yield journal

    return one


async def test_new_templates_come_from_now_on_and_old_ones_that_wait_still_come(opened):
    async with opened(1 << 24) as journal:
        journal.attach("a", {Template.METRIC})
        await journal.append([metrics(1), logentries({})])
        journal.change("a", {Template.LOGENTRY}, "drop_oldest")
        await journal.append([metrics(2), logentries({})])
        found = await asyncio.wait_for(journal.read("a", 0, 10), 5)
        assert [batch.template for _, batch in found] == [Template.METRIC, Template.LOGENTRY]
        await journal.commit("a", found[-1][0])
        rows = sum(len(batch.rows) for _, batch in found)
        assert (journal.offered_rows("a"), journal.pending_rows("a"), journal.lost_rows("a")) == (rows, 0, 0)


async def test_who_may_lose_from_now_on_no_longer_holds_up_an_append(opened):
    async with opened(1 << 20) as journal:
        journal.attach("a", {Template.METRIC}, "block")
        full = [metrics(*range(20_000))]
        appending = [asyncio.create_task(journal.append(full)) for _ in range(20)]
        _, waiting = await asyncio.wait(appending, timeout=0.5)
        assert waiting, "the journal is too large for this test"
        journal.change("a", {Template.METRIC}, "drop_oldest")
        await asyncio.wait_for(asyncio.gather(*appending), 10)
        assert journal.lost_rows("a") > 0
        assert journal.offered_rows("a") == 20 * 20_000
