"""Spans of entries: one connected trace of the right shape for a request, with whatever headers there were."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.batch import Batch, Template, fault_of
from telemetry.expressions import compile  # noqa: A004 - the verb of that room
from telemetry.processors.outcome import KNOWN
from telemetry.processors.spans import Spans, TracesSettings
from tests.rows import NOW_NS, SECOND_NS, logentries

MS = 1_000_000
END_NS = 2**63 - 1  # the pipeline's last flush
WINDOW_NS = 5 * SECOND_NS
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ID = "7d3f1c2a-1111-4222-a333-444444444444"
# Who calls whom, begun when and taking how long (ms): productpage asks details, then reviews, which asks ratings.
BOOKINFO = (
    ("gateway", "productpage", 0, 100),
    ("productpage", "details", 10, 20),
    ("productpage", "reviews", 40, 50),
    ("reviews", "ratings", 50, 30),
)
SHAPE = {
    ("client", "gateway"): None,
    ("server", "productpage"): ("client", "gateway"),
    ("client", "productpage"): ("server", "productpage"),
    ("server", "details"): ("client", "productpage"),
    ("server", "reviews"): ("client", "productpage"),
    ("client", "reviews"): ("server", "reviews"),
    ("server", "ratings"): ("client", "reviews"),
}


def ends(
    source: str, destination: str, start_ms: float, ms: float, *, port: int, skew_ms: float = 0, **more: Any
) -> list[dict[str, Any]]:
    """Both entries of a hop; the server's is 2 ms shorter at either end, its clock off by `skew_ms`."""
    both = {
        "source.workload.name": source, "destination.workload.name": destination, "request.id": ID,
        "request.method": "GET", "request.operation": f"GET /{destination}/{{id}}", "response.code": 200,
        "request.attempts": 1, **more,
    }  # fmt: skip
    client = {
        **both, "context.reporter.kind": "outbound", "context.reporter.uid": source,
        "request.time": NOW_NS + int(start_ms * MS), "response.duration": int(ms * MS), "upstream.local.ip": source,
        "upstream.local.port": port, "upstream.ip": destination, "upstream.port": 9080,
    }  # fmt: skip
    server = {
        **both, "context.reporter.kind": "inbound", "context.reporter.uid": destination,
        "request.time": NOW_NS + int((start_ms + 2 + skew_ms) * MS), "response.duration": int((ms - 4) * MS),
        "downstream.ip": source, "downstream.port": port, "downstream.local.ip": destination,
        "downstream.local.port": 9080,
    }  # fmt: skip
    return [client, server]


def bookinfo(**more: Any) -> list[dict[str, Any]]:
    return [row for at, hop in enumerate(BOOKINFO) for row in ends(*hop, port=40_000 + at, **more)]


def made(
    *batches: Sequence[dict[str, Any]], config: TracesSettings | None = None, matches: Sequence[pl.Expr] = ()
) -> list[dict[str, Any]]:
    """The spans that come of these entries in the end."""
    processor = Spans(config or TracesSettings(), matches)
    out: list[Batch] = []
    for at, rows in enumerate(batches):
        received = [{**row, "context.time": NOW_NS + at * SECOND_NS} for row in rows]
        out += processor.process(logentries(*received))
    out += processor.flush(NOW_NS + 100 * SECOND_NS)
    assert not processor.waiting
    return spans_of(out)


