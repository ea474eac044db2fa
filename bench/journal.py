"""`python -m bench.journal`: what the durable journal costs, beside the one in memory, and how fast it is read."""

import asyncio
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
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
TIMES = 4


def entries(mesh: Mesh, count: int = 8) -> list[Batch]:
    """LOGENTRY batches as the pipeline makes them of a mesh's traffic, all attributes."""
    chunks = list(decoded(mesh))[:count]
    normalise = normaliser({node for one in chunks for node in one.nodes}, lean=False)
    for one in chunks:
        normalise.rows(one.columns, one.nodes, 1)
    made = [normalise.entries(one.columns, one.nodes, time.time_ns()) for one in chunks]
    return [Batch(Template.LOGENTRY, rows, "bench", 1, at, by_context=known) for at, (rows, known) in enumerate(made)]


def rows_of(batches: list[Batch]) -> int:
    return sum(len(batch.rows) for batch in batches)


def encoding(batches: list[Batch], rounds: int) -> tuple[float, float, float]:
    """CPU µs an entry to encode and to decode, and bytes an entry."""
    encoder = Encoder()
    stored = [encoder.encode(batch).whole for batch in batches]
    for batch, body in zip(batches, stored, strict=True):
        assert decode(body).rows.equals(batch.rows)
    encode_us = cpu_us(lambda: [encoder.encode(batch) for batch in batches], rows_of(batches), rounds)
    decode_us = cpu_us(lambda: [len(decode(body).rows) for body in stored], rows_of(batches), rounds)
    return encode_us, decode_us, sum(map(len, stored)) / rows_of(batches)


def cpu_us(work: Callable[[], object], rows: int, rounds: int) -> float:
    return best(measured(work) for _ in range(rounds))[0] / rows * 1e6


def measured(work: Callable[[], object]) -> tuple[float, float]:
    began_s, began_wall_s = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - began_s, time.perf_counter() - began_wall_s


def best(times: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Give the least CPU and the least wall time: what others' work on the machine adds is not ours."""
    cpu, wall = zip(*times, strict=True)
    return min(cpu), min(wall)


async def through(journal: MemoryJournal | SqliteJournal, batches: list[Batch], rounds: int) -> tuple[float, float]:
    """CPU and wall µs an entry of append, read and commit by a handler that keeps up."""
    after, times = journal.attach("handler", {Template.LOGENTRY}), []
    for _ in range(rounds + 1):  # the first warms up
        began_s, began_wall_s = time.process_time(), time.perf_counter()
        for batch in batches:
            await journal.append([batch])
            [(after, _)] = await journal.read("handler", after, 4)
            await journal.commit("handler", after)
        times.append((time.process_time() - began_s, time.perf_counter() - began_wall_s))
    cpu_s, wall_s = best(times[1:])
    return cpu_s / rows_of(batches) * 1e6, wall_s / rows_of(batches) * 1e6


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
    rows = sum(len(batch.rows) for _, _, batch in History(path).batches())
    cpu_s, wall_s = best(measured(lambda: deque(History(path).batches(), 0)) for _ in range(TIMES))
    return cpu_s / rows * 1e6, wall_s / rows * 1e6


async def behind(path: Path) -> tuple[float, float]:
    """CPU and wall µs an entry of a handler that starts far behind: everything comes from the disk."""
    async with SqliteJournal(path, SelfMetrics(), max_bytes=4 * GIB) as journal:
        after, rows = journal.attach("behind", {Template.LOGENTRY}), 0
        began_s, began_wall_s = time.process_time(), time.perf_counter()
        while journal.pending_rows("behind"):
            for offset, batch in await journal.read("behind", after, 8):
                after, rows = offset, rows + len(batch.rows)
            await journal.commit("behind", after)
        return (time.process_time() - began_s) / rows * 1e6, (time.perf_counter() - began_wall_s) / rows * 1e6


def late(path: Path, batches: list[Batch], rounds: int) -> tuple[float, float]:
    """Do so again and again."""
    times = []
    for _ in range(TIMES):
        asyncio.run(fill(path, batches, rounds))
        times.append(asyncio.run(behind(path)))
    return best(times)


def main(rounds: Annotated[int, typer.Option(help="how often the batches go through")] = 10) -> None:
    """Print the tables of docs/journal.md."""
    batches = entries(Mesh())
    with tempfile.TemporaryDirectory(prefix="telemetry-bench-", dir=".") as folder:
        encode_us, decode_us, size = encoding(batches, rounds)
        unknown_us, *_ = encoding([replace(batch, by_context=None) for batch in batches], rounds)
        memory = asyncio.run(through(MemoryJournal(max_bytes=GIB), batches, rounds))
        kept = asyncio.run(durable(Path(folder) / "a.db", lambda one: through(one, batches, rounds)))
        behind_it = late(Path(folder) / "b.db", batches, rounds)
        asyncio.run(fill(Path(folder) / "c.db", batches, rounds))
        read = replay(Path(folder) / "c.db")
    in_memory = sum(batch.size_bytes for batch in batches) / rows_of(batches)
    each = rows_of(batches) // len(batches)
    print(f"{len(batches)} batches of {each} entries, POLARS threads {pl.thread_pool_size()}")
    print("\n| | CPU µs/entry | wall µs/entry | entries/s |\n| --- | ---: | ---: | ---: |")
    print(f"| encode | {encode_us:.2f} | | |\n| encode, nothing known of contexts | {unknown_us:.2f} | | |")
    print(f"| decode | {decode_us:.2f} | | |")
    for name, (cpu, wall) in {
        "append, read, commit: memory": memory,
        "append, read, commit: file": kept,
        "history (`telemetry replay`)": read,
        "a handler that was behind": behind_it,
    }.items():
        print(f"| {name} | {cpu:.2f} | {wall:.2f} | {1e6 / wall:,.0f} |")
    print(f"\nbytes/entry: {in_memory:.0f} in memory, {size:.0f} stored")


if __name__ == "__main__":
    typer.run(main)
