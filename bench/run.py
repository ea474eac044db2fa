"""`make bench`: measure the service from end to end; prints the tables that docs/performance.md shows."""

import json
import resource
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bench import report
from bench.idle import hold_with_service
from bench.latency import LOADS, measure_under
from bench.machine import machine
from bench.variations import VARIATIONS, measure

IDLE, LATENCY = "idle streams", "latency"
IDLE_STREAMS = 2_300
EVERYTHING = (*VARIATIONS, IDLE, LATENCY)

Result = TypeVar("Result")


def main(
    only: Annotated[list[str] | None, typer.Option(help="one of: " + ", ".join(EVERYTHING))] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="write the figures here too")] = None,
) -> None:
    """Measure entries/s, CPU per entry, memory and latency of the service."""
    chosen = set(only or EVERYTHING)
    if unknown := chosen - set(EVERYTHING):
        raise typer.BadParameter(f"{', '.join(unknown)}: not among {', '.join(EVERYTHING)}")
    allow_many_files()
    figures = {"machine": machine()}
    say(report.machine(figures["machine"]))
    replays = {
        name: in_a_folder(f"replaying: {name}", partial(measure, what))
        for name, what in VARIATIONS.items()
        if name in chosen
    }
    if replays:
        figures["replays"] = replays
        say(report.throughput(replays), report.stages(replays), report.memory(replays))
    if IDLE in chosen:
        holding = partial(hold_with_service, IDLE_STREAMS)
        figures["idle"] = in_a_folder(f"holding {IDLE_STREAMS} idle streams", holding)
        say(report.idle(figures["idle"]))
    if LATENCY in chosen:
        figures["latency"] = {
            name: in_a_folder(f"waiting for entries to show: {name}", partial(measure_under, load))
            for name, load in LOADS.items()
        }
        say(report.latency(figures["latency"]))
    if json_path:
        json_path.write_text(json.dumps(figures, default=asdict, indent=1))


def in_a_folder(doing: str, measured: Callable[[Path], Result]) -> Result:
    """Measure with a folder for files, which is gone afterwards."""
    print(f"→ {doing}", flush=True)
    with tempfile.TemporaryDirectory(prefix="telemetry-bench-") as folder:
        return measured(Path(folder))


def allow_many_files() -> None:
    """Raise the limit of open files, for the service too, which inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def say(*parts: str) -> None:
    for part in parts:
        print(f"\n{part}\n", flush=True)


if __name__ == "__main__":
    typer.run(main)
