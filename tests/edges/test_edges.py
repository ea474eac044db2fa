"""The processor: hops in, edges out, nothing counted twice and nothing lost."""

from collections import Counter
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.batch import Batch, Template, fault_of
from telemetry.pipeline import END_NS
from telemetry.processors.edge_slots import OTHER
from telemetry.processors.edges import Edges
from telemetry.processors.signals import Metrics, Signals
from telemetry.processors.standard_metrics import Mode, Override, Standard
from tests.edges.rows import hop, hops
from tests.rows import NOW_NS, SECOND_NS, logentries, metrics


def processor(**options: Any) -> Edges:
    return Edges(seed=1, started_ns=NOW_NS, **options)


def rows_of(edges: Edges, *batches: Batch) -> list[dict[str, Any]]:
    for batch in batches:
        assert list(edges.process(batch)) == [batch]
    made = list(edges.flush(NOW_NS + 10 * SECOND_NS))
    for one in made:
        assert fault_of(one) is None
    return [row for one in made for row in one.rows.iter_rows(named=True)]


def test_hops_of_one_edge_are_one_row() -> None:
    (row,) = rows_of(processor(), hops(hop(), hop(), hop()), hops(hop(), sequence=2))
    assert (row["source.workload.name"], row["destination.service.name"]) == ("web", "reviews")
    assert (row["requests"], row["requests_paired"], row["attempts"], row["retried"]) == (4, 4, 4, 0)
    assert (row["request_bytes"], row["response_bytes"]) == (400, 4000)
    assert row["busy_s"] == pytest.approx(0.04)
    assert row["responses"] == [{"code": 200, "grpc_status": None, "flags": "-", "count": 4}]
    assert row["source.principals"] == ["spiffe://cluster.local/ns/default/sa/web"]
    assert row["reporter"] == "both"
    assert row["start"] < row["time"]


def test_bytes_beyond_any_sense_cost_no_edge() -> None:
    absurd = {"request.bytes": 2**64 - 1, "response.bytes": 2**63}
    made = rows_of(processor(), hops(hop("cron"), *(hop(**absurd) for _ in range(5))), hops(hop(**absurd), sequence=2))
    assert {row["source.workload.name"]: row["requests"] for row in made} == {"cron": 1, "web": 6}
    (one,) = [row for row in made if row["source.workload.name"] == "cron"]
    assert (one["request_bytes"], one["response_bytes"]) == (100, 1000)


def test_edges_differ_by_workload_service_and_protocol() -> None:
    made = rows_of(
        processor(), hops(hop(), hop(destination="reviews-v2"), hop("cron"), hop(**{"context.protocol": "grpc"}))
    )
    assert len(made) == 4
    assert all(row["requests"] == 1 for row in made)


def test_another_principal_is_the_same_edge() -> None:
    (row,) = rows_of(processor(), hops(hop(), hop(**{"source.principal": "spiffe://other"})))
    assert row["requests"] == 2
    assert row["source.principals"] == ["spiffe://cluster.local/ns/default/sa/web", "spiffe://other"]


def test_each_outcome_has_its_count() -> None:
    outcomes = ["client_error", "server_error", "server_error", "none", "success", None]
    (row,) = rows_of(processor(), hops(*(hop(**{"response.outcome": outcome}) for outcome in outcomes)))
    assert (row["client_errors"], row["server_errors"], row["unanswered"], row["requests"]) == (1, 2, 1, 6)


def test_responses_tell_code_status_and_flags_apart() -> None:
    failed = hop(**{"response.code": 503, "response.flags": 0b100000, "response.blame": "network"})
    (row,) = rows_of(processor(), hops(hop(), hop(), failed))
    assert row["responses"] == [
        {"code": 200, "grpc_status": None, "flags": "-", "count": 2},
        {"code": 503, "grpc_status": None, "flags": "UF", "count": 1},
    ]
    assert row["blame"] == [{"blame": "network", "count": 1}]


def test_it_says_who_told_of_it() -> None:
    reporters = ["source", "source", "destination", "both"]
    (row,) = rows_of(processor(), hops(*(hop(**{"hop.reporter": one}) for one in reporters)))
    assert (row["requests_source_only"], row["requests_destination_only"], row["requests_paired"]) == (2, 1, 1)
    assert row["reporter"] == "both"


@pytest.mark.parametrize("reporter", ["source", "destination"])
def test_an_edge_of_which_one_end_told_says_which(reporter: str) -> None:
    (row,) = rows_of(processor(), hops(hop(**{"hop.reporter": reporter, "missing_destination": True})))
    assert (row["reporter"], row["missing_destination"]) == (reporter, 1)


