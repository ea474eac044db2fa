"""Both ends of a hop: joined whatever the order, the clocks and the losses, and counted once."""

from collections import Counter
from dataclasses import replace
from itertools import count
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.batch import Batch, Template, fault_of
from telemetry.processors.hops import OMITTED, Hops, HopsSettings
from telemetry.processors.times import PARTS
from tests.rows import NOW_NS, SECOND_NS, logentries

MS = 1_000_000
SETTINGS = HopsSettings()
WINDOW_NS = int(SETTINGS.window_s * SECOND_NS)
LATER_NS = NOW_NS + 2 * WINDOW_NS
TOTAL = ("hop.client", "hop.retries", "hop.proxy", "hop.network", "hop.application")

WEB = {"source.workload.name": "web-v1", "source.workload.namespace": "shop", "source.app": "web"}
API = {
    "destination.workload.name": "api-v1", "destination.workload.namespace": "shop", "destination.service.name": "api",
    "destination.service.host": "api.shop.svc.cluster.local", "destination.service.namespace": "shop",
}  # fmt: skip
ID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


def parts(**ms: float) -> dict[str, Any]:
    """Times of an entry, and the duration that they add up to."""
    shown = {f"time.{name}": int(value * MS) for name, value in ms.items()}
    return {**dict.fromkeys(PARTS), **shown, "response.duration": sum(shown.values())}


def client(port: int = 40_001, start_ms: float = 0, key: int = 0, **more: Any) -> dict[str, Any]:
    """A client's entry: from 10.0.0.1:port to 10.0.0.2:8080, 20 ms in all."""
    row = {
        **WEB, **API, "context.key": key, "context.reporter.kind": "outbound", "request.id": ID, "request.attempts": 1,
        "request.time": NOW_NS + int(start_ms * MS), "response.code": 200, "response.outcome": "success",
        "upstream.local.ip": "10.0.0.1", "upstream.local.port": port, "upstream.ip": "10.0.0.2", "upstream.port": 8080,
        "envoy.time_to_first_upstream_rx_byte": 10 * MS, "latency.excluded": False, "request.total_size": 300,
        "response.total_size": 4000,
        **parts(request_receive=1, proxy_in=2, retries=0, upstream_wait=14, response_transfer=1, proxy_out=2),
    }  # fmt: skip
    return row | more


def server(port: int = 40_001, start_ms: float = 3, key: int = 1, **more: Any) -> dict[str, Any]:
    """The server's entry of the same request: 12 ms in all, of which 9 the application's."""
    row = {
        **WEB, **API, "context.key": key, "context.reporter.kind": "inbound", "request.id": ID, "request.attempts": 1,
        "request.time": NOW_NS + int(start_ms * MS), "response.code": 200, "response.outcome": "success",
        "downstream.ip": "10.0.0.1", "downstream.port": port, "downstream.local.ip": "10.0.0.2",
        "downstream.local.port": 8080, "upstream.local.ip": "127.0.0.6", "upstream.ip": "10.0.0.2",
        "source.principal": "spiffe://cluster.local/ns/shop/sa/web", "connection.mtls": True,
        "latency.excluded": False, "request.total_size": 310, "response.total_size": 4010,
        **parts(request_receive=1, proxy_in=1, retries=0, upstream_wait=8, response_transfer=1, proxy_out=1),
    }  # fmt: skip
    return row | more


def hops() -> Hops:
    return Hops(SETTINGS, seed=1, started_ns=NOW_NS - SECOND_NS)


def received(rows: list[dict[str, Any]], at_ns: int = NOW_NS) -> Batch:
    return logentries(*({**row, "context.time": at_ns} for row in rows))


def of(batches: list[Batch], template: Template = Template.HOP) -> list[dict[str, Any]]:
    for one in batches:
        assert fault_of(one) is None or one.template is Template.METRIC
    return [row for one in batches if one.template is template for row in one.rows.to_dicts()]


def joined(*batches: list[dict[str, Any]], processor: Hops | None = None) -> list[dict[str, Any]]:
    """What becomes of entries that arrive in these batches, a tenth of a second apart, in the end."""
    processor = processor or hops()
    out: list[Batch] = []
    for at, rows in enumerate(batches):
        now_ns = NOW_NS + at * SECOND_NS // 10
        out += processor.process(received(rows, now_ns))
        out += processor.flush(now_ns)
    out += processor.flush(LATER_NS)
    assert not processor.waiting
    return of(out)


def test_entries_pass_at_once_and_untouched() -> None:
    batch = received([client(), server()])
    first, *rest = hops().process(batch)
    assert first is batch
    assert not rest


