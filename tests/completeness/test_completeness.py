"""What Envoys say they have handled, against the entries that came."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.batch import Template, fault_of
from telemetry.completeness import METRICS, refusals_of
from telemetry.completeness.pending import Pending
from telemetry.completeness.window import Window
from telemetry.selfmetrics import SelfMetrics
from tests.completeness.engine import ACTIVE, CONNECT_FAIL, DROPPED, TCP, TOTAL, WRITTEN, Engine
from tests.rows import NOW_NS, logentries


def known(**options: object) -> Engine:
    """An Envoy that has told of its first moment, at 0 s."""
    engine = Engine(**options)
    engine.tell(0, {TOTAL: 1000, ACTIVE: 0, WRITTEN: 1000})
    engine.flush(10)
    return engine


def test_nothing_is_known_before_two_moments_were_compared() -> None:
    engine = Engine()
    assert engine.completeness.ratio() is None
    assert not engine.completeness.report.time_ns
    engine.tell(0, {TOTAL: 1000})
    engine.flush(10)
    assert engine.completeness.ratio() is None


def test_what_came_is_compared_with_what_has_grown() -> None:
    engine = known()
    engine.entries(90, 20)
    engine.tell(30, {TOTAL: 1100, WRITTEN: 1090})
    engine.flush(40)
    assert (engine.share.http.expected, engine.share.http.seen, engine.share.http.ratio) == (100, 90, 0.9)
    assert (engine.share.workload, engine.share.namespace, engine.share.cluster) == ("web", "shop", None)
    assert engine.completeness.ratio() == 0.9


def test_entries_have_time_to_come() -> None:
    engine = known()
    engine.tell(30, {TOTAL: 1100, WRITTEN: 1100})
    engine.flush(39)
    assert engine.completeness.ratio() is None
    engine.entries(100, 29, came=39.5)
    engine.flush(49)
    assert engine.completeness.ratio() == 1


def test_an_entry_that_comes_late_counts_after_all() -> None:
    engine = known()
    engine.tell(30, {TOTAL: 1100, WRITTEN: 1100})
    engine.flush(40)
    assert engine.completeness.ratio() == 0
    engine.entries(100, 29, came=45)
    engine.tell(60, {})
    engine.flush(70)
    assert engine.completeness.ratio() == 1


def test_requests_that_go_on_are_not_missing() -> None:
    engine = known()
    engine.entries(60, 20)
    engine.tell(30, {TOTAL: 1100, ACTIVE: 40, WRITTEN: 1060})
    engine.flush(40)
    assert engine.completeness.ratio() == 1
    engine.entries(40, 50)
    engine.tell(60, {ACTIVE: 0, WRITTEN: 1100})
    engine.flush(70)
    assert (engine.share.http.expected, engine.share.http.seen) == (100, 100)


def test_entries_of_requests_before_the_first_moment_or_after_the_last_do_not_count() -> None:
    engine = Engine()
    engine.entries(7, -1)
    engine.entries(5, 20, came=20.1)
    engine.entries(3, 31, came=31.1)
    engine.tell(0, {TOTAL: 1000, WRITTEN: 1000})
    engine.flush(15)
    engine.tell(30, {TOTAL: 1005, WRITTEN: 1005})
    engine.flush(40)
    assert (engine.share.http.expected, engine.share.http.seen) == (5, 5)
    assert engine.completeness.pending == 3


def test_an_envoy_s_own_clock_decides_what_was_before() -> None:
    engine, ahead_s = Engine(), 3600.0
    engine.tell(0, {TOTAL: 0}, ahead_s=ahead_s)
    engine.flush(10)
    engine.entries(10, ahead_s + 29, came=29.5)
    engine.entries(10, ahead_s + 31, came=31.5)
    engine.tell(30, {TOTAL: 10}, ahead_s=ahead_s)
    engine.flush(40)
    assert (engine.share.http.expected, engine.share.http.seen) == (10, 10)


@pytest.mark.parametrize("prefix", ["admin", "stats", "agent"])
def test_what_nobody_logs_is_not_missing(prefix: str) -> None:
    engine = known()
    engine.entries(10, 20)
    engine.say(30, {TOTAL: 500}, prefix=prefix)
    engine.tell(30, {TOTAL: 1010, WRITTEN: 1010})
    engine.flush(40)
    assert engine.completeness.ratio() == 1


def test_only_rows_that_count_their_request_count() -> None:
    engine = known()
    engine.entries(10, 20)
    engine.entries(10, 20, **{"request.counts": False})
    engine.tell(30, {TOTAL: 1010, WRITTEN: 1020})
    engine.flush(40)
    assert (engine.share.http.expected, engine.share.http.seen) == (10, 10)


def test_connections_are_compared_by_their_opening() -> None:
    engine = Engine()
    engine.tell(0, {TCP: 50})
    engine.flush(10)
    tcp = {"context.protocol": "tcp", "request.counts": False, "context.key": 1}
    engine.entries(4, 20, **tcp, **{"connection.opened": True, "connection.event": "continue"})
    engine.entries(4, 25, **tcp, **{"connection.opened": False, "connection.event": "close"})
    engine.tell(30, {TCP: 55})
    engine.flush(40)
    assert (engine.share.tcp.expected, engine.share.tcp.seen) == (5, 4)
    assert engine.share.http.ratio is None
    assert engine.completeness.ratio() == 0.8


def test_an_envoy_without_metrics_is_unknown_not_complete() -> None:
    engine = Engine()
    engine.entries(10, 0)
    engine.flush(10)
    assert (engine.share.envoys, engine.share.unknown_envoys, engine.share.http.ratio) == (1, 1, None)
    assert engine.completeness.ratio() is None
    assert engine.whys == {"no_metrics": 1}


def test_an_envoy_whose_metrics_end_becomes_unknown() -> None:
    engine = known()
    for at in range(20, 400, 10):
        engine.entries(1, at)
        engine.flush(at)
    assert (engine.share.unknown_envoys, engine.completeness.ratio()) == (1, None)


def test_a_closed_stream_tells_nothing() -> None:
    engine = Engine()
    engine.tell(0, {TOTAL: 5}, alive=False)
    engine.flush(10)
    assert engine.completeness.report.workloads == ()


def test_without_node_ids_nobody_knows() -> None:
    engine = Engine()
    engine.completeness._latest = lambda stats: pl.DataFrame({"stat": [TOTAL], "alive": [True]})
    engine.refresh(0)
    engine.flush(10)
    assert engine.completeness.ratio() is None


REASONS = {
    "dropped by Envoy": ({TOTAL: 1100, WRITTEN: 1060, DROPPED: 40}, 60, {"logs_dropped": 40}),
    "left out by a filter": ({TOTAL: 1100, WRITTEN: 1060}, 60, {"not_logged": 40}),
    "no logger at all": ({TOTAL: 1100}, 0, {"no_access_log": 100}),
    "lost, nobody knows where": ({TOTAL: 1100, WRITTEN: 1100}, 60, {"unexplained": 40}),
    "logged twice": ({TOTAL: 1100, WRITTEN: 1200}, 200, {"counted_twice": 100}),
    "all of it": ({TOTAL: 1100, WRITTEN: 1100}, 100, {}),
}


@pytest.mark.parametrize(("stats", "came", "whys"), REASONS.values(), ids=list(REASONS))
def test_what_is_missing_has_a_reason(stats: dict[str, float], came: int, whys: dict[str, float]) -> None:
    engine = known()
    if came:
        engine.entries(came, 20)
    engine.tell(30, stats)
    engine.flush(40)
    assert engine.whys == whys
    assert all(len(why.explanation) > 40 for why in engine.share.reasons)


@pytest.mark.parametrize(
    ("cluster", "named"),
    [
        ("mesh_telemetry", True),
        ("outbound|9901||mesh-telemetry.observability.svc.cluster.local", True),
        ("outbound|9080||reviews.default.svc.cluster.local", False),
    ],
)
def test_failures_to_reach_us_are_a_reason_others_are_not(cluster: str, named: bool) -> None:
    engine = known()
    engine.say(30, {CONNECT_FAIL: 8}, prefix=cluster)
    engine.tell(30, {TOTAL: 1100, WRITTEN: 1100})
    engine.flush(40)
    assert engine.whys == ({"sink_unreachable": 8} if named else {"unexplained": 100})


def test_what_we_refused_ourselves_is_a_reason() -> None:
    engine = known()
    engine.refused["overloaded"] = 40
    engine.entries(60, 20)
    engine.tell(30, {TOTAL: 1100, WRITTEN: 1100})
    engine.flush(40)
    assert engine.whys == {"refused_here": 40}


def test_refusals_are_read_of_our_own_counters() -> None:
    metrics = SelfMetrics()
    metrics.rejected.labels("overloaded").inc(30)
    metrics.refused.labels("overloaded").inc()
    metrics.refused.labels("too_many_streams").inc(2)
    assert refusals_of(metrics)() == {"overloaded": 30, "too_many_streams": 2}


def test_one_envoy_s_duplicates_do_not_stand_for_another_s_losses() -> None:
    engine = known()
    engine.tell(0, {TOTAL: 0}, "b", workload="db")
    engine.flush(20)
    engine.entries(200, 25)
    engine.entries(50, 25, "b", **{"destination.workload.name": "db"})
    engine.say(30, {TOTAL: 1100, WRITTEN: 1100})
    engine.tell(30, {TOTAL: 100}, "b", workload="db")
    engine.flush(40)
    assert engine.completeness.ratio() == 0.75
    assert len(engine.completeness.report.workloads) == 2


def test_a_counter_that_was_lost_begins_anew() -> None:
    engine = known()
    engine.tell(30, {TOTAL: 3})
    engine.flush(40)
    assert engine.completeness.ratio() is None
    engine.entries(4, 45)
    engine.tell(60, {TOTAL: 7})
    engine.flush(70)
    assert (engine.share.http.expected, engine.share.http.seen) == (4, 4)


def test_minutes_ago_is_forgotten() -> None:
    engine = known(window_s=60.0)
    engine.tell(20, {TOTAL: 1100})
    engine.flush(30)
    assert engine.completeness.ratio() == 0
    engine.entries(10, 60)
    engine.tell(80, {TOTAL: 1110})
    engine.flush(90)
    assert (engine.share.http.expected, engine.share.http.seen) == (10, 10)


def test_silent_envoys_are_forgotten_whole_and_their_numbers_used_again() -> None:
    engine = known(max_envoys=1)
    engine.tell(20, {TOTAL: 1100})
    engine.flush(30)
    engine.say(20, {}, alive=False)
    engine.flush(500)
    engine.tell(510, {TOTAL: 0}, "b")
    engine.flush(520)
    engine.entries(5, 525, "b")
    engine.tell(530, {TOTAL: 5}, "b")
    engine.flush(540)
    assert (engine.share.envoys, engine.share.http.expected, engine.share.http.seen) == (1, 5, 5)
    assert engine.completeness.ignored == 0


def test_an_envoy_keeps_its_number_while_entries_of_its_wait_to_be_compared() -> None:
    engine = Engine(window_s=20.0, settle_s=100.0, max_envoys=1)
    engine.tell(0, {TOTAL: 1000})
    engine.flush(10)
    engine.entries(50, 60)
    engine.say(20, {}, alive=False)
    engine.flush(150)
    engine.tell(160, {TOTAL: 0}, "b")
    engine.flush(170)
    assert engine.completeness.ignored > 0
    assert engine.completeness.pending == 50


def test_a_million_envoys_are_not_remembered() -> None:
    engine = known(max_envoys=1)
    engine.entries(5, 20, "b")
    engine.entries(5, 20, "\0\n🙂" * 1000)
    assert engine.completeness.ignored == 2
    assert engine.completeness.pending == 0


def test_entries_without_envoy_key_or_time_harm_nobody() -> None:
    engine = known()
    engine.entries(5, 20, None)  # type: ignore[arg-type]
    engine.entries(5, 20, **{"request.time": None, "response.duration": None, "context.key": 4_000_000_000})
    engine.tell(30, {TOTAL: 1005, WRITTEN: 1005})
    engine.flush(40)
    assert (engine.share.http.expected, engine.share.http.seen) == (5, 5)


def test_other_batches_pass() -> None:
    engine = Engine()
    engine.take(logentries())
    assert engine.completeness.pending == 0


def test_the_metrics_say_the_same() -> None:
    engine = known()
    engine.entries(90, 20)
    engine.tell(30, {TOTAL: 1100, WRITTEN: 1090})
    batches = engine.flush(40)
    assert all(batch.template is Template.METRIC and batch.receiver == "r" for batch in batches)
    for batch in batches:
        assert fault_of(batch) is None
    told = {row["metric"]: row for batch in batches for row in batch.rows.to_dicts()}
    assert told.keys() == METRICS.keys()
    assert {name: row["value"] for name, row in told.items()} == {
        "telemetry_completeness_ratio": 0.9,
        "telemetry_completeness_expected_total": 100,
        "telemetry_completeness_seen_total": 90,
        "telemetry_completeness_unknown_envoys": 0,
    }
    labels = {"workload": "web", "workload_namespace": "shop", "cluster_id": "", "protocol": "http"}
    assert told["telemetry_completeness_ratio"]["labels"] == labels
    assert told["telemetry_completeness_seen_total"]["kind"] == "counter"
    assert not [row for batch in engine.flush(50) for row in batch.rows.to_dicts() if row["kind"] == "counter"]


def test_a_flush_at_the_end_of_time_judges_nothing() -> None:
    engine = known()
    engine.tell(30, {TOTAL: 1100})
    assert list(engine.completeness.flush(2**63 - 1)) == []
    assert engine.completeness.ratio() is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100)), max_size=60), st.integers(1, 50))
def test_every_entry_is_counted_once_however_few_may_wait(entries: list[tuple[int, int]], room: int) -> None:
    pending = Pending(keep_ns=30, max_entries=room)
    counted = np.zeros(4, np.int64)
    for at, (code, end) in enumerate(entries):
        pending.add(at, np.array([code], np.int32), np.array([end]))
        if at % 7 == 0:
            counted += pending.close(np.array([end, -1, 10, 50]), at)
    assert len(pending) <= room
    counted += pending.close(np.full(4, 100), len(entries))
    assert counted.tolist() == np.bincount([code for code, _ in entries], minlength=4)[:4].tolist()
    assert len(pending) == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), min_size=1, max_size=40))
def test_a_window_sums_its_last_intervals(steps: list[tuple[int, int]]) -> None:
    window, at, added = Window(intervals=5, interval_ns=10, fields=1), 0, []
    for passed, number in steps:
        at += passed
        window.add(NOW_NS + at, np.array([[float(number)]]))
        added.append(((NOW_NS + at) // 10, number))
    newest = added[-1][0]
    assert window.sums()[0, 0] == sum(number for interval, number in added if interval > newest - 5)
