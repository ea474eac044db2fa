"""A real OpenTelemetry Collector: what it writes to its files is what real Envoys' traffic became."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import yaml

from telemetry.adapters.otlp import Otlp
from telemetry.batch import Batch, Template
from telemetry.demo.processes import Process
from telemetry.testing import batch_of, marks
from tests.conftest import tool
from tests.real.in_process import Given, mesh_through

pytestmark = pytest.mark.real

SIGNALS = ("traces", "metrics", "logs")


@dataclass
class Collector:
    """Its addresses, and once it has been stopped, what it wrote."""

    folder: Path
    grpc: str
    http: str

    def _lines(self, signal: str) -> Iterator[Mapping[str, Any]]:
        yield from map(orjson.loads, (self.folder / f"{signal}.json").read_bytes().splitlines())

    def records(self, signal: str) -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
        """Attributes of resource and scope, and the record, of logs or spans."""
        outer, inner, leaf = {
            "logs": ("resourceLogs", "scopeLogs", "logRecords"),
            "traces": ("resourceSpans", "scopeSpans", "spans"),
        }[signal]
        return [
            (values(one["resource"]), values(scope["scope"]), record)
            for line in self._lines(signal)
            for one in line[outer]
            for scope in one[inner]
            for record in scope[leaf]
        ]

    def points(self) -> list[tuple[dict[str, Any], str, dict[str, Any], dict[str, Any]]]:
        """Attributes of the resource, name, data and point of each data point."""
        return [
            (values(one["resource"]), metric["name"], data, point)
            for line in self._lines("metrics")
            for one in line["resourceMetrics"]
            for scope in one["scopeMetrics"]
            for metric in scope["metrics"]
            for kind in ("sum", "gauge", "histogram", "exponentialHistogram")
            if (data := metric.get(kind))
            for point in data["dataPoints"]
        ]


def values(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as OTLP's JSON writes them: integers as text."""
    plain = {}
    for pair in holder.get("attributes", ()):
        ((kind, value),) = pair["value"].items()
        plain[pair["key"]] = int(value) if kind == "intValue" else value
    return plain


@asynccontextmanager
async def collector(folder: Path, free_port: Callable[..., int]) -> AsyncIterator[Collector]:
    """Run one; leaving stops it, and what it has is in its files then."""
    grpc, http = (f"127.0.0.1:{free_port()}" for _ in range(2))
    configuration = folder / "collector.yaml"
    exporters = {f"file/{signal}": {"path": str(folder / f"{signal}.json")} for signal in SIGNALS}
    pipelines = {signal: {"receivers": ["otlp"], "exporters": [f"file/{signal}"]} for signal in SIGNALS}
    receiver = {"protocols": {"grpc": {"endpoint": grpc}, "http": {"endpoint": http}}}
    service = {"pipelines": pipelines, "telemetry": {"metrics": {"level": "none"}}}
    configuration.write_text(
        yaml.safe_dump({"receivers": {"otlp": receiver}, "exporters": exporters, "service": service})
    )
    command = (tool("otelcol"), f"--config={configuration}")

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", int(http.rpartition(":")[2]))
        except OSError:
            return False
        writer.close()
        return True

    async with Process("the Collector", command, folder / "collector.log", listens):
        yield Collector(folder, f"http://{grpc}", f"http://{http}")


async def test_a_collector_has_the_three_signals_of_a_real_mesh_as_they_were_sent(
    tmp_path: Path, envoy_binary: Path, free_port: Callable[..., int]
) -> None:
    async with collector(tmp_path, free_port) as there:
        options = {"endpoint": there.grpc, "compression": "gzip"}
        async with mesh_through(Otlp, options, tmp_path) as given:
            pass
    assert_logs_are_equal(there, given)
    assert_spans_are_equal(there, given.of(Template.TRACESPAN))
    assert_each_request_is_one_connected_trace(there, given)
    assert_metrics_are_equal(there, given)