@pytest.mark.parametrize("order", [[[0, 1]], [[0], [1]], [[1], [0]], [[1], [], [], [0]]])
def test_the_two_ends_of_a_request_are_one_hop_in_whatever_order_they_come(order: list[list[int]]) -> None:
    ends = [client(), server()]
    (hop,) = joined(*([ends[at] for at in batch] for batch in order if batch))
    assert (hop["hop.reporter"], hop["hop.matched_by"]) == ("both", "addresses")
    assert (hop["missing_source"], hop["missing_destination"]) == (False, False)
    assert (hop["source.workload.name"], hop["destination.workload.name"]) == ("web-v1", "api-v1")
    assert hop["hop.attempts_seen"] == 1


def test_each_end_tells_what_it_knows_better() -> None:
    lost = {"response.code": 504, "response.outcome": "server_error", "response.blame": "application"}
    mine, theirs = client(**lost), server(**{"destination.service.name": "api-v1", "destination.service.host": None})
    (hop,) = joined([mine, theirs])
    assert (hop["response.code"], hop["hop.server.code"]) == (504, 200)
    assert (hop["response.outcome"], hop["hop.server.outcome"]) == ("server_error", "success")
    assert (hop["response.blame"], hop["hop.server.blame"]) == ("application", None)
    assert hop["source.principal"] == "spiffe://cluster.local/ns/shop/sa/web"
    assert hop["destination.service.name"] == "api"
    assert hop["destination.service.host"] == "api.shop.svc.cluster.local"
    assert hop["connection.mtls"] is True
    assert (hop["request.bytes"], hop["response.bytes"]) == (300, 4000)


@pytest.mark.parametrize("teller", [client, server])
def test_what_one_end_alone_tells_is_told(teller: Any) -> None:
    told = {"request.operation": "GET /items", "trace.id": "1" * 32, "trace.span_id": "2" * 16}
    (hop,) = joined([end(**(told if end is teller else {})) for end in (client, server)])
    assert {name: hop[name] for name in told} == told


def test_hops_need_not_tell_of_which_request_they_are() -> None:
    processor = Hops(SETTINGS, seed=1, started_ns=NOW_NS - SECOND_NS, whole=False)
    told = {"request.operation": "GET /items", "trace.id": "1" * 32}
    (brief,) = joined([client(**told), server(**told)], processor=processor)
    (whole,) = joined([client(**told), server(**told)])
    assert all(brief[name] is None for name in OMITTED)
    assert {name: value for name, value in whole.items() if name not in OMITTED} == {
        name: value for name, value in brief.items() if name not in OMITTED
    }
    list(processor.process(received([client(50_000, **told)], LATER_NS)))
    processor.be_whole()
    assert not of([*processor.flush(LATER_NS)])
    list(processor.process(received([server(50_000, **told), client(50_001, **told)], LATER_NS)))
    first, second = sorted(of([*processor.flush(3 * LATER_NS)]), key=lambda hop: hop["hop.reporter"], reverse=True)
    assert (first["hop.reporter"], first["trace.id"]) == ("source", told["trace.id"])
    assert (second["hop.reporter"], second["trace.id"]) == ("both", told["trace.id"])


def test_the_time_between_the_two_ends_is_the_network_s() -> None:
    (hop,) = joined([client(), server()])
    milliseconds = {name: hop[name].total_seconds() * 1e3 for name in TOTAL}
    # The client's proxy waited 15 ms; of those the application took 9, the server's proxy 2.
    assert milliseconds == {
        "hop.client": 1, "hop.retries": 0, "hop.proxy": 2 + 2 + 2, "hop.network": 4, "hop.application": 9,
    }  # fmt: skip
    assert sum(milliseconds.values()) == hop["response.duration"].total_seconds() * 1e3


def test_one_end_alone_knows_its_own_part_of_the_time() -> None:
    (of_server,) = joined([server()])
    assert of_server["hop.application"].total_seconds() * 1e3 == 9
    assert of_server["hop.network"] is None
    (of_client,) = joined([client()])
    assert [of_client[name] for name in TOTAL] == [None] * 5


