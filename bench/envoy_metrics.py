"""`python -m bench.envoy_metrics`: CPU per stat of Envoys' own metrics, by stage, from the socket to the page.

A flush that a real Envoy sent is made as large as asked for, by more clusters of the same stats, and varied.
"""

import asyncio
import gzip
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import grpc
import numpy as np
import psutil
import typer
from numpy.typing import NDArray

from bench.report import table
from telemetry.adapters.prometheus import Prometheus
from telemetry.config import GrpcSettings
from telemetry.envoy_stats.accumulate import EnvoyStats
from telemetry.envoy_stats.envoys import Who
from telemetry.envoy_stats.rules import Rules
from telemetry.mesh.workload import Workload
from telemetry.node import Node
from telemetry.options import Address
from telemetry.receivers.coalesce import Chunk, Coalescer
from telemetry.receivers.metrics import MAX_STATS, METHOD, Metrics
from telemetry.receivers.server import Server
from telemetry.selfmetrics import SelfMetrics
from tests.envoy_stats.messages import CLASSES, COUNTER, GAUGE, families_of, message

RECORDED = Path(__file__).parent.parent / "tests" / "envoy_stats" / "data" / "flush.binpb.gz"
TARGET_STATS_PER_S = 200_000
STAGES = ("envoy_decode", "envoy_names", "envoy_accumulate", "envoy_batches")
INTERVAL_NS = 5 * 10**9
SENT_STREAMS, SENT_FLUSHES = 50, 10


@dataclass(frozen=True)
class Template:
    """A flush's bytes, and where its counters' and gauges' values are in them."""

    raw: NDArray[np.uint8]
    offsets: NDArray[np.intp]
    values: NDArray[np.float64]

    def message(self, values: NDArray[np.float64]) -> bytes:
        raw = self.raw.copy()
        raw[self.offsets[:, np.newaxis] + np.arange(8)] = values.view(np.uint8).reshape(-1, 8)
        return raw.tobytes()


def template(stats: int, at_ms: int | None = None) -> Template:
    """Give a flush of so many stats: the recorded one's, and its cluster `plain`'s under other names."""
    recorded = list(families_of(gzip.decompress(RECORDED.read_bytes())))
    families = list(recorded)
    plain = [one for one in recorded if _labels(one).get("envoy.cluster_name") == "plain"]
    while len(families) < stats:
        number = len(families)
        for one in plain:
            copy = CLASSES["MetricFamily"].FromString(one.SerializeToString())
            for label in copy.metric[0].label:
                if label.name == "envoy.cluster_name":
                    label.value = f"outbound|9080||service-{number}"
            families.append(copy)
    for one in families if at_ms else ():
        one.metric[0].timestamp_ms = at_ms
    return _located(families[:stats])


def _labels(family: Any) -> Mapping[str, str]:
    return {label.name: label.value for label in family.metric[0].label}


def _located(families: list[Any]) -> Template:
    """Find the values in the bytes: a mark in place of each, one number up for each next."""
    scalars = [one for one in families if one.type in (COUNTER, GAUGE)]
    values = np.array([_field(one).value for one in scalars])
    for number, one in enumerate(scalars):
        _field(one).value = -1e200 - number * 1e190
    raw = message(*families)
    offsets, at = [], 0
    for number in range(len(scalars)):
        at = raw.index(struct.pack("<d", -1e200 - number * 1e190), at)
        offsets.append(at)
    return Template(np.frombuffer(raw, np.uint8), np.array(offsets), values)


def _field(family: Any) -> Any:
    metric = family.metric[0]
    return metric.counter if family.type == COUNTER else metric.gauge


def chunks(made: Template, nodes: list[Node], flushes: int, changed: float, together: int) -> Iterator[Chunk]:
    """Give every Envoy's flushes, some Envoys' together; a share of the values grows from each to the next."""
    random = np.random.default_rng(1)
    values = np.tile(made.values, (len(nodes), 1))
    for number in range(flushes):
        values += random.integers(1, 100, values.shape) * (random.random(values.shape) < changed)
        for start in range(0, len(nodes), together):
            some = nodes[start : start + together]
            messages = [made.message(values[start + at]) for at in range(len(some))]
            counts = [len(made.values)] * len(some)
            yield Chunk(messages, list(range(len(some))), some, counts, number * INTERVAL_NS + start + 1)


@dataclass
class Cost:
    """CPU seconds by stage, and what was handled."""

    stages: dict[str, float]
    stats: int
    rows: int