def spans_of(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    chosen = [one for one in batches if one.template is Template.TRACESPAN]
    for one in chosen:
        assert fault_of(one) is None
    return [row for one in chosen for row in one.rows.to_dicts()]


def who(span: dict[str, Any]) -> tuple[str, str]:
    return span["span.kind"], span["context.reporter.uid"]


def shape(spans: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """Each span's parent; ids that no span has stand for themselves."""
    by_id = {span["span.id"]: who(span) for span in spans}
    assert len(by_id) == len(spans), "two spans have one id"
    return {who(span): by_id.get(span["span.parent_id"], span["span.parent_id"]) for span in spans}


def header(span_id: str | None = CALLER, **more: Any) -> dict[str, Any]:
    return {"trace.id": TRACE, "trace.span_id": span_id, "trace.sampled": True, **more}


def traced_by_envoys() -> list[dict[str, Any]]:
    """Each Envoy has put its own span's id into the header."""
    return [{**row, **header(f"{at + 1:016x}")} for at, row in enumerate(bookinfo())]


def test_a_request_without_any_trace_header_is_one_trace_by_its_request_id() -> None:
    spans = made(bookinfo())
    assert shape(spans) == SHAPE
    assert {span["span.trace_id"] for span in spans} == {ID.replace("-", "")}
    assert all(span["span.inferred"] for span in spans)


def test_applications_that_pass_the_header_on_as_it_came_are_one_trace_below_its_caller() -> None:
    """Envoy's tracer is off: the header is the caller's throughout."""
    spans = made(bookinfo(**header()))
    assert shape(spans) == SHAPE | {("client", "gateway"): CALLER}
    assert {span["span.trace_id"] for span in spans} == {TRACE}


def test_with_envoy_s_tracer_on_the_ids_are_envoy_s() -> None:
    rows = traced_by_envoys()
    spans = made(rows)
    assert shape(spans) == SHAPE
    assert {span["span.id"] for span in spans} == {row["trace.span_id"] for row in rows}


def test_what_an_application_s_own_tracer_made_lies_between() -> None:
    """The application's span is somebody else's to tell; ours names it as parent."""
    rows = bookinfo(**header())
    own = "1111111111111111"
    for row in rows:
        if row["source.workload.name"] == "reviews":
            row["trace.span_id"] = own
    assert shape(made(rows))["client", "reviews"] == own


def test_b3_names_the_parent_outright() -> None:
    rows = [
        {**row, **header(f"{at + 1:016x}", **{"trace.parent_id": f"{at + 100:016x}"})}
        for at, row in enumerate(bookinfo())
    ]
    spans = made(rows, config=TracesSettings(envoy_tracer="on"))
    parents = {who(span): span["span.parent_id"] for span in spans}
    assert parents["client", "gateway"] == f"{100:016x}"
    assert shape(spans)["server", "ratings"] == ("client", "reviews")


def test_a_request_id_leads_to_the_trace_of_those_that_have_a_header() -> None:
    """An application that passes on x-request-id, and not traceparent."""
    rows = bookinfo()
    for row in rows[:2]:
        row.update(header())
    spans = made(rows)
    assert {span["span.trace_id"] for span in spans} == {TRACE}
    assert shape(spans) == SHAPE | {("client", "gateway"): CALLER}


def test_a_trace_is_whole_though_its_entries_come_in_any_order_and_clocks_differ() -> None:
    rows = [row for at, hop in enumerate(BOOKINFO) for row in ends(*hop, port=40_000 + at, skew_ms=0)]
    shift = {"productpage": 3000, "details": -2000, "reviews": 500, "ratings": -40, "gateway": 0}
    for row in rows:
        row["request.time"] += shift[row["context.reporter.uid"]] * MS
    assert shape(made(rows[::-1][:3], rows[::-1][3:])) == SHAPE


def test_an_application_that_goes_on_after_its_caller_has_left_is_still_in_the_trace() -> None:
    rows = bookinfo()
    rows[1]["response.duration"] = 15 * MS  # productpage was left before it asked for reviews
    assert shape(made(rows)) == SHAPE


def test_a_retry_is_an_event_and_its_attempts_are_children_of_the_one_call() -> None:
    client, last = ends("web", "api", 0, 100, port=1, **{"request.attempts": 2})
    client["envoy.time_to_first_upstream_tx_byte"] = 60 * MS
    _, failed = ends("web", "api", 1, 10, port=2, **{"response.code": 503})
    last["request.time"] += 60 * MS
    by_start = sorted(made([client, last, failed]), key=lambda span: span["span.start"])
    call, first, second = by_start
    assert first["span.parent_id"] == second["span.parent_id"] == call["span.id"]
    (event,) = call["span.events"]
    assert event["name"] == "retry"
    assert event["attributes"] == [{"key": "http.request.resend_count", "value": "1"}]
    assert (event["time"] - call["span.start"]).total_seconds() == 0.06
    assert first["span.events"] is None


def test_ids_are_the_same_whenever_they_are_worked_out() -> None:
    one, other = made(bookinfo()), made(bookinfo()[::-1])
    assert {span["span.id"] for span in one} == {span["span.id"] for span in other}


def test_a_span_says_what_its_entry_said() -> None:
    client, server = made(ends("web", "api", 0, 10, port=1, **{"response.code": 404, "request.path": "/api/7"}))
    assert (client["span.name"], client["span.kind"], client["span.status"]) == ("GET /api/{id}", "client", "error")
    assert (server["span.name"], server["span.kind"], server["span.status"]) == ("GET /api/{id}", "server", "unset")
    assert client["request.path"] == "/api/7"
    assert (client["span.end"] - client["span.start"]).total_seconds() == 0.01
    assert client["span.events"] is None
    assert client["span.sampled"] is True


@pytest.mark.parametrize("hostile", ["", "x", "\x00" * 36, "é" * 36, "a" * 100_000, "'; DROP TABLE", "g" * 36])
def test_no_header_or_id_that_a_client_sends_makes_an_id_that_is_none(hostile: str) -> None:
    rows = ends("web", "api", 0, 10, port=1, **{"request.id": hostile, "trace.id": hostile, "trace.span_id": hostile})
    for span in made(rows):
        assert bytes.fromhex(span["span.trace_id"]).__len__() == 16
        assert bytes.fromhex(span["span.id"]).__len__() == 8
        assert span["span.parent_id"] is None or len(bytes.fromhex(span["span.parent_id"])) == 8


def test_connections_and_unfinished_requests_are_no_spans() -> None:
    assert not made([{"context.protocol": "tcp", "connection.event": "close"}, {"request.counts": False}])


def sampling(**config: Any) -> TracesSettings:
    return TracesSettings.model_validate({"sampling": config})


def many(count: int) -> list[dict[str, Any]]:
    """Traces of one span, their ids evenly spread."""
    step = (1 << 56) // count
    rows = []
    for at in range(count):
        trace = f"{'a' * 18}{at * step:014x}"
        rows += ends("web", "api", at, 10, port=at, **header(**{"trace.id": trace, "trace.sampled": None}))[:1]
    return rows


def test_the_caller_s_flag_decides() -> None:
    unsampled = bookinfo(**header(**{"trace.sampled": False}))
    assert not made(unsampled)
    assert len(made(unsampled, config=sampling(follow_caller=False))) == len(unsampled)
    sampled = bookinfo(**header())
    assert len(made(sampled, config=sampling(probability=0))) == len(sampled)


def test_chance_keeps_the_share_that_opentelemetry_s_samplers_would_keep() -> None:
    spans = made(many(256), config=sampling(probability=0.25))
    assert len(spans) == 64
    # Consistent: those of the greatest randomness, and who keeps less keeps some of the same.
    assert min(span["span.trace_id"][-14:] for span in spans) == f"{3 << 54:014x}"
    assert {span["span.trace_state"] for span in spans} == {"ot=th:c"}


def test_an_explicit_randomness_in_the_tracestate_decides_instead() -> None:
    rows = ends("web", "api", 0, 10, port=1, **header(**{"trace.sampled": None, "trace.id": "0" * 31 + "1"}))
    assert not made(rows, config=sampling(probability=0.5))
    for row in rows:
        row["trace.state"] = "vendor=1,ot=th:0;rv:ffffffffffffff"
    spans = made(rows, config=sampling(probability=0.5))
    assert {span["span.trace_state"] for span in spans} == {"vendor=1,ot=th:0;rv:ffffffffffffff"}


def test_a_rate_keeps_so_many_traces_a_second() -> None:
    spans = made(many(400), config=sampling(max_traces_per_s=4))
    assert len(spans) == 4 * 5
    assert len(made(many(400), config=sampling(max_traces_per_s=1e6))) == 400


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        ({"errors": True}, {"bad"}),
        ({"slower_than": "1s"}, {"slow"}),
        ({"match": ['request.path == "/vip"']}, {"vip"}),
        ({"errors": True, "slower_than": "1s"}, {"bad", "slow"}),
    ],
)
def test_tail_rules_keep_whole_traces_that_their_head_would_drop(tail: dict[str, Any], kept: set[str]) -> None:
    rows = []
    for at, name in enumerate(("plain", "bad", "slow", "vip")):
        trace = {"trace.id": f"{at + 1:032x}", "trace.sampled": False, "trace.span_id": CALLER, "request.id": f"{name}"}
        some = [row for hop_at, hop in enumerate(BOOKINFO) for row in ends(*hop, port=1000 * at + hop_at, **trace)]
        some[5].update(
            {"bad": {"response.outcome": "server_error"}, "slow": {"response.duration": 2 * SECOND_NS},
             "vip": {"request.path": "/vip"}, "plain": {}}[name]
        )  # fmt: skip
        rows += some
    config = TracesSettings.model_validate({"tail": tail})
    matches = [compile(text, KNOWN).expression for text in config.tail.match]
    spans = made(rows, config=config, matches=matches)
    assert Counter(span["request.id"] for span in spans) == dict.fromkeys(kept, 8)