nanoseconds = st.one_of(st.none(), st.integers(0, 10**12))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[nanoseconds] * 6), min_size=2, max_size=2))
def test_the_parts_add_up_to_the_whole_and_none_is_negative(times: list[tuple[int | None, ...]]) -> None:
    mine, theirs = (dict(zip(PARTS, some, strict=True)) for some in times)
    whole = sum(value or 0 for value in mine.values())
    (hop,) = joined([
        client(**mine, **{"response.duration": whole}),
        server(**theirs, **{"response.duration": sum(value or 0 for value in theirs.values())}),
    ])  # fmt: skip
    shares = [hop[name] for name in TOTAL]
    known = mine["time.upstream_wait"] is not None and theirs["time.upstream_wait"] is not None
    assert [share is not None for share in shares] == [known] * 5
    if known:
        ns = [round(share.total_seconds() * 1e9, -3) for share in shares]
        assert all(share >= 0 for share in ns)
        assert abs(sum(ns) - whole) <= 5 * 1000  # to_dicts gives microseconds


def test_a_request_without_a_partner_waits_for_its_time_and_tells_who_kept_silent() -> None:
    processor = hops()
    assert len(joined([client(), server()], processor=processor)) == 1
    # Now both Envoys are known to report.
    out = [*processor.process(received([client(50_000), server(50_001, start_ms=90_000)], LATER_NS))]
    out += processor.flush(LATER_NS + WINDOW_NS - SECOND_NS)
    assert not of(out)
    out += processor.flush(LATER_NS + WINDOW_NS)
    first, second = sorted(of(out), key=lambda hop: str(hop["hop.reporter"]))
    assert (first["hop.reporter"], first["missing_source"], first["missing_destination"]) == (
        "destination",
        True,
        False,
    )
    assert (second["hop.reporter"], second["missing_source"], second["missing_destination"]) == ("source", False, True)
    assert processor.results == Counter(both=1, source=1, destination=1, attempt=0, evicted=0, told=0)


def test_where_nobody_knows_of_the_other_envoy_nothing_is_missing_and_the_wait_is_short() -> None:
    processor = hops()
    out = [*processor.process(received([server(source_gone := 50_001)]))]
    assert source_gone
    out += processor.flush(NOW_NS + int(SETTINGS.grace_s * SECOND_NS))
    (hop,) = of(out)
    assert (hop["hop.reporter"], hop["missing_source"]) == ("destination", False)


@pytest.mark.parametrize("unreached", [{"upstream.local.ip": None}, {"envoy.time_to_first_upstream_rx_byte": None}])
def test_what_never_reached_a_server_is_missed_by_none(unreached: dict[str, Any]) -> None:
    processor = hops()
    joined([client(), server()], processor=processor)
    out = [
        *processor.process(received([client(50_000, **unreached)], LATER_NS)),
        *processor.flush(LATER_NS + WINDOW_NS),
    ]
    (hop,) = of(out)
    assert (hop["hop.reporter"], hop["missing_destination"]) == ("source", False)


def test_proxies_may_rewrite_the_digit_of_the_sampling_reason() -> None:
    rewritten = ID[:14] + "9" + ID[15:]
    (hop,) = joined([client(), server(**{"request.id": rewritten})])
    assert hop["hop.matched_by"] == "addresses"
    other = ID[:15] + "0" + ID[16:]
    assert len(joined([client(), server(**{"request.id": other})])) == 2


@pytest.mark.parametrize(
    ("matched_by", "changed"),
    [
        ("client_address", {"downstream.local.ip": "10.96.0.1"}),  # the server sees the virtual address
        ("server_address", {"downstream.ip": "10.9.9.9"}),  # the client's address is translated
        ("workloads", {"downstream.ip": "10.9.9.9", "downstream.local.ip": "10.96.0.1"}),
        ("destination", {"downstream.ip": None, "downstream.local.ip": None, "source.workload.name": None}),
        ("source", {"downstream.ip": None, "downstream.local.ip": None, "destination.workload.name": None}),
        ("connection", {"request.id": None}),
    ],
)
def test_where_addresses_are_translated_or_missing_other_clues_serve(matched_by: str, changed: dict[str, Any]) -> None:
    (hop,) = joined([client(), server(**changed)])
    assert (hop["hop.reporter"], hop["hop.matched_by"]) == ("both", matched_by)


def test_the_surest_clue_is_taken_first() -> None:
    translated = server(50_000, **{"downstream.ip": "10.9.9.9"})
    found = joined([client(40_001), client(50_000, start_ms=1), translated, server(40_001, start_ms=4)])
    assert [hop["hop.matched_by"] for hop in found] == ["addresses", "server_address"]


