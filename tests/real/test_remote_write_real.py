"""A real Prometheus with its receiver on: what it holds is the sum of what real Envoys reported."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import orjson
import polars as pl
import pytest

from telemetry.adapters.prometheus_remote_write import PrometheusRemoteWrite
from telemetry.batch import EXPONENTIAL, Batch, Template
from telemetry.demo.processes import Process, answers
from telemetry.demo.samples import query_prometheus
from telemetry.testing import Clock, batch_of
from tests.conftest import tool
from tests.real.in_process import Given, mesh_through

pytestmark = pytest.mark.real


@asynccontextmanager
async def receiving_prometheus(
    binary: Path, folder: Path, free_port: Callable[..., int], client: httpx.AsyncClient
) -> AsyncIterator[str]:
    """Give its address."""
    address = f"127.0.0.1:{free_port()}"
    (folder / "prometheus.yml").write_text("{}")
    command = (
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-remote-write-receiver",
        "--enable-feature=exemplar-storage,native-histograms",
    )
    ready = f"http://{address}/-/ready"
    async with Process("Prometheus", command, folder / "prometheus.log", lambda: answers(client, ready)):
        yield f"http://{address}"


def sums(given: Given) -> Counter[tuple[str, frozenset[tuple[str, str]]]]:
    """Every series of Istio's metrics as Prometheus must have it in the end."""
    totals: Counter[tuple[str, frozenset[tuple[str, str]]]] = Counter()
    for batch in given.of(Template.METRIC):
        for row in batch.rows.filter(pl.col("metric").str.starts_with("istio_")).iter_rows(named=True):
            labels = {(name, text) for name, text in row["labels"].items() if text}
            if row["kind"] != "histogram":
                totals[row["metric"], frozenset(labels)] += row["value"]
                continue
            totals[f"{row['metric']}_sum", frozenset(labels)] += row["value"]
            totals[f"{row['metric']}_count", frozenset(labels)] += row["count"]
            bounds = [*(f"{bound:.15g}" for bound in row["bounds"]), "+Inf"]
            for at, bound in enumerate(bounds):
                totals[f"{row['metric']}_bucket", frozenset({*labels, ("le", bound)})] += sum(row["buckets"][: at + 1])
    return totals


async def test_a_prometheus_has_the_sums_of_a_real_mesh_by_falling_back_to_the_protocol_that_it_knows(
    tmp_path: Path, envoy_binary: Path, prometheus_binary: Path, free_port: Callable[..., int]
) -> None:
    async with (
        httpx.AsyncClient() as client,
        receiving_prometheus(prometheus_binary, tmp_path, free_port, client) as url,
    ):
        options = {"url": f"{url}/api/v1/write"}
        async with mesh_through(PrometheusRemoteWrite, options, tmp_path) as given:
            samples = await query_prometheus(client, url, '{__name__=~"istio_.+"}')
            exemplars = await client.get(
                f"{url}/api/v1/query_exemplars",
                params={"query": "istio_requests_total", "start": "0", "end": "9999999999"},
            )
        found = {
            (one.name, frozenset((k, v) for k, v in one.labels.items() if k != "__name__")): one.value
            for one in samples
        }
        assert found == sums(given)
        assert len(found) > 500
        traced = {one["labels"]["trace_id"] for series in exemplars.json()["data"] for one in series["exemplars"]}
        assert traced


def exponential(sequence: int) -> Batch:
    """Four requests: one of nothing, one up to 2, two up to 4."""
    batch = batch_of(Template.METRIC, 3, sequence=sequence)
    rows = batch.rows.filter(pl.col("kind") == "histogram")
    buckets = [{"index": 0, "count": 1}, {"index": 1, "count": 2}]
    native = {"scale": 0, "zero_threshold": 0.001, "zero_count": 1, "positive": buckets, "negative": []}
    none = [pl.lit(None, rows.schema[name]).alias(name) for name in ("bounds", "buckets")]
    changed = rows.with_columns(
        *none,
        pl.Series("exponential", [native], dtype=EXPONENTIAL),
        metric=pl.lit("native_duration"),
        count=pl.lit(4, pl.UInt64),
        value=pl.lit(9.5),
    )
    labels = changed.with_columns(pl.col("labels").struct.with_fields(pl.lit("x").alias("mark")))
    return replace(batch, rows=labels, kept=None)


