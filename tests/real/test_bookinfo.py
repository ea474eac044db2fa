"""A bounded number of requests through real Envoys: what Prometheus has in the end, and what Kiali makes of it."""

from collections import Counter
from dataclasses import dataclass

import polars as pl
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from telemetry.demo.samples import Sample
from telemetry.demo.waiting import holds_within
from tests.real import kiali
from tests.real.asker import MIXED
from tests.real.tally import Tally
from tests.real.world import VACANT, World

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

HTTP_EDGES = {
    ("istio-ingressgateway", "productpage-v1", "productpage"),
    ("productpage-v1", "details-v1", "details"),
    ("productpage-v1", "reviews-v1", "reviews"),
    ("productpage-v1", "reviews-v2", "reviews"),
    ("productpage-v1", "reviews-v3", "reviews"),
    ("reviews-v2", "ratings-v1", "ratings"),
    ("reviews-v3", "ratings-v1", "ratings"),
}
FROM_DEFAULT = {edge for edge in HTTP_EDGES if edge[0] != "istio-ingressgateway"}
TCP_EDGE = ("ratings-v1", "mongodb-v1", "mongodb")
NOBODY = ("productpage-v1", "unknown", "vacant")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What grew while the traffic ran, and Envoys' lines of that time."""

    written: Tally
    counted: Tally
    lines: pl.DataFrame
    statuses: Counter[int]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def traffic(world: World) -> Traffic:
    """Send 240 requests of every kind; then quiet."""
    before, lines_before = await world.settled(), world.mesh.access_logs()
    statuses_before = Counter(world.asker.answers)
    # In two parts, each scraped: Kiali's rates need two points.
    for _ in range(2):
        await world.asker.ask_all(MIXED * 6)
        after = await world.settled()
    lines = world.mesh.access_logs().join(lines_before, on=["reporter", "stream_id"], how="anti")
    grown = after.since(before)
    return Traffic(grown.written, grown.counted, lines, world.asker.answers - statuses_before)


def edges(samples: list[Sample]) -> set[tuple[str, ...]]:
    names = ("source_workload", "destination_workload", "destination_service_name")
    return {tuple(sample.labels[name] for name in names) for sample in samples}


def assert_kiali_takes(samples: list[Sample], required: tuple[str, ...]) -> None:
    """Kiali skips a series that lacks a label, and rejects a known namespace in an unknown cluster."""
    missing = [(name, sample.labels) for sample in samples for name in required if not sample.labels.get(name)]
    assert missing == []
    for sample in samples:
        for side in ("source", "destination"):
            known = sample.labels[f"{side}_workload_namespace"] != "unknown"
            assert sample.labels[f"{side}_cluster"] == ("Kubernetes" if known else "unknown")


async def test_prometheus_has_what_the_envoys_wrote_entry_for_entry(traffic: Traffic) -> None:
    assert traffic.counted == traffic.written
    assert sum(n for key, n in traffic.counted.items() if key[0] == "istio_requests_total") > 1000
    metrics = {key[0] for key in traffic.counted}
    assert len(metrics) == 11, "requests, count and sum of three histograms, four of TCP"


async def test_clients_got_the_answers_that_were_counted_at_the_gateway(traffic: Traffic) -> None:
    codes: Counter[int] = Counter()
    for (metric, reporter, source, _, code, _), number in traffic.counted.items():
        if (metric, reporter, source) == ("istio_requests_total", "source", "istio-ingressgateway"):
            codes[int(code)] += number
    assert codes == traffic.statuses
    assert codes[404] == 36


async def test_a_retry_is_one_request_to_the_caller_and_two_to_the_called(traffic: Traffic) -> None:
    calls = traffic.lines.filter(reporter="source", destination_workload="ratings-v1")
    to_ratings = Tally()
    for (metric, reporter, _, destination, *_), number in traffic.counted.items():
        if (metric, destination) == ("istio_requests_total", "ratings-v1"):
            to_ratings[reporter] += number
    assert to_ratings == {"source": calls.height, "destination": calls["attempts"].sum()}
    assert to_ratings["destination"] > to_ratings["source"]


async def test_kiali_finds_every_http_edge_as_both_ends_report_it(world: World) -> None:
    found = {name: await world.query(kiali.ask(question, "default")) for name, question in kiali.REQUESTS.items()}
    for samples in found.values():
        assert_kiali_takes(samples, kiali.REQUIRED_OF_REQUESTS)
    assert edges(found["Q0"]) == set()
    assert edges(found["Q1"]) == HTTP_EDGES - FROM_DEFAULT
    assert edges(found["Q2"]) == HTTP_EDGES
    assert edges(found["Q3"]) == FROM_DEFAULT


