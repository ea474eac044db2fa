"""Real Envoys, Bookinfo's applications: the graph is Bookinfo's, with the counts that the Envoys wrote themselves."""

import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import polars as pl
import pytest
import pytest_asyncio

from telemetry.batch import Batch, Template, fault_of
from telemetry.catalog import Catalog
from telemetry.demo.mesh import Mesh
from telemetry.edges import EdgeStore, Window
from telemetry.health import Subject, reported, request_health
from telemetry.http.app import create_app
from telemetry.http.asking import Mesh as Known
from telemetry.mesh_api import mesh_routers
from telemetry.processors.edge_events import EdgeEvents, Event
from telemetry.processors.edge_memory import Before, EdgeMemory
from telemetry.processors.edges import Edges
from telemetry.processors.hops import Hops, HopsSettings
from telemetry.processors.signals import Signals
from tests.real.asker import MIXED, Asker
from tests.real.demo_entries import END_NS, demo_entries
from tests.real.test_bookinfo import HTTP_EDGES, TCP_EDGE

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

ROUNDS = 4
CONNECTIONS = ("connections_opened", "connections_closed", "request_bytes", "response_bytes")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Seen:
    """What the Envoys wrote, the edges made of what they reported, and the API that answers from them."""

    lines: pl.DataFrame
    edges: list[Batch]
    events: list[dict[str, Any]]
    client: httpx.AsyncClient
    store: EdgeStore

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        response = await self.client.get(path, params={"window": "1h", **query})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seen]:
    meshes: list[Mesh] = []

    async def load(asker: Asker, mesh: Mesh) -> None:
        meshes.append(mesh)
        await asker.ask_all(MIXED * ROUNDS)

    entries = await demo_entries(tmp_path_factory.mktemp("mesh"), load)
    started_ns = int(entries[0].rows["context.time"].dt.epoch("ns")[0])
    signals = Signals(seed=1, started_ns=started_ns)
    edges = Edges(seed=1, started_ns=started_ns, targets=lambda _: (100.0,))
    # All at once, each processor in its turn: as the pipeline does it chunk by chunk.
    counted = [one for batch in entries for one in signals.process(batch)]
    hops = Hops(HopsSettings(), seed=1, started_ns=started_ns)
    joined = [one for batch in entries for one in hops.process(batch)] + [*hops.flush(END_NS)]
    made: list[Batch] = []
    for batch in [*counted, *joined]:
        list(edges.process(batch))
    made = [*edges.flush(END_NS)]
    assert [fault_of(one) for one in made] == [None] * len(made)
    telling = EdgeEvents(EdgeMemory(lambda: Before(0)))
    events = [
        row
        for batch in made
        for one in telling.process(batch)
        if one.template is Template.LOGENTRY
        for row in one.rows.iter_rows(named=True)
    ]
    async with EdgeStore(tmp_path_factory.mktemp("edges") / "edges.db") as store:
        for batch in made:
            await store.export(batch)
        app = create_app(routers=mesh_routers(Known(store, Catalog(None))), ready=dict)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://telemetry") as client:
            yield Seen(meshes[0].access_logs(), made, events, client, store)


def finished(lines: pl.DataFrame, reporter: str) -> pl.DataFrame:
    return lines.filter(access_log_type="DownstreamEnd", reporter=reporter)


async def graph_of(seen: Seen, protocol: str) -> dict[Pair, dict[str, Any]]:
    elements = (await seen.get("/api/v1/graph", by="workload"))["elements"]
    names = {
        one["data"]["id"]: one["data"]["name"] if one["data"]["kind"] == "workload" else "unknown"
        for one in elements["nodes"]
    }
    edges = [one["data"] for one in elements["edges"] if one["data"]["protocol"] == protocol]
    return {(names[one["source"]], names[one["target"]]): one for one in edges}


async def test_the_graph_is_bookinfos_and_its_counts_are_those_that_the_callers_wrote(seen: Seen) -> None:
    wrote = Counter(finished(seen.lines, "source").select("source_workload", "destination_workload").iter_rows())
    graph = await graph_of(seen, "http")
    assert {pair: one["requests"] for pair, one in graph.items()} == dict(wrote)
    assert {pair for pair in graph if "unknown" not in pair} == {edge[:2] for edge in HTTP_EDGES}


