"""`python -m bench.journal`: what the durable journal costs, beside the one in memory, and how fast it is read."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from bench.mesh import Mesh
from bench.normalise import decoded, normaliser
from telemetry.batch import Batch, Template
from telemetry.journal.encoding import Encoder, decode
from telemetry.journal.history import History
from telemetry.journal.memory import MemoryJournal
from telemetry.journal.sqlite import SqliteJournal
from telemetry.selfmetrics import SelfMetrics

GIB = 1 << 30


def entries(mesh: Mesh, count: int = 8) -> list[Batch]:
    """LOGENTRY batches as the pipeline makes them of a mesh's traffic, all attributes."""
    chunks = list(decoded(mesh))[:count]
    normalise = normaliser({node for one in chunks for node in one.nodes}, lean=False)
    for one in chunks:
        normalise.rows(one.columns, one.nodes, 1)
    return [
        Batch(Template.LOGENTRY, normalise.rows(one.columns, one.nodes, time.time_ns()), "bench", 1, at)
        for at, one in enumerate(chunks)
    ]


def rows_of(batches: list[Batch]) -> int:
    return sum(len(batch.rows) for batch in batches)


def encoding(batches: list[Batch], rounds: int) -> tuple[float, float, float]:
    """CPU µs an entry to encode and to decode, and bytes an entry."""
    encoder = Encoder()
    stored = [encoder.encode(batch) for batch in batches]
    for batch, body in zip(batches, stored, strict=True):
        assert decode(body).rows.equals(batch.rows)
    encode_us = cpu_us(lambda: [encoder.encode(batch) for batch in batches], rows_of(batches), rounds)
    decode_us = cpu_us(lambda: [len(decode(body).rows) for body in stored], rows_of(batches), rounds)
    return encode_us, decode_us, sum(map(len, stored)) / rows_of(batches)


def cpu_us(work: Callable[[], object], rows: int, rounds: int) -> float:
    began_s = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - began_s) / rounds / rows * 1e6


async def through(journal: MemoryJournal | SqliteJournal, batches: list[Batch], rounds: int) -> tuple[float, float]:
    """CPU and wall µs an entry of append, read and commit by a handler that keeps up."""
    after = journal.attach("handler", {Template.LOGENTRY})
    for warm in batches:
        after = await journal.append([warm])
        await journal.commit("handler", after)
    began_s, began_wall_s = time.process_time(), time.perf_counter()
    for _ in range(rounds):
        for batch in batches:
            await journal.append([batch])
            [(after, _)] = await journal.read("handler", after, 4)
            await journal.commit("handler", after)
    count = rounds * rows_of(batches)
    return (time.process_time() - began_s) / count * 1e6, (time.perf_counter() - began_wall_s) / count * 1e6


async def durable(path: Path, call: Callable[[SqliteJournal], Awaitable[tuple[float, float]]]) -> tuple[float, float]:
    async with SqliteJournal(path, SelfMetrics(), max_bytes=4 * GIB) as journal:
        return await call(journal)


async def fill(path: Path, batches: list[Batch], rounds: int) -> None:
    async with SqliteJournal(path, SelfMetrics(), max_bytes=4 * GIB, retention_s=3600) as journal:
        journal.attach("behind", {Template.LOGENTRY})
        for _ in range(rounds):
            await journal.append(batches)


def replay(path: Path) -> tuple[float, float]:
    """CPU and wall µs an entry of reading all of a file, as `telemetry replay` does."""
    began_s, began_wall_s, rows = time.process_time(), time.perf_counter(), 0
    for _, _, batch in History(path).batches():
        rows += len(batch.rows)
    return (time.process_time() - began_s) / rows * 1e6, (time.perf_counter() - began_wall_s) / rows * 1e6


async def behind(path: Path) -> tuple[float, float]:
    """CPU and wall µs an entry of a handler that starts far behind: everything comes from the disk."""
    async with SqliteJournal(path, SelfMetrics(), max_bytes=4 * GIB) as journal:
        after, rows = journal.attach("behind", {Template.LOGENTRY}), 0
        began_s, began_wall_s = time.process_time(), time.perf_counter()
        while journal.pending_rows("behind"):
            for offset, batch in await journal.read("behind", after, 4):
                after, rows = offset, rows + len(batch.rows)
            await journal.commit("behind", after)
        return (time.process_time() - began_s) / rows * 1e6, (time.perf_counter() - began_wall_s) / rows * 1e6


def main(rounds: Annotated[int, typer.Option(help="how often the batches go through")] = 10) -> None:
    """Print the tables of docs/journal.md."""
    batches = entries(Mesh())
    with tempfile.TemporaryDirectory(prefix="telemetry-bench-", dir=".") as folder:
        encode_us, decode_us, size = encoding(batches, rounds)
        memory = asyncio.run(through(MemoryJournal(max_bytes=GIB), batches, rounds))
        kept = asyncio.run(durable(Path(folder) / "a.db", lambda one: through(one, batches, rounds)))
        asyncio.run(fill(Path(folder) / "b.db", batches, rounds))
        read, late = replay(Path(folder) / "b.db"), asyncio.run(behind(Path(folder) / "b.db"))
    in_memory = sum(batch.size_bytes for batch in batches) / rows_of(batches)
    each = rows_of(batches) // len(batches)
    print(f"{len(batches)} batches of {each} entries, POLARS threads {pl.thread_pool_size()}")
    print("\n| | CPU µs/entry | wall µs/entry | entries/s |\n| --- | ---: | ---: | ---: |")
    print(f"| encode | {encode_us:.2f} | | |\n| decode | {decode_us:.2f} | | |")
    for name, (cpu, wall) in {
        "append, read, commit: memory": memory,
        "append, read, commit: file": kept,
        "history (`telemetry replay`)": read,
        "a handler that was behind": late,
    }.items():
        print(f"| {name} | {cpu:.2f} | {wall:.2f} | {1e6 / wall:,.0f} |")
    print(f"\nbytes/entry: {in_memory:.0f} in memory, {size:.0f} stored")


if __name__ == "__main__":
    typer.run(main)