def test_a_late_span_follows_its_trace() -> None:
    rows = bookinfo(**header(**{"trace.sampled": False}))
    rows[1]["response.outcome"] = "server_error"
    processor = Spans(TracesSettings.model_validate({"tail": {"errors": True}}))
    out = [*processor.process(logentries(*rows[:6])), *processor.flush(NOW_NS + 3 * WINDOW_NS)]
    assert len(spans_of(out)) == 6
    late = [{**row, "context.time": NOW_NS + 3 * WINDOW_NS} for row in rows[6:]]
    out = [*processor.process(logentries(*late)), *processor.flush(NOW_NS + 9 * WINDOW_NS)]
    assert len(spans_of(out)) == 2


def test_traces_wait_for_their_window_and_leave_together() -> None:
    rows = bookinfo()
    processor = Spans(TracesSettings())
    out = [*processor.process(logentries(*rows[:4])), *processor.flush(NOW_NS + WINDOW_NS - 1)]
    assert not spans_of(out)
    out = [*processor.flush(NOW_NS + WINDOW_NS)]
    later = [{**row, "context.time": NOW_NS + WINDOW_NS + SECOND_NS} for row in rows[4:]]
    out += processor.process(logentries(*later, *bookinfo(**{"request.id": "another", "context.time": NOW_NS})))
    assert not spans_of(out)
    whole = spans_of([*processor.flush(NOW_NS + 2 * WINDOW_NS)])
    assert Counter(span["request.id"] for span in whole) == {ID: 8}
    assert processor.waiting == 8
    assert len(spans_of([*processor.flush(END_NS)])) == 8


