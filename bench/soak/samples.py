"""The steady service at one moment after another, in a CSV that is there even if the run is not finished."""

import asyncio
import csv
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TextIO

import httpx
import psutil

from tests.faults.schedule import HANDLERS
from tests.faults.world import World

__all__ = ["Sample", "Watch", "table"]

EVERY_S = 5.0
LINES = 15
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """`lazy_free_bytes`: the part of `rss_bytes` that the kernel may take back at any time."""

    time_s: float
    rss_bytes: int
    lazy_free_bytes: int
    descriptors: int
    threads: int
    journal_bytes: int
    delivered_rows: int
    retries: int
    pending_rows: int
    unaccounted_rows: int


class Watch:
    """Looks at the service, and writes down what it sees."""

    def __init__(self, world: World, out: TextIO) -> None:
        self._world, self._out = world, out
        self._writer = csv.writer(out)
        self._writer.writerow(field.name for field in fields(Sample))
        self._began_s = time.monotonic()
        self.samples: list[Sample] = []

    async def run(self) -> None:
        """Look until cancelled; a service that does not answer is not looked at."""
        while True:
            with suppress(httpx.HTTPError):
                self._note(await self._sample())
            await asyncio.sleep(EVERY_S)

    def _note(self, one: Sample) -> None:
        self.samples.append(one)
        self._writer.writerow(astuple(one))
        self._out.flush()

    async def _sample(self) -> Sample:
        world, process, own = self._world, psutil.Process(self._world.service.pid), await self._world.own()

        def total(name: str) -> int:
            return int(sum(own.get((f"telemetry_handler_{name}", handler), 0.0) for handler in HANDLERS))

        return Sample(
            round(time.monotonic() - self._began_s, 1),
            process.memory_info().rss,
            _lazy_free_bytes(process.pid),
            process.num_fds(),
            process.num_threads(),
            sum(file.stat().st_size for file in world.disk.folder.glob("journal.db*")),
            total("delivered_rows_total"),
            total("retries_total"),
            total("pending_rows"),
            # Not the sum: what one has too many must not hide what another lacks.
            int(max(abs(own["telemetry_handler_unaccounted_rows", handler]) for handler in HANDLERS)),
        )


def _lazy_free_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("LazyFree:")), 0)


def table(samples: Sequence[Sample]) -> str:
    """Some of the samples, evenly spread, for people."""
    step = max(1, len(samples) // LINES)
    head = "| min | RSS MiB | descriptors | threads | journal MiB | delivered | retries | pending | unaccounted |"
    lines = [
        f"| {one.time_s / 60:.1f} | {one.rss_bytes / _MIB:.0f} | {one.descriptors} | {one.threads} | "
        f"{one.journal_bytes / _MIB:.1f} | {one.delivered_rows} | {one.retries} | {one.pending_rows} | "
        f"{one.unaccounted_rows} |"
        for one in [*samples[:-1:step], samples[-1]]
    ]
    return "\n".join([head, "| ---: " * 9 + "|", *lines])
