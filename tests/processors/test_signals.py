"""Istio's standard metrics: names, labels, values, each request once."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.batch import Batch, Template, fault_of
from telemetry.processors.signals import BOUNDS, Signals
from tests.rows import NOW_NS, SECOND_NS, logentries, metrics

MS = 1_000_000

# Facts: Istio's istio_stats, in docs/metrics.md.
PEER_LABELS = {
    f"{side}_{name}"
    for side in ("source", "destination")
    for name in (
        "workload", "workload_namespace", "principal", "app", "version",
        "canonical_service", "canonical_revision", "cluster",
    )
}  # fmt: skip
TCP_LABELS = PEER_LABELS | {
    "reporter", "destination_service", "destination_service_name", "destination_service_namespace",
    "request_protocol", "response_flags", "connection_security_policy",
}  # fmt: skip
HTTP_LABELS = TCP_LABELS | {"response_code", "grpc_response_status"}
HTTP_METRICS = {
    "istio_requests_total", "istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes",
}  # fmt: skip


def signals() -> Signals:
    return Signals(seed=1, started_ns=NOW_NS - SECOND_NS)


def points(batch: Batch) -> pl.DataFrame:
    frames = [out for out in signals().process(batch) if out.template is Template.METRIC]
    for one in frames:
        assert fault_of(one) is None
    return pl.concat([one.rows for one in frames], how="diagonal_relaxed") if frames else pl.DataFrame()


def of(frame: pl.DataFrame, metric: str) -> pl.DataFrame:
    return frame.filter(pl.col("metric") == metric)


def request(code: int | None = 200, ms: float | None = 12, **more) -> dict:
    return {
        "response.code": code,
        "response.duration": None if ms is None else int(ms * MS),
        "request.total_size": 300,
        "response.total_size": 4000,
        **more,
    }


def connection(event: str, received: int, sent: int, *, opened: bool) -> dict:
    return {
        "context.protocol": "tcp",
        "connection.event": event,
        "connection.opened": opened,
        "connection.received.bytes": received,
        "connection.sent.bytes": sent,
    }


def test_http_entries_make_istios_four_metrics_with_its_25_labels():
    frame = points(logentries(request()))
    assert set(frame["metric"]) == HTTP_METRICS
    assert set(frame["labels"].struct.fields) == HTTP_LABELS
    assert len(HTTP_LABELS) == 25


def test_tcp_entries_make_istios_four_metrics_with_its_23_labels():
    frame = points(logentries(connection("close", 1, 2, opened=True)))
    assert set(frame["labels"].struct.fields) == TCP_LABELS
    assert len(TCP_LABELS) == 23
    values = dict(frame.select("metric", "value").rows())
    assert values == {
        "istio_tcp_connections_opened_total": 1,
        "istio_tcp_connections_closed_total": 1,
        "istio_tcp_received_bytes_total": 1,
        "istio_tcp_sent_bytes_total": 2,
    }


def test_the_original_batch_goes_on_first():
    batch = logentries(request())
    assert next(iter(signals().process(batch))) is batch


def test_entries_that_do_not_count_make_no_metrics():
    assert points(logentries(request(**{"request.counts": False}))).is_empty()


def test_other_templates_pass_untouched():
    batch = metrics(1)
    assert list(signals().process(batch)) == [batch]


@pytest.mark.parametrize(
    ("row", "label", "value"),
    [
        (request(None), "response_code", "0"),
        (request(503), "response_code", "503"),
        (request(), "grpc_response_status", ""),
        (request(**{"response.grpc_status": 14, "context.protocol": "grpc"}), "grpc_response_status", "14"),
        (request(), "source_workload", "unknown"),
        (request(), "source_canonical_revision", "latest"),
        (request(**{"source.app": ""}), "source_app", ""),
        (request(**{"context.reporter.kind": "outbound"}), "reporter", "source"),
        (request(**{"context.reporter.kind": "inbound"}), "reporter", "destination"),
        (request(**{"context.reporter.kind": "waypoint"}), "reporter", "waypoint"),
        (request(**{"context.proxy_error_code": "UF,URX", "response.flags": 6}), "response_flags", "UF,URX"),
    ],
)
def test_label_values_follow_istio(row, label, value):
    labels = points(logentries(row))["labels"]
    assert set(labels.struct.field(label)) == {value}


def test_durations_are_whole_milliseconds_in_envoys_buckets():
    row = of(points(logentries(request(ms=5.9))), "istio_request_duration_milliseconds").row(0, named=True)
    assert (row["value"], row["count"], row["unit"]) == (5.0, 1, "ms")
    assert row["bounds"] == BOUNDS.tolist()
    # 5 ms belongs to the bucket le="5", the third.
    assert [at for at, count in enumerate(row["buckets"]) if count] == [2]


def test_a_request_without_duration_is_counted_but_not_timed():
    frame = points(logentries(request(ms=None), request(ms=7)))
    assert of(frame, "istio_requests_total")["value"].to_list() == [2]
    assert of(frame, "istio_request_duration_milliseconds")["count"].to_list() == [1]


def test_a_sessions_length_is_no_latency_but_the_session_is_counted():
    frame = points(logentries(request(101, ms=3_600_000, **{"latency.excluded": True}), request(101, ms=5)))
    assert of(frame, "istio_requests_total")["value"].to_list() == [2]
    assert of(frame, "istio_request_duration_milliseconds")["count"].to_list() == [1]


def test_a_duration_of_zero_falls_into_the_first_bucket():
    row = of(points(logentries(request(ms=0))), "istio_request_duration_milliseconds").row(0, named=True)
    assert row["buckets"][0] == 1


def test_bytes_are_those_of_the_wire():
    frame = points(logentries(request()))
    assert of(frame, "istio_request_bytes")["value"].to_list() == [300]
    assert of(frame, "istio_response_bytes")["value"].to_list() == [4000]


def test_exemplars_carry_a_trace_where_there_is_one():
    trace = {"trace.id": "a" * 32, "trace.span_id": "b" * 16, "request.time": NOW_NS}
    frame = points(logentries(request(ms=3), request(ms=40, **trace), request(500)))
    by_code = dict(
        of(frame, "istio_request_duration_milliseconds")
        .select(pl.col("labels").struct.field("response_code"), "exemplar")
        .rows()
    )
    assert by_code["200"]["trace_id"] == "a" * 32
    assert by_code["200"]["value"] == 40
    assert by_code["500"] is None


def test_intervals_follow_each_other():
    processor = signals()
    first, second = (
        next(out for out in processor.process(batch) if out.template is Template.METRIC).rows
        for batch in (logentries(request()), logentries(request(**{"context.time": NOW_NS + SECOND_NS})))
    )
    assert first["time"][0] == second["start"][0]
    assert first["start"][0] < first["time"][0]


ENTRY = st.fixed_dictionaries({
    "context.key": st.integers(0, 5),
    "response.code": st.sampled_from([None, 200, 404, 503]),
    "response.flags": st.sampled_from([0, 2, 1 << 27, 1 << 40]),
    "response.grpc_status": st.sampled_from([None, 0, 14]),
    "request.counts": st.booleans(),
    "ms": st.one_of(st.none(), st.integers(0, 4_000_000)),
})  # fmt: skip


@given(st.lists(ENTRY, min_size=1, max_size=60))
def test_no_entry_is_lost_or_counted_twice(entries):
    rows = [
        request(entry["response.code"], entry["ms"], **{name: entry[name] for name in entry if name != "ms"})
        # Who and whom follow from the narrow key, as normalise makes it.
        | {"source.workload.name": f"w{entry['context.key']}", "context.proxy_error_code": str(entry["response.flags"])}
        for entry in entries
    ]
    counted = [row for row in rows if row["request.counts"]]
    frame = points(logentries(*rows))
    if not counted:
        assert frame.is_empty()
        return
    seen = of(frame, "istio_requests_total")
    assert len(seen) == seen["series"].n_unique()
    got = Counter()
    for labels, value in seen.select("labels", "value").rows():
        got[
            labels["source_workload"], labels["response_code"], labels["grpc_response_status"], labels["response_flags"]
        ] = value
    want = Counter(
        (
            row["source.workload.name"],
            str(row["response.code"] or 0),
            "" if row["response.grpc_status"] is None else str(row["response.grpc_status"]),
            row["context.proxy_error_code"],
        )
        for row in counted
    )
    assert got == want
    timed = of(frame, "istio_request_duration_milliseconds")
    assert timed["value"].sum() == sum(
        row["response.duration"] // MS for row in counted if row["response.duration"] is not None
    )
    assert timed["count"].sum() == timed["buckets"].list.sum().sum()