def assert_logs_are_equal(there: Collector, given: Given) -> None:
    sent = given.rows(Template.LOGENTRY)
    assert len(sent) > 500
    records = there.records("logs")
    of_http = pl.when(pl.col("context.protocol") == "http")
    code = of_http.then(pl.col("response.code").cast(pl.Int64))
    shown = sent.select("request.id", pl.col("request.time").to_physical(), code, "upstream.cluster")
    assert Counter(shown.rows()) == Counter(
        (
            own.get("guid:x-request-id"),
            int(record["timeUnixNano"]),
            own.get("http.response.status_code"),
            own.get("upstream_cluster"),
        )
        for record, own in ((record, values(record)) for _, _, record in records)
    )
    rows = [(scope["telemetry.sequence"], values(record)["telemetry.row"]) for _, scope, record in records]
    assert sorted(rows) == sorted((b.sequence, n) for b in given.of(Template.LOGENTRY) for n in b.row_numbers)
    workloads = {(r["service.name"], r["service.namespace"]) for r, *_ in records if "service.namespace" in r}
    assert {name for name, _ in workloads} >= {"productpage", "reviews", "details", "ratings"}


def assert_spans_are_equal(there: Collector, batches: list[Batch]) -> None:
    names = ("span.trace_id", "span.id", "span.name", "span.start", "span.end")
    sent = pl.concat([batch.rows.select(names) for batch in batches])
    assert len(sent) > 500
    assert Counter(sent.with_columns(pl.col("span.start", "span.end").to_physical()).rows()) == Counter(
        (span["traceId"], span["spanId"], span["name"], int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
        for _, _, span in there.records("traces")
    )


def assert_each_request_is_one_connected_trace(there: Collector, given: Given) -> None:
    """As the back end has them: one root each, every parent is there, and productpage's calls stand below it."""
    traces: dict[str, dict[str, dict[str, Any]]] = {}
    for resource, _, span in there.records("traces"):
        traces.setdefault(span["traceId"], {})[span["spanId"]] = {**span, "service": resource.get("service.name")}
    asked = given.rows(Template.LOGENTRY).filter(pl.col("context.reporter.uid").str.contains("ingressgateway"))
    assert len(traces) == asked.filter("request.counts")["request.id"].n_unique()
    for spans in traces.values():
        roots = [span for span in spans.values() if span.get("parentSpanId", "") not in spans]
        assert len(roots) == 1, [(span["name"], span["service"]) for span in roots]
    below = {
        (spans[span["parentSpanId"]]["service"], span["service"])
        for spans in traces.values()
        for span in spans.values()
        if span.get("parentSpanId", "") in spans
    }
    assert {("productpage", "reviews"), ("productpage", "details"), ("reviews", "ratings")} <= below


def assert_metrics_are_equal(there: Collector, given: Given) -> None:
    sent: Counter[tuple[Any, ...]] = Counter()
    gauges = set()
    for batch in given.of(Template.METRIC):
        gauges.update(batch.rows.filter(pl.col("kind") == "gauge")["metric"])
        for row in batch.rows.iter_rows(named=True):
            labels = tuple(sorted((name, text) for name, text in row["labels"].items() if text))
            sent[row["metric"], labels, row["value"], row["count"], tuple(row["buckets"] or ())] += 1
    found: Counter[tuple[Any, ...]] = Counter()
    for _, name, data, point in there.points():
        # What lasts (a gauge, such as completeness) is no sum of an interval.
        assert data.get("aggregationTemporality") == (None if name in gauges else 1)
        buckets = tuple(int(count) for count in point.get("bucketCounts", ()))
        count = int(point["count"]) if buckets else None
        value = point.get("sum", point.get("asDouble", 0.0))
        found[name, tuple(sorted(values(point).items())), float(value), count, buckets] += 1
    assert found == sent
    assert {"istio_requests_total", "istio_request_duration_milliseconds"} <= {name for name, *_ in found}


async def test_a_collector_takes_the_same_over_http(tmp_path: Path, free_port: Callable[..., int]) -> None:
    templates = (Template.LOGENTRY, Template.TRACESPAN, Template.METRIC)
    batches = [batch_of(template, 500) for template in templates]
    async with collector(tmp_path, free_port) as there:
        options = {"endpoint": there.http, "protocol": "http/protobuf", "compression": "gzip"}
        async with Otlp(Otlp.Config(**options), environment={}) as adapter:
            for batch in batches:
                await adapter.export(batch)
    for signal, batch in zip(("logs", "traces"), batches[:2], strict=True):
        assert sorted(values(record)["guid:x-request-id"] for *_, record in there.records(signal)) == sorted(
            marks(batch)
        )
    assert Counter(values(point)["mark"] for *_, point in there.points()) == Counter(marks(batches[2]))
