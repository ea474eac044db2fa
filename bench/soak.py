"""`make soak`: the fault suite for hours, beside a service that is never stopped and whose memory is watched."""

import asyncio
import csv
import secrets
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer

from bench.machine import machine
from telemetry.demo.binaries import envoy_binary
from telemetry.errors import TelemetryError
from tests.faults.campaign import Campaign, Seen
from tests.faults.schedule import HANDLERS, End, Round, schedule
from tests.faults.world import World, running_world

ROUNDS = 12
PAUSE_S = 1.0
LOOK_EVERY_S = 5.0
# What the steady service may grow by after its first quarter, however long the run.
RSS_GROWTH_BYTES = 64 << 20
RSS_JUDGED_FROM_S = 1800
"""A shorter run can't tell caches and tails that fill from memory that leaks."""
DESCRIPTORS_GROWTH = 12
LINES = 12


@dataclass(frozen=True, slots=True)
class Sample:
    """The steady service at one moment."""

    time_s: float
    rss_bytes: int
    descriptors: int
    threads: int
    journal_bytes: int
    delivered_rows: int
    retries: int
    pending_rows: int
    unaccounted_rows: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def steady_rounds(seed: int, end_s: float) -> AsyncIterator[Round]:
    """All that a service has to live through without ending, at a pace that leaves the machine to others."""
    while time.monotonic() < end_s:
        for one in schedule(seed, ROUNDS):
            end = End.RELOAD if one.end is End.RELOAD else End.GO_ON
            yield replace(one, end=end, damage=None, settled=True)
            await asyncio.sleep(PAUSE_S)
            if time.monotonic() > end_s:
                return
        seed += 1


async def sample(world: World, began_s: float) -> Sample:
    process, own = psutil.Process(world.service.pid), await world.own()

    def total(name: str) -> int:
        return int(sum(own.get((f"telemetry_handler_{name}", handler), 0.0) for handler in HANDLERS))

    return Sample(
        round(time.monotonic() - began_s, 1),
        process.memory_info().rss,
        process.num_fds(),
        process.num_threads(),
        sum(file.stat().st_size for file in world.disk.folder.glob("journal.db*")),
        total("delivered_rows_total"),
        total("retries_total"),
        total("pending_rows"),
        total("unaccounted_rows"),
    )


async def watch(world: World, samples: list[Sample]) -> None:
    began_s = time.monotonic()
    while True:
        with suppress(httpx.HTTPError):
            samples.append(await sample(world, began_s))
        await asyncio.sleep(LOOK_EVERY_S)


async def steady(folder: Path, seed: int, end_s: float, samples: list[Sample]) -> Campaign:
    """Let one service live until then."""
    async with running_world(folder, envoy_binary(), free_port, retention="30s") as world:
        campaign = Campaign(world, seed, whole=False)
        await campaign.begin()
        watching = asyncio.create_task(watch(world, samples))
        async for one in steady_rounds(seed, end_s):
            await campaign.play(one)
        watching.cancel()
        await campaign.end()
    return campaign


async def crashes(folder: Path, seed: int, end_s: float, faults: list[str]) -> tuple[Seen, int]:
    """Play one schedule after another, each in a world of its own; gives what was seen, and of how many schedules."""
    seen, schedules = Seen(), 0
    while time.monotonic() < end_s and not faults:
        with tempfile.TemporaryDirectory(dir=folder, prefix=f"{seed}-") as place:
            try:
                async with running_world(Path(place), envoy_binary(), free_port) as world:
                    campaign = Campaign(world, seed)
                    await campaign.run(schedule(seed, ROUNDS))
            except (AssertionError, TelemetryError, httpx.HTTPError) as error:
                faults.append(f"FAULTS_SEED={seed}: {error!r}")
                break
        faults += [f"FAULTS_SEED={seed}: {fault}" for fault in campaign.faults]
        seen, schedules, seed = seen + campaign.seen, schedules + 1, seed + 1
        print(f"  schedule {schedules}: {campaign.seen.crashes} crashes, {campaign.seen.durable} durable", flush=True)
    return seen, schedules


