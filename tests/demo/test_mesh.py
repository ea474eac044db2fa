import os
from collections import Counter

import httpx
import polars as pl
import pytest
import pytest_asyncio

from telemetry.demo import compare
from telemetry.demo.mesh import Mesh
from telemetry.demo.network import claimed_network
from telemetry.demo.topology import bookinfo
from telemetry.demo.traffic import Traffic
from telemetry.demo.waiting import holds_within
from telemetry.errors import StartError

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

REQUESTS = 80


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traffic(mesh):
    """Eighty requests of every kind, then quiet."""
    async with Traffic(mesh.gateway_url, per_s=40, seed=1) as running:
        assert await holds_within(lambda: reached(running, REQUESTS), deadline_s=20)
    assert await holds_within(lambda: quiet(mesh, running.sent), deadline_s=20)
    return running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lines(mesh, traffic):
    return mesh.access_logs()


async def reached(traffic, requests):
    return traffic.sent >= requests


async def quiet(mesh, sent):
    lines = mesh.access_logs()
    at_gateway = lines.filter(source_workload=mesh.topology.gateway.name, reporter="source").height
    tcp_seen = lines["access_log_type"].eq("TcpConnectionEnd").sum() >= 2
    return at_gateway >= sent and tcp_seen and not compare.open_connections(lines)


async def test_every_request_is_answered_and_written_once(mesh, traffic, lines):
    at_gateway = lines.filter(source_workload="istio-ingressgateway", reporter="source")
    codes = Counter(at_gateway["response_code"])
    assert codes == traffic.answers
    assert codes[200] > 40
    assert codes[404] > 0
    assert traffic.skipped == 0


async def test_sidecars_know_their_callers_by_spiffe_id(mesh, lines):
    inbound = lines.filter(reporter="destination")
    accounts = {workload.name: workload.spiffe_id for workload in mesh.topology.workloads}
    expected = inbound["source_workload"].replace_strict(accounts)
    assert inbound.height > 100
    assert inbound["downstream_peer_uri_san"].to_list() == expected.to_list()


async def test_whoever_shows_no_certificate_is_turned_away(mesh):
    address = mesh.topology.workload("productpage-v1").address
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://{address}:9080/productpage")


async def test_all_edges_of_bookinfo_carry_traffic_as_both_ends_report_it(lines):
    edges = {
        ("productpage-v1", "details-v1"),
        ("productpage-v1", "reviews-v1"),
        ("productpage-v1", "reviews-v2"),
        ("productpage-v1", "reviews-v3"),
        ("reviews-v2", "ratings-v1"),
        ("reviews-v3", "ratings-v1"),
        ("ratings-v1", "mongodb-v1"),
        ("istio-ingressgateway", "productpage-v1"),
    }
    ends = (
        lines.filter(pl.col("destination_workload") != "unknown")
        .group_by("reporter")
        .agg(pl.struct("source_workload", "destination_workload").unique().alias("edges"))
    )
    for reported in ends["edges"]:
        assert {tuple(edge.values()) for edge in reported} == edges


async def test_request_id_and_traceparent_reach_the_last_hop(lines):
    at_ratings = lines.filter(reporter="destination", destination_workload="ratings-v1")
    sent = lines.filter(source_workload="istio-ingressgateway", reporter="source")
    first_and_last = at_ratings.join(sent, on=["request_id", "traceparent"], how="inner")
    assert at_ratings.height > 10
    assert first_and_last.height == at_ratings.height


async def test_a_failure_of_ratings_is_retried_once(lines):
    calls = lines.filter(reporter="source", destination_workload="ratings-v1")
    arrivals = lines.filter(reporter="destination", destination_workload="ratings-v1")
    assert set(calls["attempts"]) == {1, 2}
    assert arrivals.height == calls["attempts"].sum()
    retried = calls.filter(pl.col("attempts") == 2)["request_id"]
    assert arrivals.filter(pl.col("request_id").is_in(retried.implode()))["response_code"].eq(503).any()


async def test_reviews_v3_is_slow(lines):
    durations = lines.filter(reporter="destination", destination_workload="reviews-v3")["duration_ms"]
    assert 150 <= durations.min() < durations.max() <= 600


async def test_a_connection_is_reported_while_it_lasts_and_at_its_end(lines):
    tcp = lines.filter(pl.col("access_log_type").str.starts_with("Tcp"))
    assert set(tcp["access_log_type"]) == {"TcpPeriodic", "TcpConnectionEnd"}
    sent = tcp.group_by("reporter").agg(pl.col("bytes_sent").max(), pl.col("stream_id").n_unique())
    source, destination = sent.sort("reporter").select("bytes_sent").to_series()
    assert source == destination > 0


async def test_the_service_is_told_what_the_files_say(als, mesh, lines):
    counting = als[0]
    written = sum(1 for _ in lines.iter_rows())

    async def all_arrived():
        return counting.entries.total() >= written

    assert await holds_within(all_arrived, deadline_s=5)
    assert counting.entries.total() == written
    assert len(counting.nodes) == len(mesh.topology.workloads)


async def test_an_envoy_restarted_in_mid_traffic_serves_again_and_loses_no_entry(als, mesh, traffic, lines):
    sent_before = traffic.sent
    before = mesh.processes["details-v1"].pid
    async with Traffic(mesh.gateway_url, per_s=40) as more:
        await mesh.restart("details-v1")
        assert mesh.processes["details-v1"].pid != before
        assert await more.ask("/api/v1/products/3") == 200
    written = lines.height

    async def all_arrived():
        nonlocal written
        now = mesh.access_logs()
        written = now.height
        at_gateway = now.filter(source_workload="istio-ingressgateway", reporter="source").height
        at_rest = at_gateway == sent_before + more.sent and not compare.open_connections(now)
        return at_rest and als[0].entries.total() == written

    assert await holds_within(all_arrived, deadline_s=10), (als[0].entries.total(), written)


async def test_leaving_ends_every_process_and_a_second_mesh_gets_other_addresses(mesh, envoy_binary, tmp_path):
    with claimed_network() as network:
        assert not mesh.topology.gateway.address.startswith(f"{network}.")
        async with Mesh(bookinfo(network), ("127.0.0.1", 1), tmp_path) as second:
            pids = [process.pid for process in second.processes.values()]
            assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


async def test_two_meshes_on_one_block_refuse_to_start_and_say_why(mesh, tmp_path):
    with pytest.raises(StartError, match=r":15000: Address already in use; stop what listens there"):
        async with Mesh(mesh.topology, ("127.0.0.1", 1), tmp_path):
            pytest.fail("two Envoys listen on one port")
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{mesh.gateway_url}/productpage")).status_code == 200


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