async def test_connections_are_an_edge_with_the_bytes_that_were_written(seen: Seen) -> None:
    graph = await graph_of(seen, "tcp")
    # Plain TCP names no peer: a report that overtakes the first one of mongodb's Envoy knows the service only.
    assert {TCP_EDGE[:2]} <= set(graph) <= {TCP_EDGE[:2], (TCP_EDGE[0], "unknown")}
    edge = {name: sum(one[name] for one in graph.values()) for name in CONNECTIONS}
    tcp = seen.lines.filter(pl.col("access_log_type") == "TcpConnectionEnd", reporter="source")
    assert (edge["connections_closed"], edge["connections_opened"]) == (tcp.height, tcp.height)
    wrote = tcp["downstream_wire_bytes_received"].sum(), tcp["downstream_wire_bytes_sent"].sum()
    assert (edge["request_bytes"], edge["response_bytes"]) == wrote


async def test_both_ends_told_of_nearly_every_request_and_all_had_mtls(seen: Seen) -> None:
    for pair, edge in (await graph_of(seen, "http")).items():
        if "unknown" not in pair:
            assert edge["mtls_ratio"] == 1, pair
            assert edge["requests_paired"] >= 0.95 * edge["requests"], pair
            assert edge["network_mean_ms"] is not None
            assert edge["p50_ms"] <= edge["p95_ms"] <= edge["p99_ms"]


async def test_errors_are_those_that_were_answered(seen: Seen) -> None:
    errors = finished(seen.lines, "source").filter(pl.col("response_code") >= 500)
    wrote = Counter(errors.select("source_workload", "destination_workload").iter_rows())
    graph = await graph_of(seen, "http")
    assert {pair: one["server_errors"] for pair, one in graph.items() if one["server_errors"]} == dict(wrote)


@pytest.mark.parametrize("service", ["productpage", "reviews", "ratings", "details"])
async def test_health_is_what_kiali_makes_of_what_both_ends_wrote(seen: Seen, service: str) -> None:
    hour = Window(time.time() - 3600, time.time())
    wrote: dict[str, dict[str, float]] = {}
    for reporter in ("source", "destination"):
        of_service = finished(seen.lines, reporter).filter(pl.col("destination_workload").str.starts_with(service))
        codes = Counter(str(code) if code else "-" for code in of_service["response_code"])
        wrote[reporter] = dict(codes)
    (found,) = [
        one
        for (_, name), one in (await seen.store.ask(lambda reader: reported(reader, hour, Subject.SERVICE))).items()
        if name == service
    ]
    assert {reporter: dict(one["http"]) for reporter, one in
            (("source", found.of_source), ("destination", found.of_destination))} == wrote  # fmt: skip
    (item,) = [one for one in (await seen.get("/api/v1/health"))["items"] if one["name"] == service]
    assert item["status"] == str(request_health(found.inbound, {}).status)


async def test_who_must_be_told_of_the_database_is_everyone(seen: Seen) -> None:
    found = (await seen.get("/api/v1/impact", service="mongodb"))["service"]
    assert [(one["name"], one["distance"]) for one in found["callers"]] == [
        ("ratings", 1), ("reviews", 2), ("productpage", 3), ("istio-ingressgateway", 4),
    ]  # fmt: skip
    assert found["cycle"] == []
    assert found["single_points_of_failure"][-1].endswith("/ratings")


async def test_events_tell_of_every_edge_once(seen: Seen) -> None:
    told = Counter(row["event.name"] for row in seen.events)
    appeared = {
        (row["source.workload.name"], row["destination.workload.name"])
        for row in seen.events
        if row["event.name"] == Event.EDGE_APPEARED and row["destination.workload.name"]
    }
    assert appeared == {edge[:2] for edge in (*HTTP_EDGES, TCP_EDGE)}
    assert told[Event.VERSION_APPEARED] == 7
    assert told[Event.MTLS_LOST] == 0


async def test_signals_of_a_service_add_up_to_its_requests(seen: Seen) -> None:
    points = (await seen.get("/api/v1/signals", target="productpage"))["points"]
    by_target: defaultdict[str, int] = defaultdict(int)
    for (_, target), edge in (await graph_of(seen, "http")).items():
        by_target[target] += edge["requests"]
    assert sum(point["requests"] for point in points) == by_target["productpage-v1"]
