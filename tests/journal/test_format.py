"""A journal that an older version of this program wrote is read, and gone on with."""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from telemetry.batch import Template
from telemetry.journal.history import History
from telemetry.journal.sqlite import SqliteJournal
from telemetry.journal.tables import FORMAT, READABLE
from telemetry.selfmetrics import SelfMetrics
from tests.journal.batches import assert_equal
from tests.rows import metrics

FILES = Path(__file__).parent / "files"
"""By format: two batches that wait for `handler`, metrics(1, 2) and 400 entries of seven keys."""


OLDER = sorted(READABLE - {FORMAT})


@pytest.fixture(params=OLDER)
def older(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def path(older: int, tmp_path) -> Path:
    path = tmp_path / "journal.db"
    path.write_bytes(gzip.decompress((FILES / f"format{older}.db.gz").read_bytes()))
    return path


def format_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def look_at(entries: pl.DataFrame) -> None:
    index = pl.int_range(400, eager=True)
    assert entries["source.app"].to_list() == [f"app-{at % 7}" for at in index]
    assert entries["request.path"].to_list() == [f"/items/{at % 50}?page={at % 3}" for at in index]
    assert entries["request.url_path"].to_list() == [f"/items/{at % 50}" for at in index]
    assert entries["request.useragent"].to_list() == [f"a browser of some age/{at % 3}" for at in index]
    assert entries["request.id"].to_list() == [f"id-{at}" for at in index]
    assert entries["response.size"].to_list() == [at * 1000 for at in index]


def test_history_reads_it_and_leaves_it_as_it_is(path, older):
    first, second = [batch for _, _, batch in History(path).batches()]
    assert_equal(first, metrics(1, 2, sequence=1))
    look_at(second.rows)
    assert format_of(path) == older


async def test_what_waits_in_it_is_delivered_and_more_is_written_which_older_versions_refuse(path, older):
    async with SqliteJournal(path, SelfMetrics(), max_bytes=1 << 30) as journal:
        after = journal.attach("handler", {Template.METRIC, Template.LOGENTRY})
        old = await journal.read("handler", after, 10)
        await journal.append([old[1][1]])
    look_at(old[1][1].rows)
    assert format_of(path) == FORMAT > older
    async with SqliteJournal(path, SelfMetrics(), max_bytes=1 << 30) as journal:
        after = journal.attach("handler", {Template.METRIC, Template.LOGENTRY})
        found = [batch for _, batch in await journal.read("handler", after, 10)]
        assert [batch.template for batch in found] == [Template.METRIC, Template.LOGENTRY, Template.LOGENTRY]
        assert_equal(found[2], found[1])
