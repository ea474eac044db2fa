"""Topology events: what is new is told once, and a restart is no news."""

import json
from typing import Any

import pytest

from telemetry.batch import Batch, Template, fault_of
from telemetry.json_lines import JsonLines
from telemetry.pipeline import END_NS
from telemetry.processors.edge_events import EdgeEvents, Event
from telemetry.processors.edge_memory import Before, EdgeMemory, Remembered
from telemetry.processors.edge_slots import EDGE_IDENTITY
from telemetry.processors.signals import Signals
from tests.edges.rows import edge, edges
from tests.rows import NOW_NS, SECOND_NS

LONG_AGO_NS = NOW_NS - 10**6 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS


def memory(known: Any = (), created_ns: int = LONG_AGO_NS, limit: int = 1000_000) -> EdgeMemory:
    return EdgeMemory(lambda: Before(created_ns, known), limit=limit)


def events(known: Any = (), created_ns: int = LONG_AGO_NS) -> EdgeEvents:
    return EdgeEvents(memory(known, created_ns))


def told(processor: EdgeEvents, *rows: dict[str, Any]) -> list[str]:
    return [row["event.name"] for row in entries(processor.process(edges(*rows)))]


def entries(batches: Any) -> list[dict[str, Any]]:
    made: list[Batch] = [one for one in batches if one.template is Template.LOGENTRY]
    assert [fault_of(one) for one in made] == [None] * len(made)
    return [row for one in made for row in one.rows.iter_rows(named=True)]


def knowing(*rows: dict[str, Any]) -> EdgeEvents:
    processor = events()
    list(processor.process(edges(*rows)))
    return processor


def test_a_new_edge_is_told_once_with_its_versions() -> None:
    processor = events()
    assert told(processor, edge()) == [Event.EDGE_APPEARED, Event.VERSION_APPEARED]
    assert told(processor, edge()) == []


def test_an_edge_without_traffic_is_no_news() -> None:
    reports = [{"reporter": "destination", "code": "200", "count": 5}]
    assert told(events(), edge(requests=0, reports=reports)) == []


def test_the_batch_itself_goes_on_unchanged() -> None:
    batch = edges(edge())
    assert next(iter(events().process(batch))) is batch


def test_an_event_is_an_entry_with_both_ends_and_a_sentence_and_counts_nothing() -> None:
    row = entries(events().process(edges(edge())))[0]
    assert (
        row["event.message"] == "edge appeared: default/web to default/reviews-v1: traffic where there was none before"
    )
    assert (row["source.workload.name"], row["destination.service.name"]) == ("web", "reviews")
    assert row["request.counts"] is False
    assert row["context.time"] is not None


def test_events_are_no_requests_in_any_metric() -> None:
    _, batch = events().process(edges(edge()))
    assert list(Signals(seed=1, started_ns=0).process(batch)) == [batch]


def test_lost_mtls_is_told_each_time_it_is_lost() -> None:
    processor = knowing(edge(mtls=5))
    assert told(processor, edge(mtls=4, plain=1)) == [Event.MTLS_LOST]
    assert told(processor, edge(mtls=0, plain=1)) == []
    assert told(processor, edge(mtls=5)) == []
    assert told(processor, edge(mtls=0, plain=5)) == [Event.MTLS_LOST]


def test_an_edge_of_which_nobody_knows_whether_it_is_secure_has_lost_nothing() -> None:
    processor = knowing(edge(mtls=0, plain=0))
    assert told(processor, edge(mtls=0, plain=5)) == []


def test_the_first_error_is_told_and_no_second() -> None:
    processor = knowing(edge())
    assert told(processor, edge(requests=10, server_errors=2)) == [Event.FIRST_ERROR]
    assert told(processor, edge(requests=10, server_errors=2)) == []
    assert told(knowing(edge()), edge(unanswered=1)) == [Event.FIRST_ERROR]


def test_a_new_principal_is_named() -> None:
    processor = knowing(edge())
    (row,) = entries(processor.process(edges(edge(**{"source.principals": ["spiffe://evil"]}))))
    assert (row["event.name"], row["source.principal"]) == (Event.PRINCIPAL_APPEARED, "spiffe://evil")
    assert "spiffe://evil" in row["event.message"]


def test_a_version_is_new_for_its_service_not_for_each_edge() -> None:
    processor = knowing(edge())
    assert told(processor, edge(destination="reviews-v2")) == [Event.EDGE_APPEARED, Event.VERSION_APPEARED]
    assert told(processor, edge("cron", "reviews-v2")) == [Event.EDGE_APPEARED]