def test_requests_on_one_connection_with_one_id_pair_in_their_order() -> None:
    """An application that asks twice on behalf of the same request, over a kept connection."""
    clients = [client(start_ms=100 * at, **{"response.code": 200 + at}) for at in range(5)]
    # The server's clock is two seconds behind.
    servers = [server(start_ms=100 * at - 2000, **{"response.code": 200 + at}) for at in range(5)]
    found = joined(clients, servers[::-1])
    assert len(found) == 5
    assert all(hop["response.code"] == hop["hop.server.code"] for hop in found)


def test_a_lost_entry_does_not_shift_the_others() -> None:
    clients = [client(start_ms=100 * at, **{"response.code": 200 + at}) for at in range(3)]
    servers = [server(start_ms=100 * at + 3, **{"response.code": 200 + at}) for at in (0, 2)]
    found = joined([*clients, *servers])
    assert Counter((hop["response.code"], hop["hop.server.code"]) for hop in found) == {
        (200, 200): 1, (201, None): 1, (202, 202): 1,
    }  # fmt: skip


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("port", [40_001, 40_002])
def test_a_retry_is_one_request_of_the_last_attempt(port: int, *, late: bool) -> None:
    mine = client(start_ms=0, **{"request.attempts": 2, "time.retries": 30 * MS, "response.duration": 50 * MS})
    failed = server(port, start_ms=3, **{"response.code": 503, "response.outcome": "server_error"})
    last = server(40_001, start_ms=33)
    processor = hops()
    (hop,) = joined(*([[mine, last], [failed]] if late else [[failed], [mine, last]]), processor=processor)
    assert (hop["response.code"], hop["hop.server.code"], hop["request.attempts"]) == (200, 200, 2)
    assert hop["hop.attempts_seen"] == (1 if late else 2)
    assert processor.results["attempt"] == 1


def test_an_entry_told_twice_is_counted_once() -> None:
    processor = hops()
    assert len(joined([client(), client(), server()], [server(), client()], processor=processor)) == 1
    assert processor.results["duplicate"] == 3


def test_an_id_used_again_much_later_is_another_request() -> None:
    an_hour_ms = 3_600_000.0
    found = joined([client(), server(start_ms=an_hour_ms)])
    assert [hop["hop.reporter"] for hop in found] == ["source", "destination"]


def test_a_connection_is_joined_at_its_end_and_its_bytes_counted_on_one_side() -> None:
    tcp = {"context.protocol": "tcp", "request.id": None, "response.code": None, "connection.sent.bytes": 10,
           "connection.received.bytes": 7, "latency.excluded": True, **dict.fromkeys(PARTS)}  # fmt: skip
    going, ending = {"connection.event": "continue", "request.counts": False}, {"connection.event": "close"}
    both = [client(**tcp, **ending), server(**tcp, **ending)]
    processor = hops()
    first = joined([client(**tcp, **going), server(**tcp, **going)], both, processor=processor)
    assert [(hop["hop.reporter"], hop["connection.event"]) for hop in first] == [
        ("source", "continue"), ("both", "close"),
    ]  # fmt: skip
    assert sum(hop["request.bytes"] for hop in first) == 14
    assert processor.results["told"] == 1


def test_ends_without_request_id_are_joined_by_their_addresses_at_once() -> None:
    tcp = {"context.protocol": "tcp", "request.id": None, "response.code": None, "latency.excluded": True,
           "connection.event": "close", **dict.fromkeys(PARTS)}  # fmt: skip
    processor = hops()
    # Both Envoys have been heard of: nothing else is to be waited for.
    joined([client(), server()], processor=processor)
    made = [*processor.process(received([client(**tcp), server(**tcp)])), *processor.flush(NOW_NS + SECOND_NS)]
    found = [row for batch in made if batch.template is Template.HOP for row in batch.rows.iter_rows(named=True)]
    assert [(hop["hop.reporter"], hop["hop.matched_by"]) for hop in found] == [("both", "addresses")]


def test_rows_of_one_key_are_of_one_edge() -> None:
    numbers = count(40_000)
    rows = []
    for at in range(40):
        port, whom = next(numbers), {"source.workload.name": f"web-{at % 4}", "destination.app": f"api-{at % 5}"}
        rows += [client(port, key=2 * at, **whom), server(port, key=2 * at + 1, **whom)]
    found = pl.DataFrame(joined(rows))
    assert len(found) == 40
    edges = found.group_by("context.key").agg(pl.col("source.workload.name", "destination.app").n_unique())
    assert len(edges) == 20
    assert edges.select(pl.col("source.workload.name", "destination.app").max()).row(0) == (1, 1)


