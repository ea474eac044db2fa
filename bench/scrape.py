"""What an export and a scrape cost: 100,000 samples with Istio's 25 labels, against prometheus-client's own page."""

import argparse
import asyncio
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import numpy as np
import polars as pl
from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as client_page
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as client_openmetrics_page

from telemetry.adapters.prometheus import Prometheus
from telemetry.batch import METRIC_KIND, SCHEMAS, Batch, Template
from telemetry.http.metrics import compressed, page

BOUNDS = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000]
HISTOGRAMS = {
    "istio_request_duration_milliseconds": "ms",
    "istio_request_bytes": "By",
    "istio_response_bytes": "By",
}
METRICS = {"istio_requests_total": "1", **HISTOGRAMS}
SAMPLES_PER_LABEL_SET = 1 + len(HISTOGRAMS) * (len(BOUNDS) + 3)


def istio_labels(count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Draw label sets between 200 workloads in 20 namespaces: about 1 KiB of text each."""
    source, destination = rng.integers(0, 200, count), rng.integers(0, 200, count)

    def end(side: str, number: np.ndarray) -> dict[str, list[str]]:
        workloads = [f"checkout-backend-{n:03d}-v{n % 3}" for n in number]
        namespaces = [f"team-{n % 20:02d}-production" for n in number]
        apps = [f"checkout-backend-{n:03d}" for n in number]
        return {
            f"{side}_workload": workloads,
            f"{side}_workload_namespace": namespaces,
            f"{side}_principal": [
                f"spiffe://cluster.local/ns/{ns}/sa/{app}" for ns, app in zip(namespaces, apps, strict=True)
            ],
            f"{side}_app": apps,
            f"{side}_version": [f"v{n % 3}" for n in number],
            f"{side}_canonical_service": apps,
            f"{side}_canonical_revision": [f"v{n % 3}" for n in number],
            f"{side}_cluster": ["Kubernetes"] * count,
        }

    target = end("destination", destination)
    pairs = list(zip(target["destination_app"], target["destination_workload_namespace"], strict=True))
    return pl.DataFrame(
        {
            "reporter": rng.choice(["source", "destination"], count),
            **end("source", source),
            **target,
            "destination_service": [f"{app}.{ns}.svc.cluster.local" for app, ns in pairs],
            "destination_service_name": [app for app, _ in pairs],
            "destination_service_namespace": [ns for _, ns in pairs],
            "request_protocol": ["http"] * count,
            # Different in every row, so that no two label sets are equal.
            "response_code": [str(200 + n) for n in range(count)],
            "grpc_response_status": [""] * count,
            "response_flags": rng.choice(["-", "UF", "URX"], count),
            "connection_security_policy": rng.choice(["mutual_tls", "unknown"], count),
        }
    )


def metric_batch(labels: pl.DataFrame, rng: np.random.Generator, sequence: int) -> Batch:
    """Make one batch: each label set with all four metrics, each point with an exemplar."""
    count = len(labels)
    now = datetime.now(UTC)
    base = pl.DataFrame({"labels": labels.to_struct(), "series": labels.hash_rows(seed=7)})
    frames = []
    for metric, unit in METRICS.items():
        histogram = metric in HISTOGRAMS
        buckets = rng.integers(0, 5, (count, len(BOUNDS) + 1)).astype(np.uint64)
        exemplars = pl.DataFrame(
            {
                "trace_id": [rng.bytes(16).hex() for _ in range(count)],
                "span_id": [rng.bytes(8).hex() for _ in range(count)],
                "value": rng.uniform(1, 5000, count),
                "time": [now] * count,
            }
        )
        frames.append(
            base.with_columns(
                metric=pl.lit(metric),
                unit=pl.lit(unit),
                kind=pl.lit("histogram" if histogram else "counter", dtype=METRIC_KIND),
                value=pl.Series(rng.uniform(1, 1e6, count) if histogram else rng.integers(1, 50, count).astype(float)),
                count=pl.Series(buckets.sum(axis=1)) if histogram else None,
                bounds=pl.Series([BOUNDS] * count) if histogram else None,
                buckets=pl.Series(buckets.tolist(), dtype=pl.List(pl.UInt64)) if histogram else None,
                exemplar=exemplars.to_struct(),
                start=pl.lit(now),
                time=pl.lit(now),
            )
        )
    schema = SCHEMAS[Template.METRIC]
    casts = [pl.col(name) if name == "labels" else pl.col(name).cast(dtype) for name, dtype in schema.items()]
    return Batch(Template.METRIC, pl.concat([frame.select(casts) for frame in frames]), "bench", 0, sequence)


class ClientCollector:
    """The same figures as prometheus-client's own families, made anew at each scrape as its collectors do."""

    def __init__(self, labels: pl.DataFrame) -> None:
        self._names = labels.columns
        self._rows = [list(row) for row in labels.rows()]
        self._buckets = [(str(float(bound)), 7.0 * i) for i, bound in enumerate(BOUNDS)] + [("+Inf", 200.0)]

    def collect(self) -> Iterator[Metric]:
        counter = CounterMetricFamily("istio_requests", "", labels=self._names)
        for row in self._rows:
            counter.add_metric(row, 17.0)
        yield counter
        for name in HISTOGRAMS:
            histogram = HistogramMetricFamily(name, "", labels=self._names)
            for row in self._rows:
                histogram.add_metric(row, self._buckets, 12345.678)
            yield histogram


def cpu_seconds(work: Callable[[], object], rounds: int) -> float:
    """Give the best CPU time of some rounds."""

    def once() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return min(once() for _ in range(rounds))


def size(pieces: Iterable[bytes]) -> int:
    return sum(map(len, pieces))


def rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def peak_extra_bytes(work: Callable[[], object]) -> int:
    """Give how much Python and NumPy memory is in use at most, beyond what was before."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def measure_export(rng: np.random.Generator, rounds: int) -> None:
    """Measure CPU, all threads: the wall clock tells more of the machine's other work."""
    adapter = Prometheus(Prometheus.Config())
    batch = metric_batch(istio_labels(3000, rng), rng, 0)
    first = cpu_seconds(lambda: asyncio.run(adapter.export(batch)), 1)

    async def repeat() -> list[float]:
        times = []
        for _ in range(rounds):
            start = time.process_time()
            await adapter.export(batch)
            times.append(time.process_time() - start)
        return sorted(times)

    times = asyncio.run(repeat())
    print(
        f"export of {len(batch.rows):,} points: first (all label sets new) {first * 1e3:.1f} ms CPU, then median "
        f"{times[rounds // 2] * 1e3:.2f} ms, p99 {times[rounds * 99 // 100] * 1e3:.2f} ms"
    )


def measure_scrape(samples: int, rng: np.random.Generator, rounds: int) -> None:
    labels = istio_labels(-(-samples // SAMPLES_PER_LABEL_SET), rng)
    batch = metric_batch(labels, rng, 1)
    before = rss_bytes()
    adapter = Prometheus(Prometheus.Config())
    asyncio.run(adapter.export(batch))
    held = rss_bytes() - before
    count = len(labels) * SAMPLES_PER_LABEL_SET
    print(f"{count:,} samples, {len(labels):,} label sets of {len(labels.columns)} labels; state {held / 1e6:.1f} MB")
    registry = CollectorRegistry()
    ours = {}
    for form, openmetrics in (("text 0.0.4", False), ("OpenMetrics", True)):

        def plain(openmetrics: bool = openmetrics) -> Iterator[bytes]:
            return page(registry, [adapter], openmetrics=openmetrics)

        for coding, pieces in (("identity", plain), ("gzip", lambda plain=plain: compressed(plain()))):
            spent = cpu_seconds(lambda pieces=pieces: size(pieces()), rounds)
            total = size(pieces())
            extra = peak_extra_bytes(lambda pieces=pieces: size(pieces()))
            ours[form, coding] = spent
            print(
                f"  {form:11} {coding:8} {spent:.3f} s CPU, {total / 1e6:6.1f} MB, {count / spent:,.0f} samples/s, "
                f"peak extra {extra / 1e6:.2f} MB"
            )
    clients = CollectorRegistry()
    clients.register(ClientCollector(labels))
    for form, render in (("text 0.0.4", client_page), ("OpenMetrics", client_openmetrics_page)):
        spent = cpu_seconds(lambda render=render: render(clients), 1)
        extra = peak_extra_bytes(lambda render=render: render(clients))
        print(
            f"  {form:11} prometheus-client: {spent:.2f} s CPU, {spent / ours[form, 'identity']:.0f} times ours, "
            f"peak extra {extra / 1e6:.0f} MB"
        )


def measure_rss(series: int, rng: np.random.Generator) -> None:
    """Fill the adapter to the cap; the batches are made and dropped one by one."""
    adapter = Prometheus(Prometheus.Config(max_series=series))
    labels = istio_labels(series // len(METRICS), rng)
    parts = [labels.slice(start, 3000) for start in range(0, len(labels), 3000)]
    asyncio.run(adapter.export(metric_batch(parts[0].head(1), rng, 0)))
    before = rss_bytes()
    for sequence, part in enumerate(parts):
        asyncio.run(adapter.export(metric_batch(part, rng, sequence)))
    stats = adapter.stats()
    grown = rss_bytes() - before
    print(
        f"{sum(stats.series.values()):,} series of {stats.label_sets:,} label sets: RSS +{grown / 1e6:.0f} MB "
        "(with what the allocator keeps of the batches)"
    )
    spent = cpu_seconds(lambda: size(adapter.exposition(openmetrics=False)), 1)
    print(f"  its page: {stats.label_sets * SAMPLES_PER_LABEL_SET:,} samples, {spent:.2f} s CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    measure_export(rng, 100)
    measure_scrape(arguments.samples, rng, arguments.rounds)
    measure_rss(arguments.series, rng)


if __name__ == "__main__":
    main()