async def test_kiali_finds_what_leaves_the_gateway(world: World) -> None:
    found = await world.query(kiali.ask(kiali.REQUESTS["Q3"], "istio-system"))
    assert_kiali_takes(found, kiali.REQUIRED_OF_REQUESTS)
    assert edges(found) == HTTP_EDGES - FROM_DEFAULT | {("istio-ingressgateway", "unknown", "unknown")}


@pytest.mark.parametrize("direction", list(kiali.TCP))
async def test_kiali_finds_the_tcp_edge(world: World, direction: str) -> None:
    for name, question in kiali.TCP[direction].items():
        found = await world.query(kiali.ask(question, "default"))
        assert_kiali_takes(found, (*kiali.REQUIRED, "response_flags"))
        assert edges(found) == ({TCP_EDGE} if name in ("Q2", "Q3") else set())


@pytest.mark.parametrize("label", list(kiali.RATES))
async def test_kiali_can_label_every_edge(world: World, label: str) -> None:
    found = await world.query(kiali.ask(kiali.RATES[label], "default"))
    assert_kiali_takes(found, (*kiali.REQUIRED, "request_protocol"))
    seen_by_caller = "called" in label or label == "request throughput"
    assert edges(found) == (FROM_DEFAULT if seen_by_caller else HTTP_EDGES)
    if "throughput" not in label:
        (slow,) = (one.value for one in found if one.labels["destination_workload"] == "reviews-v3")
        assert slow > 150


async def test_kiali_sees_mutual_tls_and_both_principals_on_every_edge(world: World) -> None:
    identities = {workload.name: workload.spiffe_id for workload in world.mesh.topology.workloads}
    expected = {"requests": HTTP_EDGES, "tcp": {TCP_EDGE}}
    for kind, question in kiali.SECURITY.items():
        found = await world.query(kiali.ask(question, "default"))
        assert_kiali_takes(found, kiali.REQUIRED_OF_SECURITY)
        assert edges(found) == expected[kind]
        for labels in (sample.labels for sample in found):
            assert labels["connection_security_policy"] == "mutual_tls"
            assert labels["source_principal"] == identities[labels["source_workload"]]
            assert labels["destination_principal"] == identities[labels["destination_workload"]]


async def test_exemplars_on_the_page_lead_to_traces_that_were_sent(world: World) -> None:
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = await world.client.get(world.page_url, headers=accept)
    found = Counter(
        sample.name
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
        if sample.exemplar and sample.exemplar.labels["trace_id"] in world.asker.trace_ids
    )
    assert response.text.count(" # {") == found.total(), "an exemplar names a trace that nobody sent"
    assert set(found) == {
        "istio_requests_total",
        "istio_request_duration_milliseconds_bucket",
        "istio_request_bytes_bucket",
        "istio_response_bytes_bucket",
    }


async def test_prometheus_keeps_the_exemplars(world: World) -> None:
    data = {"query": "istio_request_duration_milliseconds_bucket", "start": "0", "end": "9999999999"}
    kept: set[str] = set()

    async def any_kept() -> bool:
        response = await world.client.post(f"{world.prometheus_url}/api/v1/query_exemplars", data=data)
        series = response.raise_for_status().json()["data"]
        kept.update(one["labels"]["trace_id"] for each in series for one in each["exemplars"])
        return bool(kept)

    assert await holds_within(any_kept, 5)
    assert kept <= world.asker.trace_ids


async def test_kiali_finds_a_call_that_found_no_healthy_host_by_the_name_of_the_service(world: World) -> None:
    # Twice, each scraped: a rate needs two points.
    for asked in (1, 2):
        assert await world.ask_vacant() == 503
        assert await holds_within(
            lambda asked=asked: has(world, 'istio_requests_total{response_flags="UH"}', asked), 10
        )
    found = await world.query(kiali.ask(kiali.REQUESTS["Q0"], VACANT.namespace))
    assert_kiali_takes(found, kiali.REQUIRED_OF_REQUESTS)
    assert edges(found) == {NOBODY}
    (labels,) = (sample.labels for sample in found)
    # Envoy leaves the cluster out of the access log (UH): only the host header tells.
    assert labels["destination_service"] == VACANT.host
    assert labels["destination_service_namespace"] == VACANT.namespace
    assert labels["response_code"] == "503"


async def has(world: World, series: str, total: int) -> bool:
    return sum(sample.value for sample in await world.query(series)) == total