def test_more_than_may_wait_are_settled_and_counted() -> None:
    processor = Hops(HopsSettings(max_entries=1000), seed=1, started_ns=NOW_NS)
    out = [*processor.process(received([server(at, **{"request.id": f"id {at}"}) for at in range(2500)]))]
    out += processor.flush(NOW_NS)
    assert processor.waiting == 1000
    assert len(of(out)) == processor.results["evicted"] == processor.results["destination"] == 1500


def test_a_flush_just_after_so_many_were_looked_at_leaves_what_came_since_to_the_next() -> None:
    processor = hops()
    one = received([server(**{"request.id": "a crowd's"})])
    ports = pl.int_range(65_536, dtype=one.rows["downstream.port"].dtype, eager=True).alias("downstream.port")
    crowd = replace(one, rows=one.rows[[0] * len(ports)].with_columns(ports))
    out = [*processor.process(crowd), *processor.process(received([client(), server()]))]
    assert not of([*out, *processor.flush(NOW_NS + SECOND_NS // 5)])
    assert len(of([*processor.flush(NOW_NS + SECOND_NS)])) == 1


def test_memory_stays_flat_under_strangers() -> None:
    """Ids, ports and workloads that nobody has seen before."""
    processor = Hops(HopsSettings(max_entries=1000), seed=1, started_ns=NOW_NS)
    processor._identities._limit = 500
    sizes = []
    for at in range(12):
        rows = [
            server(n, key=n, **{"request.id": f"{at} {n}", "source.workload.name": f"{at} {n}"}) for n in range(300)
        ]
        for _ in processor.process(received(rows, NOW_NS + at * SECOND_NS)):
            pass
        sizes.append(len(processor._identities))
    assert max(sizes) <= 800
    assert processor.waiting <= 1300


def test_what_happened_in_the_mesh_itself_is_no_hop() -> None:
    event = {"context.key": None, "request.counts": None, "context.reporter.kind": None, "context.protocol": None}
    assert not joined([event])
    assert len(joined([event, client(), server()])) == 1


def test_the_last_flush_leaves_nothing_behind() -> None:
    processor = hops()
    joined([client(), server()], processor=processor)
    more = [client(50_000), server(50_001, start_ms=90_000)]
    out = [*processor.process(received(more, LATER_NS)), *processor.flush(LATER_NS), *processor.flush(2**63 - 1)]
    assert not processor.waiting
    assert Counter((hop["missing_source"], hop["missing_destination"]) for hop in of(out)) == {
        (True, False): 1, (False, True): 1,
    }  # fmt: skip
    assert {row["time"].year for row in of(out, Template.METRIC)} == {2023}


def test_times_of_hops_are_histograms_by_edge() -> None:
    processor = hops()
    out = [*processor.process(received([client(), server()])), *processor.flush(LATER_NS)]
    points = {row["metric"]: row for row in of(out, Template.METRIC)}
    assert {name: (row["count"], round(row["value"], 3)) for name, row in points.items()} == {
        "telemetry_network_duration_milliseconds": (1, 4.0),
        "telemetry_application_duration_milliseconds": (1, 9.0),
        "telemetry_proxy_duration_milliseconds": (1, 6.0),
    }
    network = points["telemetry_network_duration_milliseconds"]
    assert sum(network["buckets"]) == 1
    assert len(network["buckets"]) == len(network["bounds"]) + 1
    assert network["labels"] == {
        "source_workload": "web-v1", "source_workload_namespace": "shop", "destination_workload": "api-v1",
        "destination_workload_namespace": "shop", "destination_service": "api.shop.svc.cluster.local",
    }  # fmt: skip


requests = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 3), st.booleans(), st.booleans(), st.integers(0, 3)), max_size=25
)


@settings(max_examples=80, deadline=None)
@given(requests, st.randoms(use_true_random=False))
def test_no_entry_is_lost_and_none_counted_twice(what: list[tuple[int, int, bool, bool, int]], dice: Any) -> None:
    """Every entry is in one row, or counted as attempt or duplicate, however ids, ports and losses mix."""
    rows = []
    for at, (port, number, of_client, of_server, attempts) in enumerate(what):
        more = {"request.id": f"{number}" * 36, "request.attempts": attempts}
        rows += [client(port, start_ms=7 * at, **more)] * of_client + [
            server(port, start_ms=7 * at + 2, **more)
        ] * of_server
    dice.shuffle(rows)
    processor = hops()
    batches = [rows[at : at + 6] for at in range(0, len(rows), 6)]
    found = joined(*batches, processor=processor)
    told = sum(2 if hop["hop.reporter"] == "both" else 1 for hop in found)
    assert told + processor.results["attempt"] + processor.results["duplicate"] == len(rows)
