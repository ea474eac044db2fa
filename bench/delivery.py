"""What delivery costs, and how fast a replay is: `python -m bench.delivery`. CPU of all threads.

The batches are bench.journal's; the sink takes everything at once, so what is left is our own.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import cache
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import polars as pl

from bench.journal import entries
from bench.mesh import Mesh
from telemetry.batch import Batch, Template
from telemetry.dead_letters import DeadLetters, read
from telemetry.delivery import Delivery, Terms
from telemetry.journal.history import History
from telemetry.journal.memory import MemoryJournal
from telemetry.journal.sqlite import SqliteJournal
from telemetry.plugin import Limits
from telemetry.replay import Replay
from telemetry.rules import Selected
from telemetry.selfmetrics import SelfMetrics

BATCHES = 60


class Sink(AbstractAsyncContextManager["Sink"]):
    accepts = frozenset({Template.LOGENTRY})

    async def __aexit__(self, *_: object) -> None:
        return None

    async def export(self, batch: Batch) -> None:
        return


def batches() -> Iterator[Batch]:
    made = entries_of_a_mesh()
    return (replace(made[number % len(made)], sequence=number) for number in range(BATCHES))


@cache
def entries_of_a_mesh() -> list[Batch]:
    return entries(Mesh())


def half(batch: Batch) -> Selected:
    kept = batch.take(pl.Series(range(0, len(batch.rows), 2), dtype=pl.UInt32))
    return Selected(kept, filtered=len(batch.rows) - len(kept.rows))


async def delivered(sink: Sink, **options: object) -> tuple[float, float, int]:
    """CPU seconds, wall seconds and rows of handing all batches over."""
    journal = MemoryJournal(max_bytes=1 << 34)
    one = Delivery("sink", sink, journal, SelfMetrics(), **options)
    for batch in batches():
        await journal.append([batch])
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    task = asyncio.create_task(one.run())
    while journal.pending_rows("sink"):
        await asyncio.sleep(0)
    spent = time.process_time() - cpu_s, time.perf_counter() - wall_s
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert one.account().unaccounted == 0
    return *spent, one.account().offered


async def replayed(folder: Path) -> tuple[float, float, int]:
    path = folder / "journal.db"
    async with SqliteJournal(path, SelfMetrics(), max_bytes=1 << 34, retention_s=3600) as journal:
        journal.attach("sink", {Template.LOGENTRY})
        for batch in batches():
            await journal.append([batch])
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    result = await Replay("sink", Sink()).history(batch for _, _, batch in History(path).batches())
    return time.process_time() - cpu_s, time.perf_counter() - wall_s, result.delivered


async def buried(folder: Path) -> tuple[float, float, int]:
    letters = DeadLetters(folder, "sink", SelfMetrics(), max_bytes=1 << 34)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    rows = 0
    for batch in batches():
        letters(batch, ["no such topic"] * len(batch.rows))
        rows += len(batch.rows)
    spent = time.process_time() - cpu_s, time.perf_counter() - wall_s
    assert sum(len(read(one.path).batch.rows) for one in letters.files()) == rows
    return *spent, rows


def show(what: str, measured: tuple[float, float, int]) -> None:
    cpu_s, wall_s, rows = measured
    print(f"{what:48} {cpu_s / rows * 1e6:8.3f} CPU s per million entries {rows / wall_s:14,.0f} entries/s")


def main() -> None:
    show("handed over whole", asyncio.run(delivered(Sink())))
    show("split into pieces of 1,000 rows", asyncio.run(delivered(Sink(), terms=Terms(limits=Limits(1000)))))
    show("every second row chosen", asyncio.run(delivered(Sink(), select=half)))
    with tempfile.TemporaryDirectory() as folder:
        show("dead letters, written and synced", asyncio.run(buried(Path(folder))))
    with tempfile.TemporaryDirectory() as folder:
        show("replay from the journal's file", asyncio.run(replayed(Path(folder))))


if __name__ == "__main__":
    main()