def growth(samples: list[Sample], name: str) -> float:
    """How much a straight line through all but the first quarter rises."""
    late = samples[len(samples) // 4 :]
    times = [one.time_s for one in late]
    slope, _ = statistics.linear_regression(times, [getattr(one, name) for one in late])
    return slope * (times[-1] - times[0])


def verdict(samples: list[Sample]) -> Iterator[str]:
    """Say what is wrong with the steady service."""
    long_enough = samples[-1].time_s >= RSS_JUDGED_FROM_S
    if long_enough and (rss := growth(samples, "rss_bytes")) > RSS_GROWTH_BYTES:
        yield f"memory grew by {rss / 2**20:.0f} MiB"
    if (descriptors := growth(samples, "descriptors")) > DESCRIPTORS_GROWTH:
        yield f"open files grew by {descriptors:.0f}"
    if any(one.unaccounted_rows for one in samples):
        yield "the law was broken"


def write(samples: list[Sample], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
        writer.writeheader()
        writer.writerows(map(asdict, samples))


def table(samples: list[Sample]) -> str:
    """Some of the samples, evenly spread, for people."""
    step = max(1, len(samples) // LINES)
    head = "| s | RSS MiB | descriptors | threads | journal MiB | delivered | retries | pending | unaccounted |"
    lines = [
        f"| {one.time_s:.0f} | {one.rss_bytes / 2**20:.1f} | {one.descriptors} | {one.threads} | "
        f"{one.journal_bytes / 2**20:.1f} | {one.delivered_rows} | {one.retries} | {one.pending_rows} | "
        f"{one.unaccounted_rows} |"
        for one in samples[::step]
    ]
    return "\n".join([head, "| ---: " * 9 + "|", *lines])


async def soak(folder: Path, seed: int, seconds: float, out: Path) -> list[str]:
    samples: list[Sample] = []
    faults: list[str] = []
    end_s = time.monotonic() + seconds
    for name in ("steady", "crashes"):
        (folder / name).mkdir()
    lived, (seen, schedules) = await asyncio.gather(
        steady(folder / "steady", seed, end_s, samples), crashes(folder / "crashes", seed, end_s, faults)
    )
    write(samples, out)
    print(f"\n{table(samples)}\n\nsteady: {_told(lived.seen)}\n{schedules} schedules with crashes: {_told(seen)}")
    grown = growth(samples, "rss_bytes") / 2**20, growth(samples, "descriptors")
    print(f"after the first quarter: RSS {grown[0]:+.1f} MiB, descriptors {grown[1]:+.1f}; samples: {out}")
    if not schedules or not seen.enough(schedules):
        faults.append("not honest: too little went wrong")
    return [*faults, *(f"steady: {fault}" for fault in (*lived.faults, *verdict(samples)))]


def _told(seen: Seen) -> str:
    told = {name: value for name, value in vars(seen).items() if name != "moods"}
    plain = ", ".join(
        f"{name} {value:.1f}" if isinstance(value, float) else f"{name} {value}" for name, value in told.items()
    )
    return f"{plain}; failures: " + ", ".join(f"{mood} {times}" for mood, times in seen.moods.items() if times)


def main(
    minutes: Annotated[float, typer.Option(min=0.5)] = 60,
    seed: Annotated[int | None, typer.Option(help="repeats a run's schedules")] = None,
    out: Annotated[Path, typer.Option(help="CSV of the steady service's samples")] = Path("soak.csv"),
) -> None:
    """Run it for so long; exits with 1 and says what was broken."""
    seed = secrets.randbelow(10**6) if seed is None else seed
    print(f"→ soaking for {minutes:g} minutes, --seed {seed}, {machine()['processor']}", flush=True)
    with tempfile.TemporaryDirectory(prefix="telemetry-soak-") as folder:
        faults = asyncio.run(soak(Path(folder), seed, minutes * 60, out))
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    raise typer.Exit(bool(faults))


if __name__ == "__main__":
    typer.run(main)
