"""The query API: graph, services, edges, signals, impact, health."""

import re
from typing import Any

import httpx
import pytest

from telemetry.saturation import Pressure
from tests.edges.rows import edge
from tests.http.mesh_api import BOOKINFO, api, get

PATHS = ["/api/v1/graph", "/api/v1/services", "/api/v1/edges", "/api/v1/signals?target=reviews",
         "/api/v1/impact?service=reviews", "/api/v1/health"]  # fmt: skip
MINUTE = {"window": "1m"}


def named(elements: dict[str, Any]) -> set[tuple[str, str]]:
    names = {one["data"]["id"]: one["data"]["name"] for one in elements["nodes"]}
    return {(names[one["data"]["source"]], names[one["data"]["target"]]) for one in elements["edges"]}


async def test_the_graph_by_service_is_who_calls_whom() -> None:
    async with api(*BOOKINFO) as client:
        found = await get(client, "/api/v1/graph", by="service", **MINUTE)
    assert named(found["elements"]) == {
        ("gateway", "web"), ("web", "reviews"), ("reviews", "ratings"), ("ratings", "mongodb"),
    }  # fmt: skip
    (to_reviews,) = (one["data"] for one in found["elements"]["edges"] if one["data"]["target"].endswith("/reviews"))
    assert to_reviews["requests"] == 60
    assert to_reviews["requests_per_s"] == pytest.approx(1)
    assert to_reviews["error_ratio"] == pytest.approx(0.1)
    assert to_reviews["mtls_ratio"] == 1
    assert 5 < to_reviews["p50_ms"] < 10


@pytest.mark.parametrize(
    ("by", "nodes"),
    [
        ("workload", {"gateway", "web-v1", "reviews-v1", "reviews-v2", "ratings-v1", "mongodb-v1"}),
        ("app", {"gateway", "web", "reviews", "ratings", "mongodb"}),
        ("version", {"gateway", "web", "reviews", "ratings", "mongodb"}),
    ],
)
async def test_nodes_are_what_was_asked_for(by: str, nodes: set[str]) -> None:
    async with api(*BOOKINFO) as client:
        found = await get(client, "/api/v1/graph", by=by, **MINUTE)
    assert {one["data"]["name"] for one in found["elements"]["nodes"]} == nodes
    ids = [one["data"]["id"] for one in found["elements"]["nodes"]]
    assert len(set(ids)) == len(ids) == (6 if by in ("workload", "version") else 5)


async def test_focus_and_depth_show_the_neighbourhood() -> None:
    async with api(*BOOKINFO) as client:
        near = await get(client, "/api/v1/graph", by="service", focus="reviews", **MINUTE)
        far = await get(client, "/api/v1/graph", by="service", focus="default/reviews", depth="2", **MINUTE)
    assert named(near["elements"]) == {("web", "reviews"), ("reviews", "ratings")}
    assert len(named(far["elements"])) == 4


async def test_namespaces_keep_edges_with_an_end_there() -> None:
    other = edge("batch", "jobs", requests=1)
    other |= {name: "night" for name in other if name.endswith("namespace")}
    async with api(*BOOKINFO, other) as client:
        found = await get(client, "/api/v1/graph", by="service", namespace="night", **MINUTE)
    assert named(found["elements"]) == {("batch", "jobs")}


async def test_nodes_show_health_saturation_and_owner() -> None:
    reports = [
        {"reporter": "destination", "code": "503", "count": 12},
        {"reporter": "source", "code": "200", "count": 48},
    ]
    async with api(edge("web-v1", "reviews-v1", requests=600, busy_s=6.0, reports=reports)) as client:
        found = await get(client, "/api/v1/graph", by="service", **MINUTE)
    (node,) = (one["data"] for one in found["elements"]["nodes"] if one["data"]["name"] == "reviews")
    assert (node["health"], node["error_percent"], node["owner"], node["tier"]) == ("Failure", 20, "team-reviews", 1)
    assert node["concurrency"] == pytest.approx(0.1)
    assert node["saturation_ratio"] == pytest.approx(2.0), "twice the concurrency that it was sized for"
    (only,) = found["elements"]["edges"]
    assert only["data"]["saturation_ratio"] == pytest.approx(2.0)