def measured(stats: int, envoys: int, flushes: int, changed: float) -> Cost:
    """Run it; the first flush, in which every series is new, does not count."""
    metrics = SelfMetrics()
    engine = EnvoyStats(
        Rules(), metrics, lambda node: Who(Workload(name=node.id, namespace="shop"), "envoy"),
        receiver="bench", epoch=1, seed=b"bench",
    )  # fmt: skip
    page = Prometheus(Prometheus.Config(max_series=10_000_000))
    nodes = [Node(f"envoy-{number}", "c", {}, "1.40.0", "") for number in range(envoys)]
    made = template(stats)
    together = max(1, min(envoys, TARGET_STATS_PER_S // stats))
    before, cost = dict.fromkeys(STAGES, 0.0), Cost(dict.fromkeys((*STAGES, "prometheus"), 0.0), 0, 0)
    loop = asyncio.new_event_loop()
    for number, chunk in enumerate(chunks(made, nodes, flushes, changed, together)):
        batches = engine.run(chunk)
        began = time.process_time()
        for batch in batches:
            loop.run_until_complete(page.export(batch))
        spent = {"prometheus": time.process_time() - began}
        now = {stage: _seconds(metrics, stage) for stage in STAGES}
        spent |= {stage: now[stage] - before[stage] for stage in STAGES}
        before = now
        if number >= -(-envoys // together):
            cost.stages = {stage: cost.stages[stage] + spent[stage] for stage in cost.stages}
            cost.stats += len(chunk.messages) * stats
            cost.rows += sum(len(batch.rows) for batch in batches)
    loop.close()
    return cost


async def receiving(stats: int) -> float:
    """Give CPU µs per stat of reading streams: gRPC, and what puts flushes together."""
    limit = 1 << 27
    coalescer = Coalescer(max_delay_s=1, max_entries=MAX_STATS, max_pending_bytes=limit, clock_ns=time.time_ns)
    service = Metrics(
        coalescer, SelfMetrics(), max_message_bytes=limit, max_pending_bytes=limit, max_streams_per_peer=1000,
        learn=lambda _: None,
    )  # fmt: skip
    server = Server(GrpcSettings(address=Address("127.0.0.1", 0)), {METHOD: service.stream}, hard_limit_bytes=limit)
    await server.start()
    began = time.process_time()
    command = (sys.executable, "-m", "bench.envoy_metrics", "--stats", str(stats), "--send-to", str(server.port))
    sender = await asyncio.create_subprocess_exec(*command)
    flushes = 0
    while flushes < SENT_STREAMS * SENT_FLUSHES:
        chunk = await coalescer.take()
        flushes += len(chunk.messages) if chunk else 0
    spent_s = time.process_time() - began
    await sender.wait()
    await server.stop(0)
    return spent_s / (flushes * stats) * 1e6


async def send(port: int, stats: int) -> None:
    """Be so many Envoys, each with a stream."""
    flushes = [template(stats, at_ms=1_700_000_000_000 + at).raw.tobytes() for at in range(2)]

    async def stream() -> None:
        options = [("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            call = channel.stream_unary(METHOD)()
            for number in range(SENT_FLUSHES):
                await call.write(flushes[number % 2])
            await call.done_writing()
            await call

    await asyncio.gather(*(stream() for _ in range(SENT_STREAMS)))


def _seconds(metrics: SelfMetrics, stage: str) -> float:
    return metrics.registry.get_sample_value("telemetry_stage_seconds_total", {"stage": stage}) or 0.0


def main(
    stats: Annotated[int, typer.Option(help="Stats of each Envoy.")] = 2000,
    envoys: int = 500,
    flushes: int = 4,
    send_to: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print CPU µs per stat by stage, for several shares of values that change between two flushes."""
    if send_to is not None:
        asyncio.run(send(send_to, stats))
        return
    receive = asyncio.run(receiving(stats))
    rows = []
    for changed in (0.05, 0.2, 1.0):
        cost = measured(stats, envoys, flushes, changed)
        each = [receive, *(seconds / cost.stats * 1e6 for seconds in cost.stages.values())]
        rows.append((
            f"{changed:.0%}", f"{cost.rows / cost.stats:.0%}", *(f"{one:.2f}" for one in each), f"{sum(each):.2f}",
            f"{sum(each) / 1e6 * TARGET_STATS_PER_S:.0%}",
        ))  # fmt: skip
    stages = ("receive", *(stage.removeprefix("envoy_") for stage in cost.stages), "all")
    head = ("values changed", "rows", *(f"{stage} µs" for stage in stages), "of a core at 200,000/s")
    print(table(head, rows))
    print(f"memory {psutil.Process().memory_info().rss / 2**20:.0f} MiB; {stats} stats, {envoys} Envoys")


if __name__ == "__main__":
    typer.run(main)
