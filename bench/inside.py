"""`python -m bench.inside`: what it costs to look inside: taps, explanations, predicted series."""

import asyncio
import time
from collections.abc import Sequence

from bench.rules import ROUNDS, THREE, entries
from telemetry.assembly import Assembly
from telemetry.batch import Batch, Template
from telemetry.composition import Composition
from telemetry.config import Settings
from telemetry.predict import SeriesOf
from telemetry.tapping import Taps, View

VIEWS = {
    "every row matches, 100 a second": View(),
    "three terms, none matches": View(match=THREE.replace("< 600", ">= 600")),
    "every row matches, 10,000 a second": View(rows_per_s=10_000),
    "the same, three columns": View(rows_per_s=10_000, columns=("request.id", "request.path", "response.code")),
}


async def tapped(view: View, batches: Sequence[Batch]) -> tuple[float, float, int]:
    """CPU of offering, and of all (offering, choosing, encoding), µs an entry; and the rows shown."""
    taps = Taps()
    tap = taps.open(view)
    lines = tap.lines()
    await anext(lines)
    rows, offering_s, began_s = 0, 0.0, time.process_time()
    for batch in list(batches) * ROUNDS:
        before_s = time.thread_time()
        taps.offer([batch])
        offering_s += time.thread_time() - before_s
        rows += len(batch.rows)
        while tap._waiting:
            await anext(lines)
    total_s = time.process_time() - began_s
    taps.close()
    return offering_s / rows * 1e6, total_s / rows * 1e6, tap.counts.shown


async def rebuilt() -> float:
    """Wall time of taking up a tap, in ms, of the second one: grammars are loaded."""
    composition = Composition(Assembly(Settings()), Settings())
    took_s = 0.0
    for templates in ({Template.LOGENTRY}, set(), {Template.LOGENTRY}):
        began_s = time.perf_counter()
        composition = composition.watched(templates)
        took_s = time.perf_counter() - began_s
    return took_s * 1e3


def main() -> None:
    batches = entries()
    print("| a tap | rows shown | pipeline's thread, CPU µs per entry | all, CPU µs per entry |")
    print("| --- | ---: | ---: | ---: |")
    for name, view in VIEWS.items():
        offering_us, total_us, shown = asyncio.run(tapped(view, batches))
        print(f"| {name} | {shown:,} | {offering_us:.5f} | {total_us:.3f} |", flush=True)
    print(f"\nTo take up a tap of entries: {asyncio.run(rebuilt()):.1f} ms.")
    series = SeriesOf(Settings(), Settings())
    began_s = time.process_time()
    for batch in batches:
        series.add(batch)
    rows = sum(len(batch.rows) for batch in batches)
    print(f"To predict series: {(time.process_time() - began_s) / rows * 1e6:.2f} CPU µs per entry and configuration.")


if __name__ == "__main__":
    main()
