"""`python -m bench.durability`: what a journal on the disk costs the whole service, and how soon it is ready again."""

import asyncio
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from bench.journal import GIB, entries
from bench.machine import machine
from bench.mesh import Mesh
from bench.null_sink import environment
from bench.replay import Replayed, replay
from bench.service import Own, running, wait_until
from bench.streams import ENVOYS_ENTRIES, Stream, write
from telemetry.batch import Template
from telemetry.journal.sqlite import SqliteJournal
from telemetry.selfmetrics import SelfMetrics

HANDLERS = {
    "prometheus only": "handlers: {prometheus: {adapter: prometheus}}\n",
    "prometheus, and a handler of entries": "handlers: {prometheus: {adapter: prometheus}, null: {adapter: 'null'}}\n",
}
MEMORY = "journal: {path: null, max_bytes: 1GiB}\n"
BEST_OF = 3
FULL_BYTES = 256 << 20
PENDING = "telemetry_handler_pending_rows"
DELIVERED = "telemetry_handler_delivered_rows_total"


@dataclass(frozen=True, slots=True)
class Started:
    """A start, and how fast a handler took what was waiting for it."""

    journal_bytes: int
    ready_s: float
    rows: int
    rows_per_s: float
    cpu_us_per_row: float


def file_at(path: Path) -> str:
    return f"journal: {{path: {path}, max_bytes: 1GiB}}\n"


def installed(folder: Path) -> dict[str, str]:
    """Give an environment that keeps compiled modules, as an installation has them: compiling takes 1.5 s CPU."""
    own = {name: value for name, value in environment(folder).items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, "PYTHONPYCACHEPREFIX": str(folder.parent / "compiled")}


def cost(streams: list[Stream], handlers: str, journal: str, folder: Path, times: int) -> Replayed:
    """Replay to a service of its own, once to warm up, then some times: gives the cheapest."""
    with running(folder, handlers + journal, installed(folder)) as service:
        replay(service, streams, times=1)
        runs = [replay(service, streams, times) for _ in range(BEST_OF)]
        return min(runs, key=lambda one: one.service_cpu_s / one.received)


async def fill(path: Path) -> None:
    """Write what the handler `null` has yet to take."""
    batches = entries(Mesh())
    async with SqliteJournal(path, SelfMetrics(), max_bytes=GIB) as journal:
        journal.attach("null", {Template.LOGENTRY})
        while journal.size_bytes < FULL_BYTES:
            await journal.append(batches)


def start(journal: Path, folder: Path) -> Started:
    """Start on this journal, and wait until the handler has had it."""
    size = journal.stat().st_size if journal.exists() else 0
    began_s = time.monotonic()
    with running(folder, HANDLERS["prometheus, and a handler of entries"] + file_at(journal), installed(folder)) as one:
        ready_s, cpu_s = time.monotonic() - began_s, one.cpu_s
        wait_until(lambda: not Own(one.page()).total(PENDING), "all delivered", 120)
        took_s, cpu_s = time.monotonic() - began_s - ready_s, one.cpu_s - cpu_s
        rows = int(Own(one.page()).total(DELIVERED))
    return Started(size, ready_s, rows, rows / took_s, cpu_s / max(rows, 1) * 1e6)


def costs(root: Path, times: int, rounds: int) -> None:
    """Print what each set of handlers costs with either journal."""
    print("\n| handlers | journal | CPU µs/entry | entries/s a core | entries/s here | of memory's |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    mesh = replace(Mesh(), at_us=int(time.time() * 1e6))
    streams = list(write(mesh, root / "streams", ENVOYS_ENTRIES, rounds))
    for name, handlers in HANDLERS.items():
        memory_us = 0.0
        for kind in ("memory", "file"):
            with tempfile.TemporaryDirectory(dir=root) as place:
                folder = Path(place)
                journal = MEMORY if kind == "memory" else file_at(folder / "journal.db")
                done = cost(streams, handlers, journal, folder, times)
            cpu_us = done.service_cpu_s / done.received * 1e6
            memory_us = memory_us or cpu_us
            rates = f"{1e6 / cpu_us:,.0f} | {done.received / done.seconds:,.0f} | {memory_us / cpu_us:.0%}"
            print(f"| {name} | {kind} | {cpu_us:.2f} | {rates} |", flush=True)


def starts(root: Path) -> None:
    """Print how long a start takes, and how fast what waits is delivered."""
    print("\n| journal MiB | ready s | rows waiting | rows/s from the disk | CPU µs/row |\n" + "| ---: " * 5 + "|")
    for name in ("empty", "full"):
        folder = root / name
        folder.mkdir()
        if name == "full":
            asyncio.run(fill(folder / "journal.db"))
        one = start(folder / "journal.db", folder)
        rates = f"{one.rows_per_s:,.0f} | {one.cpu_us_per_row:.2f}" if one.rows else "– | –"
        print(f"| {one.journal_bytes / 2**20:.0f} | {one.ready_s:.2f} | {one.rows:,} | {rates} |", flush=True)


def main(
    times: Annotated[int, typer.Option(help="how often the streams are replayed")] = 2,
    rounds: Annotated[int, typer.Option(help="how long they are")] = 10,
) -> None:
    """Print the tables of docs/journal.md."""
    for name, value in machine().items():
        print(f"{name}: {value}")
    # On a real disk: the folder for temporary files may be in memory.
    with tempfile.TemporaryDirectory(prefix="telemetry-bench-", dir=".") as place:
        root = Path(place).absolute()
        costs(root, times, rounds)
        starts(root)


if __name__ == "__main__":
    typer.run(main)
