"""`make soak`: two lives at once, one killed again and again and one never stopped; then the verdict."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import httpx
import typer

from bench.machine import machine
from bench.soak.samples import Sample, Watch, table
from bench.soak.verdict import Finding, of_crashes, of_steady, told
from telemetry.demo.binaries import envoy_binary
from telemetry.errors import TelemetryError
from tests.faults.campaign import Campaign
from tests.faults.schedule import End, schedule
from tests.faults.seen import Seen
from tests.faults.world import running_world

ROUNDS = 12
RETENTION = "5m"
"""Of the steady service's journal: its tail in memory is full soon, its disk never."""
WRONG = (AssertionError, TelemetryError, httpx.HTTPError)
"""What a campaign may end with, when it can't go on."""


@dataclass
class Told:
    """What a life has to say in the end."""

    seen: Seen = field(default_factory=Seen)
    faults: list[str] = field(default_factory=list)
    schedules: int = 0


@dataclass(frozen=True, slots=True)
class Soak:
    """`pause_s`: between two rounds of either life; the longer, the more of the machine is left to others."""

    folder: Path
    seed: int
    end_s: float
    pause_s: float

    async def steady(self, out: Path) -> tuple[Told, list[Sample]]:
        """Let one service live until the end."""
        told = Told()
        folder = self.folder / "steady"
        folder.mkdir()
        async with running_world(folder, envoy_binary(), retention=RETENTION) as world:
            campaign = Campaign(world, self.seed, whole=False)
            await campaign.begin()
            with out.open("w", newline="") as file:
                watch = Watch(world, file)
                watching = asyncio.create_task(watch.run())
                with _noting(told.faults):
                    await self._play(campaign)
                watching.cancel()
            with _noting(told.faults):
                await campaign.end()
        told.seen, told.schedules = campaign.seen, 1
        told.faults += campaign.faults
        return told, watch.samples

    async def crashes(self) -> Told:
        """Play one schedule after another, each in a world of its own, until one breaks a promise."""
        told, seed = Told(), self.seed
        while time.monotonic() < self.end_s and not told.faults:
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=f"{seed}-") as place:
                seen, faults = await self._schedule(Path(place), seed)
            told.faults += [f"FAULTS_SEED={seed}: {fault}" for fault in faults]
            told.seen, told.schedules, seed = told.seen + seen, told.schedules + 1, seed + 1
            minutes = (self.end_s - time.monotonic()) / 60
            print(f"  schedule {told.schedules} (seed {seed - 1}), {minutes:.0f} minutes left: {seen}", flush=True)
            for fault in faults:
                print(f"  FAULT {fault}", flush=True)
        return told

    async def _schedule(self, place: Path, seed: int) -> tuple[Seen, list[str]]:
        faults: list[str] = []
        async with running_world(place, envoy_binary()) as world:
            campaign = Campaign(world, seed)
            with _noting(faults):
                await campaign.begin()
                for one in schedule(seed, ROUNDS):
                    await campaign.play(one)
                    await asyncio.sleep(self.pause_s)
                await campaign.end()
        return campaign.seen, [*faults, *campaign.faults]

    async def _play(self, campaign: Campaign) -> None:
        """Let it live through all that a service has to without ending; now and then the sinks get over it."""
        seed = self.seed
        while time.monotonic() < self.end_s:
            for one in schedule(seed, ROUNDS):
                end = End.RELOAD if one.end is End.RELOAD else End.GO_ON
                await campaign.play(replace(one, end=end, damage=None, settled=True))
                await asyncio.sleep(self.pause_s)
            await campaign.rest()
            seed += 1


@contextmanager
def _noting(faults: list[str]) -> Iterator[None]:
    """Note what a campaign ended with, and go on to the verdict."""
    try:
        yield
    except WRONG as error:
        faults.append(f"it could not go on: {error!r}")


async def run(soak: Soak, out: Path) -> list[Finding]:
    """Live both lives; print what was seen, and give the verdict."""
    (steady, samples), crashes = await asyncio.gather(soak.steady(out), soak.crashes())
    print(f"\nThe steady service ({out}):\n\n{table(samples)}\n\n{steady.seen}")
    print(f"\n{crashes.schedules} schedules with crashes: {crashes.seen}\n")
    return [
        *of_steady(samples, steady.seen, steady.faults),
        *of_crashes(crashes.schedules, crashes.seen, crashes.faults),
    ]


def main(
    minutes: Annotated[float, typer.Option(min=0.5)] = 60,
    seed: Annotated[int | None, typer.Option(help="repeats a run's schedules")] = None,
    out: Annotated[Path, typer.Option(help="CSV of the steady service's samples")] = Path("soak.csv"),
    pause: Annotated[float, typer.Option(min=0, help="seconds between two rounds")] = 1.0,
) -> None:
    """Run it for so long; exits with 1 when anything was broken, and says what."""
    seed = secrets.randbelow(10**6) if seed is None else seed
    print(f"→ soaking for {minutes:g} minutes, --seed {seed}, {machine()['processor']}", flush=True)
    with tempfile.TemporaryDirectory(prefix="telemetry-soak-") as folder:
        soak = Soak(Path(folder), seed, time.monotonic() + minutes * 60, pause)
        findings = asyncio.run(run(soak, out))
    print(told(findings))
    raise typer.Exit(any(one.kept is False for one in findings))


if __name__ == "__main__":
    typer.run(main)