def test_latency_is_taken_apart_and_sessions_are_left_out() -> None:
    parts = {"hop.application": 6_000_000, "hop.network": 3_000_000, "hop.proxy": 1_000_000}
    (row,) = rows_of(processor(), hops(hop(**parts), hop(**{"latency.excluded": True, "response.duration": 10**12})))
    assert row["latency"]["count"] == 1
    assert row["latency"]["sum_ms"] == pytest.approx(10)
    assert row["latency"]["buckets"][3] == 1
    assert row["latency.application"]["sum_ms"] == pytest.approx(6)
    assert row["latency.network"]["count"] == 1
    assert row["latency.proxy"]["buckets"][1] == 1


def test_a_connection_is_no_request_and_its_bytes_come_as_they_flow() -> None:
    tcp = {"context.protocol": "tcp", "response.code": None, "response.outcome": None, "response.duration": None}
    (row,) = rows_of(
        processor(),
        hops(
            hop(**tcp, **{"connection.event": "open", "connection.opened": True}),
            hop(**tcp, **{"connection.event": "continue", "connection.opened": False}),
            hop(
                **{**tcp, "response.duration": 2 * SECOND_NS},
                **{"connection.event": "close", "connection.opened": False},
            ),
        ),
    )
    assert (row["requests"], row["attempts"], row["latency"]["count"], row["responses"]) == (0, 0, 0, [])
    assert (row["connections_opened"], row["connections_closed"], row["request_bytes"]) == (1, 1, 300)
    assert row["busy_s"] == pytest.approx(2)


def test_mtls_and_plain_are_counted_and_what_nobody_knows_is_neither() -> None:
    (row,) = rows_of(processor(), hops(*(hop(**{"connection.mtls": one}) for one in (True, True, False, None))))
    assert (row["mtls"], row["plain"]) == (2, 1)


def test_an_edge_beyond_the_bound_goes_to_other_and_totals_stay_exact() -> None:
    edges = processor(max_edges=3)
    many = [hop(f"client{at}") for at in range(10)]
    made = rows_of(edges, hops(*many))
    assert sum(row["requests"] for row in made) == 10
    (other,) = (row for row in made if row["source.workload.name"] == OTHER)
    assert (other["requests"], other["destination.workload.name"], edges.folded) == (7, OTHER, 7)
    assert other["responses"][0]["count"] == 7


def test_the_rarest_of_very_many_responses_are_one() -> None:
    codes = [hop(**{"response.code": 100 + code}) for code in range(500)]
    (row,) = rows_of(processor(), hops(*codes, hop(**{"response.code": 599})))
    assert len(row["responses"]) <= 64
    assert sum(one["count"] for one in row["responses"]) == 501
    assert row["responses"][0] == {"code": 599, "grpc_status": None, "flags": "-", "count": 2}
    assert any(one["flags"] == OTHER for one in row["responses"])


def test_requests_slower_than_promised_are_counted_exactly() -> None:
    took = [100, 299, 300, 301, 5000]
    rows = [hop(**{"response.duration": ms * 1_000_000}) for ms in took]
    edges = processor(targets=lambda host: (300.0, 1000.0) if host.startswith("reviews.") else ())
    made = rows_of(edges, hops(*rows, hop(destination="other")))
    by_service = {row["destination.service.name"]: row["slow"] for row in made}
    assert sorted(by_service["reviews"], key=lambda one: one["threshold_ms"]) == [
        {"threshold_ms": 300.0, "slow": 2, "total": 5},
        {"threshold_ms": 1000.0, "slow": 1, "total": 5},
    ]
    assert by_service["other"] == []


def test_what_each_end_reported_joins_the_edge() -> None:
    entry = {name: value for name, value in hop().items() if name.startswith(("source.", "destination."))}
    plain = {"context.protocol": "http", "response.code": 503, "source.canonical.revision": "latest", **entry}
    entries = [
        {**plain, "context.reporter.kind": "inbound"},
        {**plain, "context.reporter.kind": "inbound"},
        {**plain, "context.reporter.kind": "outbound", "response.code": None, "context.key": 1},
    ]
    signals = Signals(seed=1, started_ns=NOW_NS)
    edges = processor()
    batches = [one for one in signals.process(logentries(*entries)) if one.template is Template.METRIC]
    (row,) = rows_of(edges, *batches, hops(hop()))
    assert sorted(row["reports"], key=str) == [
        {"reporter": "destination", "code": "503", "count": 2},
        {"reporter": "source", "code": "-", "count": 1},
    ]


