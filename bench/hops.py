"""`python -m bench.hops`: CPU per entry of joining both ends, of spans and edges, and memory under random ids."""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Annotated

import polars as pl
import psutil
import typer

from bench.mesh import Mesh
from bench.normalise import decoded, normaliser
from telemetry.batch import Batch, Template
from telemetry.plugin import Processor
from telemetry.processors.edges import Edges
from telemetry.processors.hops import Hops, HopsSettings, Reader
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


def run(processors: Sequence[Processor], entries: Sequence[Batch]) -> Iterator[Batch]:
    """Hand the batches through as the pipeline would, with a flush each second and a last one."""
    for at, batch in enumerate(entries):
        yield from through(processors, [batch])
        if at % PER_S == PER_S - 1:
            yield from flushed(processors, START_NS + at * SECOND_NS // PER_S)
    yield from flushed(processors, START_NS + 10**6 * SECOND_NS)


def through(processors: Sequence[Processor], batches: Iterable[Batch]) -> Iterable[Batch]:
    for processor in processors:
        batches = [made for batch in batches for made in processor.process(batch)]
    return batches


def flushed(processors: Sequence[Processor], now_ns: int) -> Iterator[Batch]:
    for at, processor in enumerate(processors):
        yield from through(processors[at + 1 :], processor.flush(now_ns))


def cpu_us(
    make: Callable[[], Sequence[Processor]], entries: Sequence[Batch], rounds: int
) -> tuple[float, Counter[str]]:
    """CPU-µs per entry of all threads once warm, and how many rows of each template were made."""
    count = sum(len(batch.rows) for batch in entries)
    best, rows = float("inf"), Counter[str]()
    for _ in range(rounds):
        processors, rows = make(), Counter[str]()
        began_s = time.process_time()
        for batch in run(processors, entries):
            rows[batch.template] += len(batch.rows)
        best = min(best, time.process_time() - began_s)
    return best / count * 1e6, rows


def hops(*, whole: bool = True, reader: Reader | None = None) -> Hops:
    return Hops(HopsSettings(), seed=1, started_ns=START_NS, whole=whole, reader=reader)


def spans(reader: Reader | None = None) -> Spans:
    return Spans(TracesSettings(max_spans=10**7), reader=reader)


def edges() -> Edges:
    return Edges(seed=1, started_ns=START_NS)


def together() -> Sequence[Processor]:
    """Give what a service has whose handlers take edges and spans, but not hops themselves."""
    reader = Reader()
    return hops(whole=False, reader=reader), spans(reader), edges()


def stranger(batch: Batch, at: int, dice: Random) -> Batch:
    """The same entries with ids and ports that nobody has seen before, a fifth of a second later each."""
    count = len(batch.rows)
    ids = pl.Series([f"{dice.getrandbits(128):032x}" for _ in range(count)])
    times = pl.lit(START_NS + at * SECOND_NS // PER_S).cast(pl.Datetime("ns", "UTC"))
    rows = batch.rows.with_columns(times.alias("context.time"), ids.alias("request.id"))
    return Batch(Template.LOGENTRY, rows, "bench", 1, at)


def main(
    requests: Annotated[int, typer.Option(help="requests of each of 400 edges")] = 255,
    rounds: Annotated[int, typer.Option(help="rounds, of which the best counts")] = 6,
    millions: Annotated[int, typer.Option(help="entries with random ids, in millions")] = 3,
) -> None:
    """Print the tables of docs/hops.md and docs/traces.md."""
    entries = batches(Mesh(requests_per_call=requests))
    count = sum(len(batch.rows) for batch in entries)
    print(f"{count} entries of 200 workloads in batches of {count // len(entries)}\n")
    print("| | CPU µs/entry | hops/entry | spans/entry | edges |\n| --- | ---: | ---: | ---: | ---: |")
    sampled = TracesSettings.model_validate({"sampling": {"probability": 0.1, "follow_caller": False}})
    processors: dict[str, Callable[[], Sequence[Processor]]] = {
        "hops, whole": lambda: [hops()],
        "hops for edges and times": lambda: [hops(whole=False)],
        "spans of all": lambda: [spans()],
        "spans, 10 % of traces": lambda: [Spans(sampled)],
        "hops for edges, and edges": lambda: [hops(whole=False), edges()],
        "hops for edges, edges, spans of all": together,
    }
    for name, make in processors.items():
        spent_us, made = cpu_us(make, entries, rounds)
        shares = " | ".join(f"{made[template] / count:.2f}" for template in (Template.HOP, Template.TRACESPAN))
        print(f"| {name} | {spent_us:.2f} | {shares} | {made[Template.EDGE]} |", flush=True)
    if millions:
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