async def test_a_prometheus_understands_native_histograms_and_stale_markers(
    tmp_path: Path, prometheus_binary: Path, free_port: Callable[..., int]
) -> None:
    clock = Clock()
    async with (
        httpx.AsyncClient() as client,
        receiving_prometheus(prometheus_binary, tmp_path, free_port, client) as url,
    ):
        config = PrometheusRemoteWrite.Config(url=f"{url}/api/v1/write", expire_after_s=60)
        async with PrometheusRemoteWrite(config, clock_ns=clock.monotonic_ns) as adapter:
            for sequence in (1, 2):
                await adapter.export(exponential(sequence))
            await adapter.export(batch_of(Template.METRIC, 1, sequence=3))
            for expression, value in (
                ("histogram_count(native_duration)", 8),
                ("histogram_sum(native_duration)", 19),
                ("histogram_quantile(1, native_duration)", 4),
                ("histogram_fraction(0, 2, native_duration)", 0.5),
                ('istio_requests_total{mark="3-0"}', 1),
            ):
                assert [one.value for one in await query_prometheus(client, url, expression)] == [value], expression
            clock.advance(61)
            await adapter.export(batch_of(Template.METRIC, 1, sequence=4))
        assert [one.labels["mark"] for one in await query_prometheus(client, url, "istio_requests_total")] == ["4-0"]
        assert await query_prometheus(client, url, "native_duration") == []


async def test_the_prometheus_projects_own_library_reads_2_0_as_it_was_meant(
    tmp_path: Path, free_port: Callable[..., int]
) -> None:
    address, log = f"127.0.0.1:{free_port()}", tmp_path / "received"
    async with httpx.AsyncClient() as client:

        async def listens() -> bool:
            try:
                await client.get(f"http://{address}")
            except httpx.TransportError:
                return False
            return True

        async with Process("the receiver", (tool("remote-write-receiver"), address), log, listens):
            config = PrometheusRemoteWrite.Config(url=f"http://{address}/", protocol="2.0")
            async with PrometheusRemoteWrite(config) as adapter:
                await adapter.export(batch_of(Template.METRIC, 3))
                await adapter.export(exponential(2))
    first, second = map(orjson.loads, log.read_bytes().splitlines())
    series = {tuple(sorted(labels_of(first, one).items())): one for one in first["timeseries"]}
    assert len(series) == 1 + 7 + 1, "a counter; five buckets, sum and count; a gauge"
    counter = next(one for labels, one in series.items() if ("__name__", "istio_requests_total") in labels)
    assert counter["samples"][0]["value"] == 1
    assert counter["metadata"]["type"] == "METRIC_TYPE_COUNTER"
    values = {dict(labels).get("le"): one["samples"][0].get("value", 0) for labels, one in series.items()}
    assert {le: value for le, value in values.items() if le} == {"1": 0, "5": 0, "10": 0, "25": 1, "+Inf": 1}
    (native,) = second["timeseries"]
    (histogram,) = native["histograms"]
    assert (histogram["countInt"], histogram["sum"], histogram["zeroCountInt"]) == ("4", 9.5, "1")
    assert (histogram["positiveSpans"], histogram["positiveDeltas"]) == ([{"offset": 1, "length": 2}], ["1", "1"])


def labels_of(request: dict, series: dict) -> dict[str, str]:
    symbols = request["symbols"]
    texts = [symbols[reference] for reference in series["labelsRefs"]]
    return dict(zip(texts[::2], texts[1::2], strict=True))