async def test_what_envoys_say_of_their_breakers_joins_the_graph() -> None:
    class Breakers:
        def pressure(self, namespace: str | None, service: str) -> Pressure | None:
            return Pressure(0.75, 3, 0.5) if (namespace, service) == ("default", "ratings") else None

    async with api(*BOOKINFO, headroom=Breakers()) as client:
        found = await get(client, "/api/v1/graph", by="service", **MINUTE)
    (node,) = (one["data"] for one in found["elements"]["nodes"] if one["data"]["name"] == "ratings")
    assert (node["saturation_ratio"], node["pending"], node["overflow_per_s"]) == (1.0, 3, 0.5)


async def test_nobody_who_answers_is_the_service_that_was_asked_for() -> None:
    row = edge("web-v1", None, requests=3, unanswered=3)
    row |= {"destination.service.name": "gone", "destination.service.namespace": "shop"}
    async with api(row) as client:
        found = await get(client, "/api/v1/graph", **MINUTE)
    assert {(one["data"]["kind"], one["data"]["name"]) for one in found["elements"]["nodes"]} == {
        ("workload", "web-v1"), ("service", "gone"),
    }  # fmt: skip


@pytest.mark.parametrize(("query", "accept"), [({"format": "dot"}, "*/*"), ({}, "text/vnd.graphviz")])
async def test_dot_is_a_digraph(query: dict[str, str], accept: str) -> None:
    async with api(*BOOKINFO) as client:
        response = await client.get("/api/v1/graph", params={**query, "by": "service"}, headers={"accept": accept})
    assert response.headers["content-type"].startswith("text/vnd.graphviz")
    assert response.text.startswith("digraph mesh {")
    assert '"service:default/web" -> "service:default/reviews"' in response.text
    assert "color=red" in response.text


async def test_mermaid_is_a_flowchart() -> None:
    async with api(*BOOKINFO) as client:
        response = await client.get("/api/v1/graph", params={"format": "mermaid", "by": "service"})
    assert response.text.startswith("flowchart LR")
    assert len(re.findall(r"^  n\d+ -->\|", response.text, re.MULTILINE)) == 4


HOSTILE = ['a"];b', "a\\", "a\nb", "a\x00b", "</script>", "🕸️", "x" * 5000, "#quot;", "-->|x|", "%%{init}%%", "a\u202eb"]


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_hostile_names_are_text_in_every_form(hostile: str) -> None:
    async with api(edge(hostile, "reviews-v1", requests=1), edge("a/b", "c", requests=1)) as client:
        found = await get(client, "/api/v1/graph", **MINUTE)
        dot = (await client.get("/api/v1/graph", params={"format": "dot"})).text
        mermaid = (await client.get("/api/v1/graph", params={"format": "mermaid"})).text
    assert hostile in {one["data"]["name"] for one in found["elements"]["nodes"]}
    quoted = r'"(?:[^"\\]|\\.)*"'
    node = rf"  {quoted} \[label={quoted}, shape=\w+\];"
    call = rf"  {quoted} -> {quoted} \[label={quoted}(, color=red)?\];"
    for line in dot.splitlines()[2:-1]:
        assert re.fullmatch(rf"{node}|{call}", line), line
    for line in mermaid.splitlines()[1:]:
        assert re.fullmatch(r'  n\d+\[".*"\]|  n\d+ -->\|"[^"]*"\| n\d+', line), line
        assert re.fullmatch(r'[A-Za-z0-9 ./_,:%#;"\[\]|>()-]*', line), line


async def test_services_have_golden_signals_owners_and_idle_ones_are_listed() -> None:
    async with api(*BOOKINFO) as client:
        found = await get(client, "/api/v1/services", **MINUTE)
    by_name = {one["name"]: one for one in found["services"]}
    assert list(by_name) == sorted(by_name)
    reviews = by_name["reviews"]
    assert (reviews["owner"], reviews["contacts"], reviews["requests"]) == (
        "team-reviews", {"mail": "reviews@example.com"}, 60,
    )  # fmt: skip
    assert reviews["requests_per_s"] == pytest.approx(1)
    assert reviews["p95_ms"] is not None
    assert by_name["idle"]["idle"] is True
    assert by_name["gateway"]["requests_per_s"] is None, "nobody calls it"


