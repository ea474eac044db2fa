"""What edges cost: `python -m bench.graph`. The processor per entry, an export, the graph of an hour of 5,000 edges.

CPU of all threads. POLARS_MAX_THREADS=1 keeps it to one, and comparable.
"""

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.edges import EdgeStore, Reader, Window
from telemetry.graph import By, Graph, build
from telemetry.graph.dot import dot
from telemetry.graph.elements import elements
from telemetry.graph.impact import impact_of
from telemetry.graph.mermaid import mermaid
from telemetry.graph.rates import rated
from telemetry.graph.structure import cycles, single_points_of_failure
from telemetry.processors.edge_slots import EDGE_IDENTITY
from telemetry.processors.edge_sums import SUMS
from telemetry.processors.edges import Edges
from telemetry.processors.signals import BOUNDS

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_400 * SECOND_NS
HOPS = 8192
ROUNDS = 15


def cpu_s(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Give the median CPU time of some rounds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def end(side: str, name: str) -> dict[str, Any]:
    return {
        f"{side}.workload.name": f"{name}-v1",
        f"{side}.workload.namespace": f"team-{hash(name) % 20:02}",
        f"{side}.app": name,
        f"{side}.version": "v1",
        f"{side}.canonical.service": name,
        f"{side}.canonical.revision": "v1",
        f"{side}.cluster.id": "Kubernetes",
    }


def identity(source: int, destination: int) -> dict[str, Any]:
    service = f"service-{destination:03}"
    named = {"host": f"{service}.shop.svc.cluster.local", "name": service, "namespace": "shop"}
    return {
        "context.protocol": "http",
        **end("source", f"service-{source:03}"),
        **end("destination", service),
        **{f"destination.service.{name}": value for name, value in named.items()},
    }


def pairs(services: int, count: int) -> list[tuple[int, int]]:
    """Draw edges that lead from lower numbers to higher ones, mostly."""
    rng = random.Random(3)
    found: set[tuple[int, int]] = set()
    while len(found) < count:
        found.add((rng.randrange(services), rng.randrange(services)))
    return sorted(found)


def hop_batches(workloads: int, edges: int, batches: int) -> list[Batch]:
    rng = np.random.default_rng(1)
    schema = SCHEMAS[Template.HOP]
    who = pl.DataFrame([identity(*pair) for pair in pairs(workloads, edges)])
    made = []
    for sequence in range(batches):
        keys = rng.integers(0, edges, HOPS).astype(np.uint32)
        ns = pl.Series(rng.lognormal(17, 1, HOPS).astype(np.int64)).cast(pl.Duration("ns"))
        failed = rng.random(HOPS) < 0.02
        columns = {
            "context.key": pl.Series(keys),
            **{name: who[name].gather(keys) for name in EDGE_IDENTITY},
            "connection.mtls": True,
            "source.principal": pl.format("spiffe://cluster.local/ns/shop/sa/{}", who["source.app"].gather(keys)),
            "hop.reporter": "both",
            "missing_source": False,
            "missing_destination": False,
            "context.time": START_NS,
            "request.attempts": 1,
            "response.code": pl.Series(np.where(failed, 503, 200)),
            "response.flags": 0,
            "response.outcome": pl.Series(np.where(failed, "server_error", "success")),
            "response.blame": pl.Series(["application" if one else None for one in failed]),
            "response.duration": ns,
            "latency.excluded": False,
            "request.bytes": 300,
            "response.bytes": pl.Series(rng.integers(100, 9000, HOPS)),
            "hop.application": ns,
            "hop.network": ns,
            "hop.proxy": ns,
        }
        frame = pl.select(pl.int_range(HOPS).alias("at")).with_columns(
            **{name: pl.lit(one) if isinstance(one, str | int | bool) else one for name, one in columns.items()}
        )
        absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in columns]
        casts = [pl.col(name).cast(dtype) for name, dtype in schema.items()]
        made.append(Batch(Template.HOP, frame.with_columns(absent).select(casts), "bench", 1, sequence))
    return made


def _process(processor: Edges, batch: Batch) -> list[Batch]:
    return list(processor.process(batch))


def measure_processor() -> None:
    for workloads, edges in ((200, 600), (200, 5000)):
        batches = hop_batches(workloads, edges, 8)
        processor = Edges(seed=1, started_ns=START_NS)
        for batch in batches:
            list(processor.process(batch))
        per_hop = min(cpu_s(partial(_process, processor, batch), 7) for batch in batches) / HOPS
        began = time.process_time()
        (made,) = processor.flush(START_NS + 60 * SECOND_NS)
        flush_s = time.process_time() - began
        print(
            f"edges processor, {edges:,} edges: {per_hop * 1e6:.2f} µs a hop, {per_hop * 5e5:.2f} µs an entry of two; "
            f"flush of {len(made.rows):,} edges {flush_s * 1e3:.0f} ms"
        )


