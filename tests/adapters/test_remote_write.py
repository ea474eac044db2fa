"""What a back end of remote write is sent: totals, histograms of each kind, exemplars, markers; and what it says."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
import structlog
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from telemetry.adapters.prometheus_remote_write import PrometheusRemoteWrite
from telemetry.batch import EXPONENTIAL, Batch, Template
from telemetry.demo.waiting import holds_within
from telemetry.errors import Rejected, Retry, StartError, TooLarge
from telemetry.remote_write.histograms import NativeHistogram, histogram_message
from telemetry.series.native import NativeHistograms
from telemetry.testing import Behaviour, Clock, batch_of
from tests.adapters.pages import START, Point, batch
from tests.adapters.remote_write_protos import Request, WriteRequest
from tests.adapters.remote_write_sink import RemoteWriteSink, Written, running, stale

EXEMPLAR = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "value": 7.0, "time": START}
START_MS = int(START.timestamp()) * 1000


class Writing:
    """An adapter that writes to a sink, with clocks that stand still."""

    def __init__(self, sink: RemoteWriteSink, **options: Any) -> None:
        self.clock = Clock()
        config = PrometheusRemoteWrite.Config(url=sink.url, **options)
        self.adapter = PrometheusRemoteWrite(config, clock_ns=self.clock.monotonic_ns, wall_ns=self.clock.time_ns)
        self.clock.advance(60)
        self._sequence = 0

    async def write(self, *points: Point) -> None:
        self._sequence += 1
        await self.adapter.export(replace(batch(*points), sequence=self._sequence))


def named(series: list[Written], name: str) -> list[Written]:
    return [one for one in series if one.labels["__name__"] == name]


def native(scale: int, positive: dict[int, int], negative: dict[int, int] | None = None, zeros: int = 0) -> Batch:
    sides = [[{"index": at, "count": n} for at, n in side.items()] for side in (positive, negative or {})]
    value = {"scale": scale, "zero_threshold": 0.5, "zero_count": zeros, "positive": sides[0], "negative": sides[1]}
    made = batch(Point("n", {"a": "x"}, 9.5, kind="histogram", exemplar=EXEMPLAR))
    count = sum(positive.values()) + sum((negative or {}).values()) + zeros
    columns = (pl.Series("exponential", [value], dtype=EXPONENTIAL), pl.Series("count", [count], dtype=pl.UInt64))
    return replace(made, rows=made.rows.with_columns(columns))


async def test_totals_are_written_with_metadata_start_and_exemplar() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink, labels={"replica": "a"})
        async with writing.adapter:
            for _ in range(2):
                await writing.write(Point("c_total", {"a": 'x"\\\n☃', "empty": ""}, 2.5, exemplar=EXEMPLAR, unit="s"))
                writing.clock.advance(1)
        (first,), (second,) = sink.requests
        assert first.labels == {"__name__": "c_total", "a": 'x"\\\n☃', "replica": "a"}
        assert [first.samples[0].value, second.samples[0].value] == [2.5, 5.0]
        assert (
            second.samples[0].timestamp == first.samples[0].timestamp + 1000 == writing.clock.time_ns() // 10**6 - 1000
        )
        assert first.samples[0].start_timestamp == START_MS
        assert first.exemplars == [({"trace_id": EXEMPLAR["trace_id"], "span_id": EXEMPLAR["span_id"]}, 7.0, START_MS)]
        assert first.metadata == (1, "seconds")
        assert sink.headers[0]["user-agent"] == "mesh-telemetry"


async def test_a_gauge_is_the_last_value_and_has_no_start() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink)
        async with writing.adapter:
            await writing.write(*(Point("g", {}, value, kind="gauge") for value in (3, -2)))
        ((one,),) = sink.requests
        assert (one.samples[0].value, one.samples[0].start_timestamp, one.metadata) == (-2, 0, (2, ""))


@pytest.mark.parametrize("newest", [True, False])
async def test_an_explicit_histogram_is_a_series_for_each_bucket_a_sum_and_a_count(newest: bool) -> None:
    async with running(RemoteWriteSink(knows_newest=newest)) as sink:
        writing = Writing(sink)
        async with writing.adapter:
            await writing.write(Point("h", {"a": "x"}, 20.5, buckets=(1, 2, 0, 1), exemplar=EXEMPLAR))
        (series,) = sink.requests
        buckets = {one.labels["le"]: one for one in named(series, "h_bucket")}
        assert {le: one.samples[0].value for le, one in buckets.items()} == {"1": 1, "10": 3, "100": 3, "+Inf": 4}
        assert [le for le, one in buckets.items() if one.exemplars] == ["10"]
        assert [named(series, f"h_{name}")[0].samples[0].value for name in ("sum", "count")] == [20.5, 4]


async def test_an_explicit_histogram_can_be_a_native_one_with_its_own_bounds() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink, native_histograms=True)
        async with writing.adapter:
            await writing.write(Point("h", {"a": "x"}, 20.5, buckets=(1, 2, 0, 1)))
        ((one,),) = sink.requests
        (histogram,) = one.histograms
        assert (histogram.schema, histogram.count_int, histogram.sum) == (-53, 4, 20.5)
        assert list(histogram.custom_values) == [1, 10, 100]
        assert buckets_of(histogram.positive_spans, histogram.positive_deltas) == {0: 1, 1: 2, 3: 1}
        assert histogram.start_timestamp == START_MS


def buckets_of(spans, deltas) -> dict[int, int]:
    """Spans and deltas as Prometheus reads them."""
    found, index, count, rest = {}, 0, 0, iter(deltas)
    for span in spans:
        index += span.offset
        for _ in range(span.length):
            count += next(rest)
            found[index] = count
            index += 1
    assert next(rest, None) is None
    return found


async def test_an_exponential_histogram_is_a_native_one_whose_indexes_are_one_higher() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink)
        async with writing.adapter as adapter:
            await adapter.export(native(2, {-3: 1, -2: 4, 5: 2}, {0: 1}, zeros=3))
        ((one,),) = sink.requests
        (histogram,) = one.histograms
        assert (histogram.schema, histogram.count_int, histogram.sum) == (2, 11, 9.5)
        assert (histogram.zero_count_int, histogram.zero_threshold) == (3, 0.5)
        assert buckets_of(histogram.positive_spans, histogram.positive_deltas) == {-2: 1, -1: 4, 6: 2}
        assert buckets_of(histogram.negative_spans, histogram.negative_deltas) == {1: 1}
        assert one.exemplars[0][1] == 7.0


async def test_a_scale_finer_than_prometheus_knows_is_made_coarser() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink)
        async with writing.adapter as adapter:
            await adapter.export(native(10, {0: 1, 3: 2, 4: 4, -1: 8}))
        (histogram,) = sink.requests[0][0].histograms
        assert histogram.schema == 8
        assert buckets_of(histogram.positive_spans, histogram.positive_deltas) == {0: 8, 1: 3, 2: 4}


async def test_who_answers_nothing_about_a_write_by_2_0_is_written_to_by_1_0() -> None:
    for says_415 in (True, False):
        async with running(RemoteWriteSink(knows_newest=False, says_415=says_415)) as sink:
            writing = Writing(sink)
            async with writing.adapter:
                for _ in range(2):
                    await writing.write(Point("c_total", {}, 1.0))
            versions = [one["x-prometheus-remote-write-version"] for one in sink.headers]
            assert versions == ["2.0.0", "0.1.0", "0.1.0"]
            assert list(sink.values.values()) == [2.0]


async def test_the_first_write_to_a_back_end_of_1_0_holds_no_histogram_that_only_2_0_has() -> None:
    async with running(RemoteWriteSink(knows_newest=False)) as sink:
        writing = Writing(sink, native_histograms=True)
        async with writing.adapter:
            for _ in range(2):
                await writing.write(Point("h", {"a": "x"}, 20.5, buckets=(1, 2, 0, 1)))
        assert [one["x-prometheus-remote-write-version"] for one in sink.headers] == ["2.0.0", "0.1.0", "0.1.0"]
        assert not sink.histograms
        assert {dict(key)["__name__"] for key in sink.values} == {"h_bucket", "h_sum", "h_count"}


async def test_where_2_0_is_demanded_nothing_falls_back() -> None:
    async with running(RemoteWriteSink(knows_newest=False, says_415=False)) as sink:
        writing = Writing(sink, protocol="2.0")
        async with writing.adapter:
            with pytest.raises(Retry, match="does not say what it wrote"):
                await writing.write(Point("c_total", {}, 1.0))


async def test_what_failed_is_made_up_for_and_a_batch_that_comes_again_is_not_added_again() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink)
        made = batch(Point("c_total", {"a": "x"}, 2.0))
        async with writing.adapter as adapter:
            await sink.behave(Behaviour.BUSY)
            for _ in range(3):
                with pytest.raises(Retry):
                    await adapter.export(made)
            await sink.behave(Behaviour.WORK)
            await adapter.export(made)
        assert list(sink.values.values()) == [2.0]


async def test_a_write_is_split_at_max_samples_and_where_the_back_end_finds_it_too_large() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink, max_samples=10)
        async with writing.adapter:
            await writing.write(*(Point("c_total", {"a": str(at)}, 1.0) for at in range(25)))
        assert [len(series) for series in sink.requests] == [10, 10, 5]
        sink.requests.clear()
        small = sink.take
        sink.take = lambda *told: web.Response(status=413) if len(told[2]) > 300 else small(*told)
        async with Writing(sink, max_samples=1000).adapter as adapter:
            await adapter.export(batch(*(Point("d_total", {"a": str(at)}, 1.0) for at in range(25))))
            assert sum(map(len, sink.requests)) == 25
            with pytest.raises(TooLarge, match="max_samples"):
                await adapter.export(replace(batch(Point("e_total", {"a": "x" * 400}, 1.0)), sequence=9))


async def test_what_expires_ends_with_a_stale_marker() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink, expire_after_s=60)
        async with writing.adapter as adapter:
            await writing.write(Point("c_total", {"a": "x"}, 5.0), Point("c_total", {"a": "y"}, 5.0))
            await writing.write(Point("h", {"a": "x"}, 5.0, buckets=(1, 0, 0, 0)))
            await adapter.export(native(0, {1: 1}))
            writing.clock.advance(40)
            await writing.write(Point("c_total", {"a": "y"}, 1.0))
            writing.clock.advance(40)
            await writing.write(Point("c_total", {"a": "x"}, 2.0))
        ended = {key for key, value in sink.values.items() if stale(value)}
        assert len(ended) == 6, "four buckets, sum and count"
        assert all(dict(key)["__name__"].startswith("h_") for key in ended)
        assert stale(next(iter(sink.histograms.values())).sum)
        values = {dict(key).get("a"): value for key, value in sink.values.items() if key not in ended}
        assert values == {"x": 7.0, "y": 6.0}, "what came back in time has not ended"
        counts = {count.name: count.value for count in adapter.counts()}
        assert counts["telemetry_remote_write_expired_series_total"] > 0


async def test_series_without_change_are_repeated() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink, resend_after_s=60)
        async with writing.adapter:
            await writing.write(Point("c_total", {"a": "x"}, 5.0))
            writing.clock.advance(61)

            async def repeated() -> bool:
                return len(sink.requests) == 2

            assert await holds_within(repeated, 5)
        assert [series[0].samples[0].value for series in sink.requests] == [5.0, 5.0]


async def test_whatever_fails_in_a_repeated_write_the_next_one_comes() -> None:
    async with running(RemoteWriteSink()) as sink:
        clock, failing = Clock(), iter([False, True])

        def wall_ns() -> int:
            if next(failing, False):
                raise OverflowError("a clock that is out of order")
            return clock.time_ns()

        config = PrometheusRemoteWrite.Config(url=sink.url, resend_after_s=60)
        async with PrometheusRemoteWrite(config, clock_ns=clock.monotonic_ns, wall_ns=wall_ns) as adapter:
            await adapter.export(batch(Point("c_total", {"a": "x"}, 5.0)))
            with structlog.testing.capture_logs() as logged:
                clock.advance(61)
                assert await holds_within(lambda: _said(logged, "totals could not be written"), 5)
            clock.advance(61)
            assert await holds_within(lambda: _count_is(sink.requests, 2), 5)


async def _said(logged: list[Any], what: str) -> bool:
    return any(what in line["event"] for line in logged)


async def _count_is(some: list[Any], count: int) -> bool:
    return len(some) == count


async def test_with_an_interval_writes_are_fewer_and_the_last_comes_at_the_end() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink, interval_s=10)
        async with writing.adapter:
            for _ in range(5):
                await writing.write(Point("c_total", {"a": "x"}, 1.0))
                writing.clock.advance(1)
            assert len(sink.requests) == 1
        assert [series[0].samples[0].value for series in sink.requests] == [1.0, 5.0]


@pytest.mark.parametrize(
    ("status", "headers", "error", "after_s"),
    [
        (429, {"Retry-After": "7"}, Retry, 7),
        (500, {}, Retry, None),
        (503, {"Retry-After": "soon"}, Retry, None),
        (401, {}, Retry, None),
        (403, {}, Retry, None),
        (404, {}, Retry, None),
        (408, {}, Retry, None),
        (302, {}, Retry, None),
        (400, {}, Rejected, None),
        (409, {}, Rejected, None),
        (422, {}, Rejected, None),
    ],
)
async def test_what_an_answer_means(status, headers, error, after_s) -> None:
    answer = web.Response(status=status, headers=headers, text="out of \x1b order " + "x" * 99999)
    async with running(RemoteWriteSink(answer=answer)) as sink:
        writing = Writing(sink)
        async with writing.adapter:
            with pytest.raises(error, match=rf"HTTP {status}: out of \\x1b order") as raised:
                await writing.write(Point("c_total", {}, 1.0))
        assert type(raised.value) is error
        assert getattr(raised.value, "after_s", None) == after_s
        assert len(str(raised.value)) < 600


async def test_what_a_back_end_left_out_of_a_write_is_counted() -> None:
    written = {"X-Prometheus-Remote-Write-Samples-Written": "1"}
    for status in (204, 400):
        async with running(RemoteWriteSink(answer=web.Response(status=status, headers=written))) as sink:
            writing = Writing(sink)
            with structlog.testing.capture_logs() as logged:
                async with writing.adapter as adapter:
                    points = [Point("c_total", {"a": text}, 1.0) for text in "xyz"]
                    if status == 204:
                        await writing.write(*points)
                    else:
                        with pytest.raises(Rejected):
                            await writing.write(*points)
            assert [one["samples"] for one in logged] == [2]
            (refused,) = [one for one in adapter.counts() if one.name == "telemetry_remote_write_refused_samples_total"]
            assert (refused.labels, refused.value) == ({"url": sink.url}, 2)


async def test_what_has_no_form_in_prometheus_is_rejected() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink)
        async with writing.adapter as adapter:
            with pytest.raises(Rejected, match="not a Prometheus metric name"):
                await writing.write(Point("with space", {}, 1.0))
            await adapter.export(batch_of(Template.METRIC, 3, sequence=77))


async def test_an_answer_that_does_not_come_is_not_waited_for_longer_than_timeout() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink, timeout_s=0.1)
        async with writing.adapter:
            await sink.behave(Behaviour.HANG)
            with pytest.raises(Retry, match=r"no answer within 0\.1 s|Timeout"):
                await writing.write(Point("c_total", {}, 1.0))
            await sink.behave(Behaviour.WORK)


def test_options_that_can_not_be_are_refused() -> None:
    for wrong in (
        {"url": "ftp://x"},
        {"url": "http://user:pw@host/"},
        {"labels": {"le": "1"}},
        {"labels": {"__a": "1"}},
    ):
        with pytest.raises(ValidationError):
            PrometheusRemoteWrite.Config(**{"url": "http://x/", **wrong})


async def test_a_header_with_a_newline_stops_the_start_and_is_not_shown() -> None:
    config = PrometheusRemoteWrite.Config(url="http://x/", headers={"a": SecretStr("hunter2\nb: c")})
    with pytest.raises(StartError) as raised:
        async with PrometheusRemoteWrite(config):
            pytest.fail("it has started")
    assert "hunter2" not in str(raised.value)


BUCKETS = st.dictionaries(st.integers(-200, 200), st.integers(1, 2**40), max_size=20)


@given(BUCKETS, BUCKETS, st.integers(-4, 8))
def test_spans_and_deltas_are_read_back_as_the_buckets_that_they_were(positive, negative, schema) -> None:
    one = NativeHistogram(schema, 5, 1.5, 2, 0.25, positive, negative)
    for kind, field in ((WriteRequest, 4), (Request, 3)):
        message = kind().timeseries.add().histograms.add()
        message.MergeFromString(histogram_message(one, 1234, 99 if field == 3 else 0))
        assert (message.schema, message.timestamp, message.zero_count_int) == (schema, 1234, 2)
        assert buckets_of(message.positive_spans, message.positive_deltas) == positive
        assert buckets_of(message.negative_spans, message.negative_deltas) == negative


@given(st.lists(st.tuples(st.integers(-4, 8), BUCKETS), min_size=1, max_size=5))
def test_native_totals_lose_no_count_whatever_the_scales(increases) -> None:
    totals = NativeHistograms(10)
    for scale, buckets in increases:
        totals.add(native(scale, buckets).rows, now_ns=1, birth=1)
    (one,) = totals
    assert sum(one.positive.values()) == sum(sum(buckets.values()) for _, buckets in increases)
    assert one.scale <= min(scale for scale, _ in increases)
    coarse = {index >> (scale - one.scale) for scale, buckets in increases for index in buckets}
    assert set(one.positive) == coarse


async def test_a_series_that_comes_back_before_its_marker_was_written_has_no_marker() -> None:
    async with running(RemoteWriteSink()) as sink:
        writing = Writing(sink, expire_after_s=60)
        async with writing.adapter:
            await writing.write(Point("c_total", {"a": "x"}, 5.0))
            writing.clock.advance(61)
            await sink.behave(Behaviour.BUSY)
            with pytest.raises(Retry):
                await writing.write(Point("c_total", {"a": "y"}, 1.0))
            with pytest.raises(Retry):
                await writing.write(Point("c_total", {"a": "x"}, 2.0))
            await sink.behave(Behaviour.WORK)
            await writing.write(Point("c_total", {"a": "y"}, 1.0))
        assert {dict(key)["a"]: value for key, value in sink.values.items()} == {"x": 2.0, "y": 2.0}