async def test_edges_show_all_that_is_known() -> None:
    row = edge(
        "web-v1",
        "reviews-v1",
        requests=10,
        responses=[
            {"code": 200, "grpc_status": None, "flags": "-", "count": 9},
            {"code": 503, "grpc_status": None, "flags": "UF", "count": 1},
        ],
        blame=[{"blame": "network", "count": 1}],
        **{"latency.network": {"count": 10, "sum_ms": 5.0, "buckets": [10] + [0] * 19}},
    )
    async with api(row) as client:
        (found,) = (await get(client, "/api/v1/edges", **MINUTE))["edges"]
    assert found["responses"][0] == {"code": 200, "grpc_status": None, "flags": "-", "count": 9}
    assert found["blame"] == [{"blame": "network", "count": 1}]
    assert found["latency"]["network"]["p50_ms"] == pytest.approx(0.25)
    assert found["network_mean_ms"] == pytest.approx(0.5)
    assert found["source_principals"] == ["spiffe://cluster.local/ns/default/sa/web-v1"]
    assert (found["source"]["name"], found["target"]["name"]) == ("web-v1", "reviews-v1")
    assert found["requests_paired"] == 10


async def test_edges_can_be_asked_by_end_and_protocol() -> None:
    async with api(*BOOKINFO) as client:
        of_tcp = await get(client, "/api/v1/edges", protocol="tcp")
        of_web = await get(client, "/api/v1/edges", source="web-v1")
        between = await get(client, "/api/v1/edges", by="service", source="web", target="reviews")
    assert [one["target"]["name"] for one in of_tcp["edges"]] == ["mongodb-v1"]
    assert [one["target"]["name"] for one in of_web["edges"]] == ["reviews-v1", "reviews-v2"]
    assert len(between["edges"]) == 1


@pytest.mark.parametrize(("path", "items"), [("/api/v1/edges", "edges"), ("/api/v1/services", "services")])
async def test_pages_follow_each_other_without_gap_or_overlap(path: str, items: str) -> None:
    async with api(*(edge(f"client{number:02}-v1", f"s{number:02}", requests=1) for number in range(25))) as client:
        whole = (await get(client, path, limit=1000))[items]
        seen, cursor = [], None
        while True:
            page = await get(client, path, limit=7, **({"cursor": cursor} if cursor else {}))
            assert len(page[items]) <= 7
            seen += page[items]
            if (cursor := page["next"]) is None:
                break
    assert seen == whole
    assert len(whole) >= 25


async def test_signals_are_a_point_for_each_step() -> None:
    async with api(*BOOKINFO) as client:
        found = await get(client, "/api/v1/signals", target="reviews", window="3m")
        narrow = await get(client, "/api/v1/signals", target="reviews", source="web", window="3m")
    assert [point["requests"] for point in found["points"]] == [0, 0, 60]
    assert found["points"][-1]["requests_per_s"] == pytest.approx(1)
    assert found["points"][-1]["saturation_ratio"] == pytest.approx(0.2)
    assert found["points"][0]["p95_ms"] is None
    assert narrow["points"] == found["points"]


async def test_impact_names_who_must_be_told() -> None:
    async with api(*BOOKINFO) as client:
        found = (await get(client, "/api/v1/impact", service="ratings"))["service"]
    callers = {one["name"]: one for one in found["callers"]}
    assert list(callers) == ["reviews", "web", "gateway"]
    assert (callers["reviews"]["direct"], callers["reviews"]["requests"], callers["reviews"]["owner"]) == (
        True, 20, "team-reviews",
    )  # fmt: skip
    assert (callers["gateway"]["distance"], callers["gateway"]["via"]) == (3, ["service:default/web"])
    assert callers["web"]["last_seen"] is not None
    assert [one["name"] for one in found["dependencies"]] == ["mongodb"]
    assert found["single_points_of_failure"] == [
        "service:default/gateway", "service:default/web", "service:default/reviews",
    ]  # fmt: skip
    assert found["cuts_off"] == ["service:default/mongodb"]


