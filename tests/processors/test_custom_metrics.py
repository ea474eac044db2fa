"""Metrics of the operator's own: a number and labels of each request."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.batch import Batch, Template, fault_of
from telemetry.expressions import ExpressionError
from telemetry.processors.custom_metrics import Custom
from telemetry.processors.signals import Metrics, Signals
from telemetry.processors.standard_metrics import NAMES, Override, Standard
from tests.rows import NOW_NS, SECOND_NS, logentries

NO_STANDARD = Standard([Override(frozenset(NAMES), disabled=True)])
HEADERS = [{"key": "x-team", "value": "blue"}]
BY_METHOD = {"method": "request.method"}


def signals(*custom: Custom, **more) -> Signals:
    return Signals(seed=1, started_ns=NOW_NS - SECOND_NS, metrics=Metrics(NO_STANDARD, custom, **more))


def points(made: Signals, batch: Batch) -> pl.DataFrame:
    frames = [out for out in made.process(batch) if out.template is Template.METRIC]
    assert [fault_of(one) for one in frames] == [None] * len(frames)
    return pl.concat([one.rows.unnest("labels") for one in frames], how="diagonal") if frames else pl.DataFrame()


def test_a_counter_counts_requests_by_its_dimensions():
    metric = Custom("by_team_total", dimensions={"team": 'request.headers["x-team"]', **BY_METHOD})
    batch = logentries(
        {"request.method": "GET", "request.headers": HEADERS},
        {"request.method": "GET", "request.headers": HEADERS},
        {"request.method": "POST"},
        {"request.method": "POST", "request.counts": False},
    )
    frame = points(signals(metric), batch)
    assert sorted(frame.select("team", "method", "value").rows()) == [("blue", "GET", 2.0), ("unknown", "POST", 1.0)]
    assert set(frame["kind"]) == {"counter"}


def test_it_reads_what_its_expressions_name():
    metric = Custom("x_total", value="response.size", dimensions=BY_METHOD, match="request.attempts > 1")
    assert {"response.size", "request.method", "request.attempts", "request.counts"} <= signals(metric).reads


def test_it_shows_what_its_dimensions_name():
    metric = Custom("x_total", value="response.size", dimensions=BY_METHOD, match='request.path == "/"')
    assert signals(metric).shows == {"request.method"}


def test_the_default_dimension_tells_the_two_ends_apart():
    kinds = enumerate(("inbound", "outbound", "waypoint"))
    rows = ({"context.key": key, "context.reporter.kind": kind} for key, kind in kinds)
    frame = points(signals(Custom("x_total")), logentries(*rows))
    assert set(frame["reporter"]) == {"source", "destination", "waypoint"}


def test_its_match_sees_requests_before_they_are_added_up():
    metric = Custom("x_total", match='request.path.startsWith("/api/")', dimensions=BY_METHOD)
    batch = logentries(
        {"request.path": "/api/1", "request.method": "GET"}, {"request.path": "/", "request.method": "GET"}
    )
    assert points(signals(metric), batch)["value"].to_list() == [1]


def test_probes_are_left_out_unless_a_match_is_written():
    batch = logentries({"request.useragent": "kube-probe/1"}, {"request.useragent": "curl"})
    metrics = Custom("x_total", dimensions=BY_METHOD), Custom("y_total", dimensions=BY_METHOD, match="true")
    frame = points(signals(*metrics, probes=("kube-probe/",)), batch)
    assert dict(frame.select("metric", "value").rows()) == {"x_total": 1, "y_total": 2}


def test_a_histogram_holds_values_in_its_own_bounds():
    metric = Custom("body_bytes", "histogram", "By", "response.size", BY_METHOD, (10.0, 1000.0))
    frame = points(signals(metric), logentries(*({"response.size": size} for size in (10, 11, 5000, None))))
    (row,) = frame.rows(named=True)
    assert (row["value"], row["count"], row["bounds"], row["buckets"]) == (5021, 3, [10, 1000], [1, 1, 1])


@pytest.mark.parametrize(
    ("unit", "unit_ns"),
    [("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 60e9), ("h", 3600e9), ("d", 86400e9)],
)
def test_a_duration_is_told_in_the_metrics_unit(unit, unit_ns):
    value = 49e6 / unit_ns
    metric = Custom("wait", "histogram", unit, "time.upstream_wait", BY_METHOD, (value, 1e12))
    rows = ({"time.upstream_wait": wait} for wait in (timedelta(milliseconds=49), None))
    (row,) = points(signals(metric), logentries(*rows)).rows(named=True)
    assert row["value"] == value
    assert row["buckets"] == [1, 0, 0]  # a bucket's bound is in it: no rounding may lift the value over it


def test_a_sum_of_durations_is_one_too():
    metric = Custom("rest_us", "gauge", "us", 'response.duration - duration("1ms")', BY_METHOD)
    frame = points(signals(metric), logentries({"response.duration": timedelta(microseconds=1250)}))
    assert frame["value"].to_list() == [250]


def test_a_duration_without_a_unit_of_time_is_refused_with_the_way_out():
    with pytest.raises(ExpressionError, match="write its unit: ms, or ns, us, s, min, h, d"):
        signals(Custom("wait", "histogram", "By", "time.upstream_wait"))


def test_what_is_neither_a_number_nor_a_duration_is_refused():
    with pytest.raises(ExpressionError, match="this is string, but double is needed"):
        signals(Custom("wait", "histogram", "ms", "request.method"))


def test_of_a_gauge_the_last_value_counts():
    metric = Custom("attempts", "gauge", value="request.attempts", dimensions=BY_METHOD)
    rows = [{"request.attempts": attempts, "request.method": "GET"} for attempts in (1, 7, 3, None)]
    assert points(signals(metric), logentries(*rows))["value"].to_list() == [3]


def test_a_gauge_that_nobody_set_has_no_row():
    metric = Custom("attempts", "gauge", value="request.attempts", dimensions=BY_METHOD)
    batch = logentries({"request.attempts": 2, "request.method": "GET"}, {"request.method": "PUT"})
    assert points(signals(metric), batch)["method"].to_list() == ["GET"]


def test_values_that_a_kind_can_not_take_are_left_out_and_counted():
    metric = Custom("x_total", value="1.0 / (double(response.code) - 200.0)", dimensions=BY_METHOD)
    made = signals(metric)
    frame = points(made, logentries(*({"response.code": code} for code in (200, 100, 202, None))))
    assert frame["value"].to_list() == [0.5]
    assert made.skipped == {
        ("x_total", "not_finite"): 1, ("x_total", "negative"): 1, ("x_total", "absent"): 1,
    }  # fmt: skip


def test_a_counter_of_nothing_but_absent_values_is_zero():
    frame = points(signals(Custom("x_total", value="response.size", dimensions=BY_METHOD)), logentries({}))
    assert frame["value"].to_list() == [0]


def test_metrics_with_the_same_labels_share_a_batch():
    batch = logentries({"request.method": "GET"})
    made = signals(Custom("a_total", dimensions=BY_METHOD), Custom("b_total", dimensions=BY_METHOD), Custom("c_total"))
    assert [len(out.rows) for out in made.process(batch) if out.template is Template.METRIC] == [2, 1]


def test_an_exemplar_is_a_traced_request():
    batch = logentries({"trace.id": "a" * 32, "trace.span_id": "b" * 16, "request.time": NOW_NS})
    (row,) = points(signals(Custom("x_total")), batch).rows(named=True)
    assert row["exemplar"]["trace_id"] == "a" * 32


def test_metrics_that_can_not_be_made_are_refused():
    with pytest.raises(ExpressionError):
        signals(Custom("y_total", value="nonsense"))


@pytest.mark.parametrize("text", ['"\0\n\\"\'"', '"😀"', '""'])
def test_a_hostile_label_is_a_label(text):
    frame = points(
        signals(Custom("x_total", dimensions={"l": text.replace("\0", r"\x00").replace("\n", r"\n")})), logentries({})
    )
    assert frame["value"].to_list() == [1]


METHODS = st.sampled_from([None, "GET", "unknown", ""])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(METHODS, st.sampled_from([None, 0, 3, 10**12]), st.integers(0, 2)), min_size=1, max_size=25))
def test_sums_by_label_are_those_of_the_rows(rows):
    metric = Custom("x_total", value="response.size", dimensions={"method": "request.method", "who": "source.app"})
    batch = logentries(
        *({"request.method": method, "response.size": size, "context.key": key, "source.app": f"a{key % 2}"}
          for method, size, key in rows)
    )  # fmt: skip
    want: dict[tuple[str, str], float] = {}
    for method, size, key in rows:
        name = ("unknown" if method is None else method, f"a{key % 2}")
        want[name] = want.get(name, 0) + (size or 0)
    frame = points(signals(metric), batch)
    assert {(method, who): value for method, who, value in frame.select("method", "who", "value").rows()} == want
    assert len(frame) == len(want)
