"""Real Envoys, Bookinfo's applications: both ends of each hop are joined, and each request is one connected trace."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from telemetry.batch import Batch, Template
from telemetry.demo.mesh import Mesh
from telemetry.processors.hops import Hops, HopsSettings
from telemetry.processors.spans import Spans, TracesSettings
from tests.real.asker import MIXED, Asker
from tests.real.demo_entries import TracingMesh, demo_entries, through

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

ROUNDS = 4
GATEWAY = ("client", "istio-ingressgateway")
# Who may be whose parent: kind and workload of both.
PARENTS = {
    ("server", "productpage-v1"): {GATEWAY},
    ("client", "productpage-v1"): {("server", "productpage-v1")},
    ("server", "details-v1"): {("client", "productpage-v1")},
    **{("server", f"reviews-{version}"): {("client", "productpage-v1")} for version in ("v1", "v2", "v3")},
    **{("client", f"reviews-{version}"): {("server", f"reviews-{version}")} for version in ("v2", "v3")},
    ("server", "ratings-v1"): {("client", "reviews-v2"), ("client", "reviews-v3")},
}


async def mixed(asker: Asker, _mesh: Mesh) -> None:
    await asker.ask_all(MIXED * ROUNDS)


@pytest.fixture(scope="module", params=[Mesh, TracingMesh], ids=["untraced", "traced"])
def mesh_class(request: pytest.FixtureRequest) -> type[Mesh]:
    kind: type[Mesh] = request.param
    return kind


async def entries_of(
    mesh_class: type[Mesh],
    tmp_path_factory: pytest.TempPathFactory,
    kept: dict[type[Mesh], list[Batch]] = {},  # noqa: B006 - one mesh for all tests
) -> list[Batch]:
    if mesh_class not in kept:
        kept[mesh_class] = await demo_entries(tmp_path_factory.mktemp("mesh"), mixed, mesh_class)
    return kept[mesh_class]


def rows(batches: list[Batch], template: Template) -> pl.DataFrame:
    return pl.concat([batch.rows for batch in batches if batch.template is template])


def who(span: dict[str, Any]) -> tuple[str, str]:
    side = "source" if span["span.kind"] == "client" else "destination"
    return span["span.kind"], span[f"{side}.workload.name"]


async def test_every_request_is_one_connected_trace_of_the_right_shape(
    envoy_binary: Path, mesh_class: type[Mesh], tmp_path_factory: pytest.TempPathFactory
) -> None:
    entries = await entries_of(mesh_class, tmp_path_factory)
    spans = rows(through(Spans(TracesSettings()), entries), Template.TRACESPAN)
    assert spans["span.id"].n_unique() == len(spans)
    by_id = {span["span.id"]: span for span in spans.to_dicts()}
    roots: Counter[str] = Counter()
    for span in by_id.values():
        parent = by_id.get(span["span.parent_id"])
        if who(span) == GATEWAY:
            assert parent is None
            roots[span["span.trace_id"]] += 1
        else:
            assert parent is not None, who(span)
            assert parent["span.trace_id"] == span["span.trace_id"]
            assert who(parent) in PARENTS[who(span)]
    assert roots == dict.fromkeys(spans["span.trace_id"].unique(), 1)
    assert len(roots) == len(MIXED) * ROUNDS


async def test_a_page_asks_for_details_and_reviews(
    envoy_binary: Path, mesh_class: type[Mesh], tmp_path_factory: pytest.TempPathFactory
) -> None:
    entries = await entries_of(mesh_class, tmp_path_factory)
    spans = rows(through(Spans(TracesSettings()), entries), Template.TRACESPAN)
    pages = spans.filter((pl.col("span.kind") == "server") & (pl.col("request.url_path") == "/productpage"))
    children = spans.filter(pl.col("span.kind") == "client", pl.col("span.parent_id").is_in(pages["span.id"].implode()))
    asked = children.group_by("span.parent_id").agg(pl.col("destination.service.name").sort())
    assert len(asked) == 12 * ROUNDS
    assert set(map(tuple, asked["destination.service.name"])) == {("details", "reviews")}


async def test_retries_of_ratings_are_events_and_all_their_attempts_are_in_the_trace(
    envoy_binary: Path, mesh_class: type[Mesh], tmp_path_factory: pytest.TempPathFactory
) -> None:
    entries = await entries_of(mesh_class, tmp_path_factory)
    spans = rows(through(Spans(TracesSettings()), entries), Template.TRACESPAN)
    calls = spans.filter((pl.col("span.kind") == "client") & (pl.col("destination.service.name") == "ratings"))
    retried = calls.filter(pl.col("request.attempts") > 1)
    assert len(retried) > 0
    assert retried["span.events"].list.len().to_list() == [1] * len(retried)
    served = spans.filter(pl.col("span.parent_id").is_in(calls["span.id"].implode()))
    attempts = served.group_by("span.parent_id").len()
    told = dict(zip(calls["span.id"], calls["request.attempts"], strict=True))
    assert {row["span.parent_id"]: row["len"] for row in attempts.to_dicts()} == told


async def test_both_ends_of_every_hop_are_joined_and_every_part_of_the_time_is_known(
    envoy_binary: Path, mesh_class: type[Mesh], tmp_path_factory: pytest.TempPathFactory
) -> None:
    entries = await entries_of(mesh_class, tmp_path_factory)
    hops = rows(through(Hops(HopsSettings(), seed=1, started_ns=0), entries), Template.HOP)
    told = rows(entries, Template.LOGENTRY).filter("request.counts")
    requests = hops.filter(pl.col("context.protocol") != "tcp")
    # Each request that a client's Envoy sent to a server is one hop.
    sent = told.filter(pl.col("context.reporter.kind") == "outbound", pl.col("context.protocol") != "tcp")
    assert len(requests) == len(sent)
    both = requests.filter(pl.col("hop.reporter") == "both")
    assert len(both) == sent["upstream.local.ip"].count()
    assert set(both["hop.matched_by"]) == {"addresses"}
    assert not requests["missing_source"].any()
    assert not requests["missing_destination"].any()
    parts = pl.sum_horizontal(pl.col("^hop\\.(client|retries|proxy|network|application)$").to_physical())
    assert both.select((parts == pl.col("response.duration").to_physical()).all()).item()
    assert both.select((pl.col("hop.network").to_physical() >= 0).all()).item()
    assert both["connection.mtls"].all()
    connections = hops.filter(pl.col("connection.event") == "close")
    assert set(connections["hop.reporter"]) == {"both"}
