"""History: what the journal still has, by time, for whoever reads beside the service."""

import os
import random
from pathlib import Path

import pytest

from telemetry.batch import Template
from telemetry.errors import StartError
from telemetry.journal.history import History
from tests.journal.journals import METRIC, SECOND_NS, everything, journal
from tests.rows import logentries, metrics


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


def bodies_gone(path: Path) -> None:
    """Overwrite some pages, but not the first, which say what is where."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        for share in (0.3, 0.5, 0.7):
            file.seek(int(size * share) // 4096 * 4096)
            file.write(random.Random(1).randbytes(40_000))


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 3 // 4)


@pytest.mark.parametrize("damage", [bodies_gone, cut_off])
async def test_of_a_file_that_was_set_aside_history_gives_what_the_service_has_taken_over_and_counts_the_rest(
    path, damage
):
    async with journal(path) as one:
        one.attach("a", METRIC)
        for at in range(60):
            await one.append([metrics(*(random.Random(at).random() for _ in range(1 + at % 3 * 2500)), sequence=at)])
    damage(path)
    async with journal(path) as one:
        after = one.attach("a", METRIC)
        kept = [batch.sequence for batch in await everything(one, "a", after)]
    [aside] = [file for file in path.parent.glob("*.damaged-*") if not file.name.endswith(("-wal", "-shm"))]
    history = History(aside)
    assert [batch.sequence for _, _, batch in history.batches()] == kept
    assert len(kept) > 20
    assert len(kept) + history.damaged == 60
    assert [batch.sequence for _, _, batch in history.batches(templates={Template.EDGE})] == []


async def test_a_journal_of_which_nothing_can_be_read_is_said_so(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1)])
    with path.open("r+b") as file:
        file.seek(100)
        file.write(random.Random(1).randbytes(30_000))
    with pytest.raises(StartError, match="can't be read as a journal"):
        list(History(path).batches())