@pytest.mark.parametrize(
    "label", ["reporter", "response_code", "request_protocol", "source_app", "grpc_response_status"]
)
def test_labels_that_the_operator_has_removed_harm_nothing(label: str) -> None:
    entries = logentries({"context.protocol": "http", "response.code": 503, "context.reporter.kind": "inbound"})
    gone = [Override(frozenset({"REQUEST_COUNT"}), frozenset(Mode), None, {label: None})]
    signals = Signals(seed=1, started_ns=NOW_NS, metrics=Metrics(Standard(gone)))
    batches = [one for one in signals.process(entries) if one.template is Template.METRIC]
    (row,) = [one for one in rows_of(processor(), *batches, hops(hop())) if one["requests"]]
    assert row["requests"] == 1


def test_an_interval_that_can_not_be_told_costs_no_other() -> None:
    edges = processor()
    entry = logentries({"context.protocol": "http", "response.code": 200, "context.reporter.kind": "inbound"})
    (_, points, *_) = Signals(seed=1, started_ns=NOW_NS).process(entry)
    # No counter falls, but what another processor makes may be anything.
    impossible = replace(points, rows=points.rows.with_columns(value=-pl.col("value")))
    list(edges.process(impossible))
    list(edges.process(hops(hop())))
    with pytest.raises(pl.exceptions.InvalidOperationError):
        list(edges.flush(NOW_NS + 10 * SECOND_NS))
    assert list(edges.flush(NOW_NS + 11 * SECOND_NS)) == []
    list(edges.process(hops(hop())))
    (batch,) = edges.flush(NOW_NS + 20 * SECOND_NS)
    assert batch.rows.select("requests", start=pl.col("start").to_physical()).row(0) == (1, NOW_NS + 10 * SECOND_NS)


def test_other_metrics_leave_no_trace() -> None:
    assert rows_of(processor(), metrics(1.0, 2.0)) == []


def test_nothing_comes_before_the_interval_is_over_and_nothing_twice() -> None:
    edges = processor()
    list(edges.process(hops(hop())))
    assert list(edges.flush(NOW_NS + 9 * SECOND_NS)) == []
    assert len(list(edges.flush(NOW_NS + 10 * SECOND_NS))) == 1
    assert list(edges.flush(NOW_NS + 20 * SECOND_NS)) == []


def test_the_end_brings_what_is_left_at_a_time_that_is_real() -> None:
    edges = processor()
    list(edges.process(hops(hop())))
    (batch,) = edges.flush(END_NS)
    assert batch.rows["time"].dt.year().to_list() == [2023]
    assert list(edges.flush(END_NS)) == []


def test_quiet_intervals_are_skipped() -> None:
    edges = processor()
    for second in range(100):
        assert list(edges.flush(NOW_NS + second * SECOND_NS)) == []
    list(edges.process(hops(hop(**{"context.time": NOW_NS + 101 * SECOND_NS}))))
    (batch,) = edges.flush(NOW_NS + 110 * SECOND_NS)
    assert batch.rows["start"].dt.epoch("s").item() >= NOW_NS // SECOND_NS + 80


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["web", "cron", None]),
            st.sampled_from(["a-v1", "a-v2", "b", None]),
            st.sampled_from([200, 404, 503, None]),
            st.sampled_from(["success", "server_error", "client_error", "none"]),
            st.integers(0, 10**12),
            st.integers(1, 5),
        ),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 8),
)
def test_however_hops_are_cut_into_batches_the_sums_are_those_of_the_hops(
    seen: list[tuple[Any, ...]], max_edges: int
) -> None:
    rows = [
        hop(
            who,
            whom,
            **{"response.code": code, "response.outcome": outcome, "response.duration": ns, "request.attempts": n},
        )
        for who, whom, code, outcome, ns, n in seen
    ]
    edges = processor(max_edges=max_edges)
    made = rows_of(edges, *(hops(*rows[at : at + 7], sequence=at + 1) for at in range(0, len(rows), 7)))
    assert len(made) <= max_edges + 1
    assert sum(row["requests"] for row in made) == len(rows)
    assert sum(row["attempts"] for row in made) == sum(one[5] for one in seen)
    assert sum(row["server_errors"] for row in made) == sum(one[3] == "server_error" for one in seen)
    assert sum(row["latency"]["count"] for row in made) == len(rows)
    assert sum(sum(row["latency"]["buckets"]) for row in made) == len(rows)
    codes = Counter({code: count for row in made for code, count in _codes(row).items()})
    assert sum(codes.values()) <= len(rows)
    assert pl.Series([row["latency"]["sum_ms"] for row in made]).sum() == pytest.approx(
        sum(one[4] for one in seen) / 1e6
    )


def _codes(row: dict[str, Any]) -> Counter[Any]:
    return Counter({one["code"]: one["count"] for one in row["responses"]})