async def test_health_is_the_worse_of_kialis_and_what_was_promised() -> None:
    reports = [{"reporter": "destination", "code": "200", "count": 100}]
    slow = [{"threshold_ms": 300.0, "slow": 50, "total": 60}]
    row = edge("web-v1", "reviews-v1", requests=60, server_errors=30, reports=reports, slow=slow)
    async with api(row) as client:
        (found,) = (await get(client, "/api/v1/health"))["items"]
        by_workload = await get(client, "/api/v1/health", by="workload")
    assert found["requests"] == {"status": "Healthy", "error_percent": 0}
    assert found["status"] == "Failure"
    available, fast = found["objectives"]
    assert available["burn_rates"]["5m"] == pytest.approx(50), "half fail where one in a hundred may"
    assert available["firing"] == ["5m/1h", "30m/6h", "6h/3d"]
    assert (fast["threshold_s"], fast["firing"]) == (0.3, ["30m/6h", "6h/3d"])
    assert {one["name"]: one["status"] for one in by_workload["items"]} == {"reviews-v1": "Healthy"}


async def test_a_budget_that_burns_is_told_though_nobody_calls_now() -> None:
    async with api(edge("web-v1", "reviews-v1", requests=60, server_errors=30)) as client:
        (found,) = (await get(client, "/api/v1/health"))["items"]
    assert (found["name"], found["requests"]["status"], found["status"]) == ("reviews", "NA", "Failure")


async def test_every_answer_says_its_time_and_what_was_seen() -> None:
    async with api(*BOOKINFO, completeness=lambda: 0.97) as client:
        for path in PATHS:
            found = (await client.get(path)).json()
            assert found["completeness"] == 0.97, path
            assert found["from"] < found["to"], path


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/v1/graph?window=soon", 422, "window: must be a duration such as"),
        ("/api/v1/graph?window=0m", 422, "window: must be"),
        ("/api/v1/graph?window=9999d", 422, "at most 92d"),
        ("/api/v1/graph?from=yesterday", 422, "from: must be a time such as"),
        ("/api/v1/graph?from=2999-01-01T00:00:00Z", 422, "from: must be before to"),
        ("/api/v1/graph?by=planet", 422, "by: "),
        ("/api/v1/graph?colour=red", 422, "colour: no such parameter"),
        ("/api/v1/graph?depth=99", 422, "depth: "),
        ("/api/v1/graph?focus=nobody", 404, "focus: no such node"),
        ("/api/v1/edges?limit=100000", 422, "limit: "),
        ("/api/v1/edges?cursor=%00", 422, "cursor: must be the `next`"),
        ("/api/v1/edges?cursor=AAAA%ff", 422, "cursor: must be the `next`"),
        ("/api/v1/signals", 422, "target: "),
        ("/api/v1/signals?target=nobody", 404, "target: had no traffic"),
        ("/api/v1/signals?target=reviews&step=61", 422, "step: "),
        ("/api/v1/signals?target=reviews&window=90d", 422, "step: makes more than"),
        ("/api/v1/impact?service=nobody", 404, "service: had no traffic"),
        ("/api/v1/graph?from=1e999", 422, "from: must be a time"),
    ],
)  # fmt: skip
async def test_a_bad_question_is_told_what_to_ask_instead(path: str, status: int, says: str) -> None:
    async with api(*BOOKINFO) as client:
        response = await client.get(path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert says in problem["detail"]


@pytest.mark.parametrize("path", [path for path in PATHS if "=" not in path])
async def test_an_empty_store_answers_with_nothing(path: str) -> None:
    async with api() as client:
        response = await client.get(path)
    assert response.status_code == 200, response.text


async def test_openapi_describes_every_parameter() -> None:
    async with api() as client:
        paths: dict[str, Any] = (await client.get("/openapi.json")).json()["paths"]
    for path in (one.partition("?")[0] for one in PATHS):
        operation = paths[path]["get"]
        assert operation["description"], path
        assert all(one["description"] for one in operation["parameters"] if one["in"] == "query"), path
        assert "application/problem+json" in operation["responses"]["422"]["content"], path


async def test_a_name_that_several_have_must_be_told_apart() -> None:
    other = edge("web-v1", "reviews-v1", requests=1)
    other |= {"destination.service.namespace": "night", "destination.workload.namespace": "night"}
    async with api(*BOOKINFO, other) as client:
        response = await client.get("/api/v1/impact", params={"service": "reviews"})
        by_id: httpx.Response = await client.get("/api/v1/impact", params={"service": "night/reviews"})
    assert response.status_code == 422
    assert "service:night/reviews" in response.json()["detail"]
    assert by_id.json()["service"]["id"] == "service:night/reviews"