def test_an_edge_vanishes_after_an_hour_and_returns() -> None:
    processor = knowing(edge(), edge("cron"))
    for minute in range(60):
        assert entries(processor.flush(NOW_NS + minute * 60 * SECOND_NS)) == []
    alive = {"last_seen": NOW_NS + HOUR_NS}
    list(processor.process(edges(edge("cron", **alive))))
    (row,) = entries(processor.flush(NOW_NS + HOUR_NS + 120 * SECOND_NS))
    assert (row["event.name"], row["source.workload.name"]) == (Event.EDGE_VANISHED, "web")
    assert entries(processor.flush(NOW_NS + HOUR_NS + 240 * SECOND_NS)) == []
    later = {"last_seen": NOW_NS + 2 * HOUR_NS}
    assert told(processor, edge(**later)) == [Event.EDGE_RETURNED]


def test_nothing_vanishes_while_nobody_looks() -> None:
    processor = knowing(edge())
    assert entries(processor.flush(NOW_NS)) == []
    assert entries(processor.flush(NOW_NS + 10 * HOUR_NS)) == []


def test_the_end_of_time_makes_nothing_vanish() -> None:
    processor = knowing(edge())
    assert entries(processor.flush(NOW_NS + SECOND_NS)) == []
    assert entries(processor.flush(END_NS)) == []


def test_a_restart_is_no_news() -> None:
    row = edge(server_errors=1)
    identity = tuple(row.get(name) for name in EDGE_IDENTITY)
    principals = {("source", one) for one in row["source.principals"]}
    processor = events(known=[(identity, Remembered(NOW_NS, secure=True, failed=True, principals=principals))])
    assert told(processor, row) == []
    assert told(processor, edge(mtls=0, plain=3)) == [Event.MTLS_LOST]


def test_what_is_known_stays_known_to_who_takes_over() -> None:
    known = memory()
    before = EdgeEvents(known)
    for minute in range(0, 50, 5):
        list(before.process(edges(edge(last_seen=NOW_NS))))
        assert entries(before.flush(NOW_NS + minute * 60 * SECOND_NS)) == []
    after = EdgeEvents(known, vanish_after_s=1800.0)
    assert entries(before.flush(END_NS)) == []
    assert told(after, edge(last_seen=NOW_NS)) == []
    (row,) = entries(after.flush(NOW_NS + 51 * 60 * SECOND_NS))
    assert row["event.name"] == Event.EDGE_VANISHED


def test_an_edge_that_vanishes_is_told_by_who_took_over_and_saw_no_edge_since() -> None:
    known = memory()
    before = EdgeEvents(known)
    list(before.process(edges(edge())))
    for minute in range(0, 60, 5):
        assert entries(before.flush(NOW_NS + minute * 60 * SECOND_NS)) == []
    (row,) = entries(EdgeEvents(known).flush(NOW_NS + HOUR_NS + 60 * SECOND_NS))
    assert row["event.name"] == Event.EDGE_VANISHED


def test_events_of_several_edges_keep_their_own_ends_in_lines_of_json() -> None:
    made = events().process(edges(edge(), edge("cron")))
    (batch,) = [one for one in made if one.template is Template.LOGENTRY]
    lines = map(json.loads, b"".join(JsonLines().lines(batch)).splitlines())
    assert {(line["event.message"].split()[2], line["source.workload.name"]) for line in lines} == {
        ("default/web", "web"),
        ("default/cron", "cron"),
    }


def test_a_new_store_learns_before_it_tells() -> None:
    processor = events(created_ns=NOW_NS)
    assert told(processor, edge()) == []
    later = {"last_seen": NOW_NS + 601 * SECOND_NS}
    assert told(processor, edge(**later)) == []
    assert told(processor, edge("cron", **later)) == [Event.EDGE_APPEARED]


def test_memory_is_bounded_and_what_was_forgotten_is_not_told_as_new() -> None:
    small = memory(limit=10)
    processor = EdgeEvents(small)
    for number in range(50):
        told(processor, edge(f"client{number}"))
    assert (len(small), small.forgotten) == (10, 40)
    assert told(processor, edge("client0")) == []


def test_a_storm_is_cut_and_counted() -> None:
    processor = events()
    found = told(processor, *(edge(f"client{number}") for number in range(1500)))
    assert len(found) == 1000
    assert processor.dropped == 501


@pytest.mark.parametrize("hostile", ["a\nb", "\x00", '"', "🕸️" * 1000])
def test_hostile_names_stay_in_their_columns(hostile: str) -> None:
    rows = entries(events().process(edges(edge(hostile))))
    assert rows[0]["source.workload.name"] == hostile
