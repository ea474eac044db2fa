"""`python -m bench.completeness`: what counting entries against Envoys' own counters costs."""

import time
from collections.abc import Callable
from typing import Annotated

import numpy as np
import polars as pl
import typer

from telemetry.batch import Batch, Template
from telemetry.completeness import Completeness
from tests.completeness.engine import LATEST, TOTAL
from tests.rows import logentries

SECOND_NS = 10**9


def batch(envoys: int, rows: int, now_ns: int) -> Batch:
    """Give entries of so many Envoys, four contexts each, that ended just now."""
    kinds = logentries(*[
        {"context.reporter.uid": f"sidecar~{at // 4}", "destination.workload.name": f"w{at // 4 % 200}"}
        for at in range(4 * envoys)
    ])  # fmt: skip
    kind = np.random.default_rng(1).integers(0, 4 * envoys, rows).astype(np.uint32)
    key = np.unique(kind, return_inverse=True)[1].astype(np.uint32)
    start = pl.Series(np.full(rows, now_ns - SECOND_NS)).cast(pl.Datetime("ns", "UTC"))
    frame = kinds.rows[kind].with_columns(
        pl.Series("context.key", key),
        start.alias("request.time"),
        start.alias("context.time"),
        pl.Series("response.duration", key.astype(np.int64) * 1000).cast(pl.Duration("ns")),
    )
    return Batch(Template.LOGENTRY, frame, "bench", 1, 1)


def stats(envoys: int, total: float, now_ns: int) -> pl.DataFrame:
    """Give what so many Envoys said last, of four managers each."""
    rows = [
        {
            "node_id": f"sidecar~{at}", "workload": f"w{at % 200}", "workload_namespace": "n", "stat": TOTAL,
            "labels": [{"name": "envoy_http_conn_manager_prefix", "value": f"m{manager}"}], "value": total,
            "time": now_ns, "snapshot": now_ns, "alive": True,
        }
        for at in range(envoys)
        for manager in range(4)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=LATEST)


def main(
    envoys: Annotated[int, typer.Option(help="how many")] = 200,
    rows: Annotated[int, typer.Option(help="entries in a batch")] = 8192,
    per_s: Annotated[int, typer.Option(help="entries a second")] = 40_000,
    seconds: Annotated[int, typer.Option(help="of that traffic")] = 60,
) -> None:
    """Print what docs/completeness.md shows."""
    told = pl.DataFrame()
    completeness = Completeness(lambda _: told, receiver="bench", epoch=1, seed=1)
    spent = {"entries": 0.0, "flushes": 0.0, "refreshes": 0.0}
    count, begin_ns = 0, time.time_ns()
    for second in range(seconds):
        now_ns = begin_ns + second * SECOND_NS
        here = batch(envoys, rows, now_ns)
        for _ in range(per_s // rows):
            spent["entries"] += timed(lambda here=here: completeness.process(here))
            count += rows
        if second % 5 == 0:
            told = stats(envoys, float(count), now_ns)
            spent["refreshes"] += timed(lambda now_ns=now_ns: completeness.refresh(now_ns))
        spent["flushes"] += timed(lambda now_ns=now_ns: list(completeness.flush(now_ns)))
    for name, cpu_s in spent.items():
        print(f"{name:<10} {cpu_s / count * 1e6:7.4f} µs an entry")
    print(f"all        {sum(spent.values()) / count * 1e6:7.4f} µs an entry; {count} entries, {envoys} Envoys")


def timed(work: Callable[[], object]) -> float:
    """Give the CPU-seconds that it takes."""
    begin_s = time.process_time()
    work()
    return time.process_time() - begin_s


if __name__ == "__main__":
    typer.run(main)