def test_kept_traces_are_counted_whether_or_not_anything_could_have_spoken_against_them() -> None:
    rows = [*bookinfo(), *bookinfo(**{"request.id": "another"})]
    for sampling in ({}, {"max_traces_per_s": 1000}):
        processor = Spans(TracesSettings.model_validate({"sampling": sampling}))
        out = [*processor.process(logentries(*rows)), *processor.flush(END_NS)]
        assert len(spans_of(out)) == 16
        assert +processor.results == {"head": 2}


def test_with_too_many_waiting_traces_are_judged_before_their_time() -> None:
    processor = Spans(TracesSettings(max_spans=1000))
    out = []
    for at in range(30):
        rows = [{**row, "request.id": f"{at} {row['upstream.local.port']}"} for row in many(300)]
        out += processor.process(logentries(*rows))
        assert processor.waiting <= 1000
    out += processor.flush(END_NS)
    assert len(spans_of(out)) == 9000
    assert processor.results["hurried"] > 0


calls = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 50), st.integers(5, 60), st.integers(0, 2),
              st.booleans(), st.booleans(), st.integers(1, 3)),
    max_size=20,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(calls, st.sampled_from(["auto", "on", "off"]))
def test_every_request_is_one_span_and_nobody_is_its_own_ancestor(what: list[tuple[Any, ...]], tracer: str) -> None:
    rows = []
    for source, destination, start, ms, number, has_header, lost, attempts in what:
        trace = header(f"{number + 1:016x}", **{"trace.id": f"{number + 1:032x}"}) if has_header else {}
        more = {**trace, "request.id": f"{number}", "request.attempts": attempts}
        both = ends(f"w{source}", f"w{destination}", start, ms, port=number, **more)
        rows += both[:1] if lost else both
    spans = made(rows, config=TracesSettings.model_validate({"envoy_tracer": tracer}))
    assert len(spans) == len(rows)
    if tracer == "off":  # with a tracer the ids are those that the headers say, whatever they are
        parents = {span["span.id"]: span["span.parent_id"] for span in spans}
        for one, parent in parents.items():
            seen, at = {one}, parent
            while at in parents:
                assert at not in seen
                seen.add(at)
                at = parents[at]
