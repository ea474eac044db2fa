"""Metrics in OTLP: increases and totals, histograms of both kinds, exemplars."""

import asyncio
from dataclasses import replace

import polars as pl
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from telemetry.adapters.otlp import Otlp
from telemetry.batch import EXPONENTIAL, Batch
from telemetry.errors import Partial, Retry
from telemetry.opentelemetry.metrics import Metrics
from telemetry.opentelemetry.requests import Resources
from telemetry.testing import Behaviour
from tests.adapters.otlp_sinks import GrpcSink, attributes, points, running
from tests.adapters.pages import START, Point, batch

EXEMPLAR = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "value": 7.0, "time": START}
START_NS = int(START.timestamp()) * 10**9
REVIEWS = {"reporter": "destination", "destination_workload": "reviews-v1", "destination_workload_namespace": "shop"}


def read(made: Batch):
    request = Metrics(Resources({}), Resources({"service.name": "ourselves"}), "delta").encode(made)
    return list(points(ExportMetricsServiceRequest.FromString(request)))


def native(made: Batch, *buckets: dict[int, int], scale: int = 0, zeros: int = 0) -> Batch:
    column = [
        {
            "scale": scale,
            "zero_threshold": 0.5,
            "zero_count": zeros,
            "positive": [{"index": index, "count": count} for index, count in one.items()],
            "negative": [],
        }
        for one in buckets
    ]
    counts = pl.Series("count", [sum(one.values()) + zeros for one in buckets], dtype=pl.UInt64)
    return replace(made, rows=made.rows.with_columns(counts, pl.Series("exponential", column, dtype=EXPONENTIAL)))


def test_a_counter_is_a_monotonic_sum_of_increases() -> None:
    ((who, metric, point),) = read(
        batch(Point("istio_requests_total", {**REVIEWS, "empty": ""}, 3.0, exemplar=EXEMPLAR))
    )
    assert (metric.name, metric.unit) == ("istio_requests_total", "1")
    assert metric.sum.is_monotonic
    assert metric.sum.aggregation_temporality == 1
    assert (point.as_double, point.start_time_unix_nano, point.time_unix_nano) == (3.0, START_NS, START_NS)
    assert attributes(point) == REVIEWS, "an empty label is none"
    (exemplar,) = point.exemplars
    assert (exemplar.trace_id.hex(), exemplar.span_id.hex()) == (EXEMPLAR["trace_id"], EXEMPLAR["span_id"])
    assert (exemplar.as_double, exemplar.time_unix_nano) == (7.0, START_NS)
    assert attributes(who) == {
        "service.name": "reviews-v1",
        "service.namespace": "shop",
        "k8s.namespace.name": "shop",
        "telemetry.receiver": "test",
    }


def test_metrics_of_no_workload_are_ours() -> None:
    ((who, metric, _),) = read(batch(Point("queue_length", {}, -2.0, kind="gauge")))
    assert attributes(who) == {"service.name": "ourselves", "telemetry.receiver": "test"}
    assert metric.WhichOneof("data") == "gauge"


def test_an_explicit_histogram_keeps_bounds_buckets_count_and_sum() -> None:
    ((_, metric, point),) = read(batch(Point("h", {"a": "x"}, 20.5, buckets=(1, 2, 0, 1), unit="ms")))
    assert (metric.unit, metric.histogram.aggregation_temporality) == ("ms", 1)
    assert (point.count, point.sum) == (4, 20.5)
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([1.0, 10.0, 100.0], [1, 2, 0, 1])


def test_an_exponential_histogram_keeps_scale_offset_buckets_and_zeros() -> None:
    made = native(batch(Point("h", {"a": "x"}, 9.5, kind="histogram")), {-2: 1, 1: 3}, scale=3, zeros=2)
    ((_, metric, point),) = read(made)
    assert metric.WhichOneof("data") == "exponential_histogram"
    assert (point.scale, point.zero_count, point.zero_threshold, point.count, point.sum) == (3, 2, 0.5, 6, 9.5)
    assert (point.positive.offset, list(point.positive.bucket_counts)) == (-2, [1, 0, 0, 3])


async def test_rows_that_are_no_points_are_named_and_the_others_sent() -> None:
    made = batch(Point("a", {}, 1.0), Point("", {}, 1.0), Point("b", {}, 1.0))
    broken = made.rows.with_columns(pl.Series("value", [1.0, 1.0, None]))
    async with running(GrpcSink()) as sink, Otlp(Otlp.Config(endpoint=f"http://127.0.0.1:{sink.port}")) as adapter:
        with pytest.raises(Partial) as raised:
            await adapter.export(replace(made, rows=broken))
        assert sorted(raised.value.rejected) == [1, 2]
        assert [metric.name for request in sink.requests for _, metric, _ in points(request)] == ["a"]


