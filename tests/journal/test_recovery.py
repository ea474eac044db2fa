"""A damaged file is replaced whole or not at all, whoever is killed in between."""

import asyncio
import json
import os
import signal
import sys

import pytest

from telemetry.journal.faults import NoRoomError
from telemetry.journal.recovery import recover
from tests.journal.appending import child
from tests.journal.journals import METRIC, everything, journal, size_of
from tests.rows import metrics


async def test_a_recovery_that_is_killed_at_any_step_loses_nothing_that_could_be_read(path):
    killed = await child(path, appends=12)
    assert killed.returncode == -signal.SIGKILL
    os.truncate(path, size_of(path) - 100)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.journal.recovering", str(path), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    *kills, undisturbed = map(json.loads, out.splitlines())
    assert process.returncode == 0
    assert len(kills) > 10
    offsets, cursors, end, _ = undisturbed
    assert len(offsets) >= 12
    assert cursors == ["a"]
    for *left, names in [*kills, undisturbed]:
        assert left == [offsets, cursors, end]
        assert [name for name in names if name.endswith((".whole", ".new"))] == []
        asides = {name.removesuffix("-wal").removesuffix("-shm") for name in names if "damaged" in name}
        assert len(asides) <= 1, "the file and its log go by one name"
        assert all(f"{name}-wal" in names for name in asides)
    assert asides


async def test_what_can_be_neither_replaced_nor_written_stays_as_it_is(path):
    async with journal(path) as one:
        one.attach("a", METRIC)
        await one.append([metrics(1, sequence=1)])
    path.with_name("journal.db.new").mkdir()
    before = path.read_bytes()
    with pytest.raises(NoRoomError, match="can't replace the damaged file"):
        recover(path, "damaged", 0)
    assert path.read_bytes() == before
    path.with_name("journal.db.new").rmdir()
    recover(path, "damaged", 0)
    async with journal(path) as one:
        after = one.attach("a", METRIC)
        assert [batch.sequence for batch in await everything(one, "a", after)] == [1]
