"""`python -m bench.hops`: CPU per entry of joining both ends and of making spans, and memory under random ids."""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Annotated

import polars as pl
import psutil
import typer

from bench.mesh import Mesh
from bench.normalise import decoded, normaliser
from telemetry.batch import Batch, Template
from telemetry.plugin import Processor
from telemetry.processors.hops import Hops, HopsSettings
from telemetry.processors.spans import Spans, TracesSettings

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
PER_S = 5
"""Batches in a second of the mesh's time."""


def batches(mesh: Mesh) -> list[Batch]:
    """Give the mesh's entries as LOGENTRY batches: both ends of each request, in any of them."""
    chunks = list(decoded(mesh))
    normalise = normaliser({node for one in chunks for node in one.nodes}, lean=False)
    frames = [
        normalise.rows(one.columns, one.nodes, START_NS + at * SECOND_NS // PER_S) for at, one in enumerate(chunks)
    ]
    return [Batch(Template.LOGENTRY, frame, "bench", 1, at) for at, frame in enumerate(frames)]


def run(processor: Processor, entries: Sequence[Batch]) -> Iterator[Batch]:
    """Hand the batches through as the pipeline would, with a flush each second and a last one."""
    for at, batch in enumerate(entries):
        yield from processor.process(batch)
        if at % PER_S == PER_S - 1:
            yield from processor.flush(START_NS + at * SECOND_NS // PER_S)
    yield from processor.flush(START_NS + 10**6 * SECOND_NS)


def cpu_us(make: Callable[[], Processor], entries: Sequence[Batch], rounds: int = 4) -> tuple[float, float]:
    """CPU-µs per entry of all threads once warm, and rows made per entry."""
    count = sum(len(batch.rows) for batch in entries)
    best, rows = float("inf"), 0
    for _ in range(rounds):
        processor, rows = make(), 0
        began_s = time.process_time()
        for batch in run(processor, entries):
            rows += len(batch.rows) if batch.template in {Template.HOP, Template.TRACESPAN} else 0
        best = min(best, time.process_time() - began_s)
    return best / count * 1e6, rows / count


def hops() -> Hops:
    return Hops(HopsSettings(), seed=1, started_ns=START_NS)


def stranger(batch: Batch, at: int, dice: Random) -> Batch:
    """The same entries with ids and ports that nobody has seen before, a fifth of a second later each."""
    count = len(batch.rows)
    ids = pl.Series([f"{dice.getrandbits(128):032x}" for _ in range(count)])
    times = pl.lit(START_NS + at * SECOND_NS // PER_S).cast(pl.Datetime("ns", "UTC"))
    rows = batch.rows.with_columns(times.alias("context.time"), ids.alias("request.id"))
    return Batch(Template.LOGENTRY, rows, "bench", 1, at)


def main(
    requests: Annotated[int, typer.Option(help="requests of each of 400 edges")] = 255,
    millions: Annotated[int, typer.Option(help="entries with random ids, in millions")] = 3,
) -> None:
    """Print the tables of docs/hops.md and docs/traces.md."""
    entries = batches(Mesh(requests_per_call=requests))
    count = sum(len(batch.rows) for batch in entries)
    print(f"{count} entries of 200 workloads in batches of {count // len(entries)}\n")
    print("| | CPU µs/entry | rows/entry |\n| --- | ---: | ---: |")
    sampled = TracesSettings.model_validate({"sampling": {"probability": 0.1, "follow_caller": False}})
    for name, make in {
        "hops": hops,
        "spans of all": lambda: Spans(TracesSettings(max_spans=10**7)),
        "spans, 10 % of traces": lambda: Spans(sampled),
    }.items():
        spent_us, rows = cpu_us(make, entries)
        print(f"| {name} | {spent_us:.2f} | {rows:.2f} |", flush=True)
    _strangers(entries, millions)


def _strangers(entries: Sequence[Batch], millions: int) -> None:
    print("\n| entries with random ids, millions | RSS MiB | waiting |\n| ---: | ---: | ---: |")
    processor, process, dice = hops(), psutil.Process(), Random(1)
    done = told = at = 0
    while told < millions:
        batch = stranger(entries[at % len(entries)], at, dice)
        for _ in processor.process(batch):
            pass
        at, done = at + 1, done + len(batch.rows)
        if done // 1_000_000 > told:
            told = done // 1_000_000
            print(f"| {told} | {process.memory_info().rss >> 20} | {processor.waiting} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