class Cumulative:
    """An adapter that sends totals, and what its sink got of one metric, oldest first."""

    def __init__(self, sink: GrpcSink, **options) -> None:
        self.sink = sink
        self.now_s = 1000.0
        config = Otlp.Config(endpoint=f"http://127.0.0.1:{sink.port}", temporality="cumulative", **options)
        self.adapter = Otlp(config, environment={}, clock_ns=lambda: int(self.now_s * 1e9))

    def got(self, name: str):
        return [
            (metric, point)
            for request in self.sink.requests
            for _, metric, point in points(request)
            if metric.name == name
        ]


async def test_totals_grow_whatever_fails_and_a_batch_that_comes_again_counts_once() -> None:
    async with running(GrpcSink()) as sink:
        cumulative = Cumulative(sink)
        async with cumulative.adapter as adapter:
            first = batch(Point("c_total", {"a": "x"}, 2.0), Point("c_total", {"a": "y"}, 5.0))
            second = replace(batch(Point("c_total", {"a": "x"}, 3.0)), sequence=1)
            await adapter.export(first)
            await sink.behave(Behaviour.BUSY)
            with pytest.raises(Retry):
                await adapter.export(second)
            await sink.behave(Behaviour.WORK)
            await adapter.export(second)
            await adapter.export(first.slice(1, 1))
        got = cumulative.got("c_total")
        assert [(attributes(point)["a"], point.as_double) for _, point in got] == [
            ("x", 2),
            ("y", 5),
            ("x", 5),
            ("y", 5),
        ]
        assert {metric.sum.aggregation_temporality for metric, _ in got} == {2}
        assert {point.start_time_unix_nano for _, point in got} == {START_NS}


async def test_totals_of_histograms_add_up_bucket_by_bucket_and_coarsen_where_scales_differ() -> None:
    async with running(GrpcSink()) as sink:
        cumulative = Cumulative(sink)
        async with cumulative.adapter as adapter:
            for sequence, (scale, buckets) in enumerate(((1, {0: 1, 1: 1, 3: 1}), (0, {0: 2, 1: 1}))):
                explicit = batch(Point("h", {"a": "x"}, 5.0, buckets=(1, 2, 0, 1)))
                await adapter.export(replace(explicit, sequence=sequence))
                made = native(batch(Point("n", {"a": "x"}, 9.5, kind="histogram")), buckets, scale=scale, zeros=1)
                await adapter.export(replace(made, sequence=sequence, epoch=7))
        last = cumulative.got("h")[-1][1]
        assert (list(last.bucket_counts), last.sum, last.count) == ([2, 4, 0, 2], 10.0, 8)
        last = cumulative.got("n")[-1][1]
        assert (last.scale, last.positive.offset, list(last.positive.bucket_counts)) == (0, 0, [4, 2])
        assert (last.zero_count, last.sum, last.count) == (2, 19.0, 8)


async def test_beyond_max_series_totals_go_to_one_series_that_says_so() -> None:
    async with running(GrpcSink()) as sink:
        cumulative = Cumulative(sink, max_series=1)
        async with cumulative.adapter as adapter:
            await adapter.export(batch(*(Point("c_total", {"a": text}, 1.0) for text in "xyz")))
        got = {tuple(attributes(point).items()): point.as_double for _, point in cumulative.got("c_total")}
        assert got == {(("a", "x"),): 1.0, (("otel_metric_overflow", "true"),): 2.0}


async def test_a_series_that_has_expired_begins_anew() -> None:
    async with running(GrpcSink()) as sink:
        cumulative = Cumulative(sink, expire_after_s=60)
        async with cumulative.adapter as adapter:
            for sequence in range(2):
                await adapter.export(replace(batch(Point("c_total", {"a": "x"}, 2.0)), sequence=sequence))
                cumulative.now_s += 100
        assert [point.as_double for _, point in cumulative.got("c_total")] == [2.0, 2.0]


async def test_totals_sent_at_once_arrive_in_their_order_and_never_go_back_in_time() -> None:
    async with running(GrpcSink()) as sink:
        cumulative = Cumulative(sink)
        made = [replace(batch(Point("c_total", {"a": "x"}, 1.0)), sequence=sequence) for sequence in range(5)]
        late = made[0].rows.with_columns(time=pl.col("time") - pl.duration(seconds=9))
        async with cumulative.adapter as adapter:
            await asyncio.gather(*map(adapter.export, made))
            await adapter.export(replace(made[0], rows=late, sequence=9))
        got = [point for _, point in cumulative.got("c_total")]
        assert [point.as_double for point in got] == [1, 2, 3, 4, 5, 6]
        assert {point.time_unix_nano for point in got} == {START_NS}