def edge_rows(services: int, edges: int) -> pl.DataFrame:
    rng = random.Random(5)
    schema = SCHEMAS[Template.EDGE]

    def row(pair: tuple[int, int]) -> dict[str, Any]:
        requests = rng.randrange(10, 500)
        buckets = [0] * (len(BOUNDS) + 1)
        for _ in range(12):
            buckets[rng.randrange(2, 12)] += requests // 12
        latency = {"count": sum(buckets), "sum_ms": 20.0 * requests, "buckets": buckets}
        lists = {name: [] for name, dtype in schema.items() if dtype == pl.List}
        return {
            **dict.fromkeys(schema),
            **dict.fromkeys(SUMS, 0),
            **lists,
            **identity(*pair),
            **dict.fromkeys(("start", "time", "last_seen"), START_NS),
            **dict.fromkeys(("latency", "latency.application", "latency.network", "latency.proxy"), latency),
            "reporter": "both",
            "requests": requests,
            "requests_paired": requests,
            "attempts": requests,
            "mtls": requests,
            "server_errors": requests // 50,
            "busy_s": requests * 0.02,
            "request_bytes": requests * 300,
            "response_bytes": requests * 4000,
            "responses": [
                {"code": 200, "grpc_status": None, "flags": "-", "count": requests - requests // 50},
                {"code": 503, "grpc_status": None, "flags": "UF", "count": requests // 50},
            ],
            "reports": [
                {"reporter": reporter, "code": "200", "count": requests} for reporter in ("source", "destination")
            ],
            "source.principals": ["spiffe://cluster.local/ns/shop/sa/someone"],
        }

    return pl.DataFrame([row(pair) for pair in pairs(services, edges)], schema=dict(schema))


async def measure_store(services: int, edges: int, minutes: int) -> None:
    now = {"ns": START_NS}
    rows = edge_rows(services, edges)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edges.db"
        async with EdgeStore(path, clock_ns=lambda: now["ns"]) as store:
            began = time.process_time()
            for sequence in range(minutes * 6):
                now["ns"] = START_NS + sequence * 10 * SECOND_NS
                at = pl.lit(now["ns"]).cast(pl.Datetime("ns", "UTC"))
                placed = rows.with_columns(start=at, time=at, last_seen=at)
                await store.export(Batch(Template.EDGE, placed, "bench", 1, sequence))
            export_s = (time.process_time() - began) / (minutes * 6)
            print(
                f"store: {edges:,} edges × {minutes} minutes; an export every 10 s takes {export_s * 1e3:.0f} ms "
                f"({export_s * 10:.1f} % of a core); file {store.size_bytes / 1e6:.1f} MB"
            )
            await store.ask(lambda reader: measure_queries(reader, now["ns"] / SECOND_NS))
        async with EdgeStore(path, clock_ns=lambda: now["ns"]) as store:
            window = Window(now["ns"] / SECOND_NS - 3600, now["ns"] / SECOND_NS)
            cold = await store.ask(lambda reader: cpu_s(lambda: graph_json(reader, window, By.SERVICE), 1))
            print(f"  the first question after a restart: {cold * 1e3:.0f} ms")


def rated_graph(reader: Reader, window: Window, by: By) -> Graph:
    graph = build(reader, window, by)
    return replace(graph, edges=rated(graph.edges, graph.window.duration_s))


def graph_json(reader: Reader, window: Window, by: By) -> bytes:
    return orjson.dumps(elements(rated_graph(reader, window, by)))


def measure_queries(reader: Reader, now_s: float) -> None:
    hour = Window(now_s - 3600, now_s)
    for by in (By.SERVICE, By.WORKLOAD):
        graph_json(reader, hour, by)
        size = len(graph_json(reader, hour, by))
        spent = cpu_s(lambda by=by: graph_json(reader, hour, by))
        print(f"  graph of one hour by {by.value}, JSON of {size / 1e6:.1f} MB: {spent * 1e3:.0f} ms")
    graph = rated_graph(reader, hour, By.SERVICE)
    answers: dict[str, Callable[[], object]] = {
        "DOT": lambda: dot(graph),
        "Mermaid": lambda: mermaid(graph),
        "cycles": lambda: cycles(graph),
        "single points of failure": lambda: single_points_of_failure(graph),
        "impact of one service": lambda: impact_of(graph, len(graph.nodes) // 2, lambda *_: None),
    }
    for name, answer in answers.items():
        print(f"  {name}: {cpu_s(answer) * 1e3:.1f} ms")


def measure_rows(edges: int, minutes: int) -> None:
    """Ask the same of an ordinary table with a row per edge and minute: what the segments are instead of."""
    columns = [f"c{number}" for number in range(44)]
    rng = np.random.default_rng(2)
    db = sqlite3.connect(":memory:")
    db.execute(f"CREATE TABLE edges (minute INTEGER, edge INTEGER, {', '.join(columns)}, PRIMARY KEY (minute, edge))")
    for minute in range(minutes):
        counts = rng.integers(0, 500, (edges, len(columns))).tolist()
        rows = [(minute, edge, *count) for edge, count in enumerate(counts)]
        db.executemany(f"INSERT INTO edges VALUES ({', '.join('?' * (len(columns) + 2))})", rows)
    sums = ", ".join(f"sum({name})" for name in columns)
    spent = cpu_s(lambda: db.execute(f"SELECT edge, {sums} FROM edges GROUP BY edge").fetchall(), 2)
    print(f"an SQLite table of rows, {edges:,} edges × {minutes} minutes × {len(columns)} sums: {spent * 1e3:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--edges", type=int, default=5000)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rows", action="store_true", help="compare with a table of rows")
    arguments = parser.parse_args()
    measure_processor()
    asyncio.run(measure_store(arguments.services, arguments.edges, arguments.minutes))
    if arguments.rows:
        measure_rows(arguments.edges, arguments.minutes)


if __name__ == "__main__":
    main()
