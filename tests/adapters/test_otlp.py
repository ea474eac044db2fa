"""What a sink of OTLP is sent for our rows."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from telemetry.adapters.otlp import Otlp
from telemetry.batch import Batch, Template
from telemetry.errors import Partial, TooLarge
from telemetry.opentelemetry.conventions import ATTRIBUTES, RESOURCE
from telemetry.opentelemetry.keyvalues import KeyValues
from telemetry.opentelemetry.logs import Logs
from telemetry.opentelemetry.requests import Resources
from telemetry.opentelemetry.spans import Spans
from telemetry.testing import batch_of
from tests.adapters.otlp_sinks import GrpcSink, attributes, records, running, value
from tests.rows import NOW_NS, logentries

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def logged(*rows):
    """The records of these entries."""
    request = Logs(Resources({})).encode(logentries(*rows))
    return [record for *_, record in records(ExportLogsServiceRequest.FromString(request))]


def spans(batch: Batch):
    return ExportTraceServiceRequest.FromString(Spans(Resources({})).encode(batch))


def conventional(batch: Batch, expressions) -> list[dict]:
    shown = batch.rows.select(**expressions).to_dicts()
    return [{name: value for name, value in row.items() if value is not None} for row in shown]


def test_a_log_record_has_times_severity_body_event_and_trace() -> None:
    (record,) = logged(
        {
            "request.time": NOW_NS - 5,
            "request.method": "GET",
            "request.path": "/cart?id=7",
            "response.code": 503,
            "context.proxy_error_code": "UF",
            "response.outcome": "server_error",
            "trace.id": TRACE,
            "trace.span_id": SPAN,
        }
    )
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (NOW_NS - 5, NOW_NS)
    assert (record.severity_number, record.severity_text) == (17, "ERROR")
    assert value(record.body) == "GET /cart?id=7 503 UF"
    assert record.event_name == "envoy.access_log"
    assert (record.trace_id.hex(), record.span_id.hex()) == (TRACE, SPAN)


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [("success", "INFO"), ("client_error", "WARN"), ("server_error", "ERROR"), ("none", "INFO"), (None, "INFO")],
)
def test_severity_follows_the_outcome(outcome: str | None, severity: str) -> None:
    assert logged({"response.outcome": outcome})[0].severity_text == severity


@pytest.mark.parametrize("bad", [None, "", "0" * 32, "xyz", TRACE[:-1], TRACE + "0", "g" * 32])
def test_an_id_that_is_none_is_left_out_of_a_log_record(bad: str | None) -> None:
    (record,) = logged({"trace.id": bad, "trace.span_id": SPAN})
    assert (record.trace_id, record.span_id.hex()) == (b"", SPAN)


def test_attributes_and_resources_are_those_of_the_conventions() -> None:
    batch = batch_of(Template.LOGENTRY, 12)
    request = ExportLogsServiceRequest.FromString(Logs(Resources({}), ()).encode(batch))
    found = {
        attributes(record)["telemetry.row"]: (attributes(record), attributes(who))
        for who, _, record in records(request)
    }
    for row, (own, who) in enumerate(zip(conventional(batch, ATTRIBUTES), conventional(batch, RESOURCE), strict=True)):
        assert found[row] == (own | {"telemetry.row": row}, who)


def test_there_is_one_resource_for_each_workload_whatever_the_number_of_rows() -> None:
    batch = batch_of(Template.LOGENTRY, 600)
    request = ExportLogsServiceRequest.FromString(Logs(Resources({})).encode(batch))
    workloads = {tuple(row.items()) for row in conventional(batch, RESOURCE)}
    assert len(request.resource_logs) == len(workloads) < 10


def test_what_the_operator_says_of_all_workloads_gives_way_to_what_a_workload_says() -> None:
    common = {"deployment.environment.name": "prod", "k8s.namespace.name": "none"}
    batch = batch_of(Template.LOGENTRY, 1)
    (outer,) = ExportLogsServiceRequest.FromString(Logs(Resources(common)).encode(batch)).resource_logs
    own = attributes(outer.resource)
    assert (own["deployment.environment.name"], own["k8s.namespace.name"]) == ("prod", "shop")


def test_a_record_names_receiver_epoch_sequence_and_row() -> None:
    batch = batch_of(Template.LOGENTRY, 6, sequence=42).slice(3, 2)
    request = ExportLogsServiceRequest.FromString(Logs(Resources({})).encode(batch))
    names = {
        (*attributes(scope).values(), attributes(record)["telemetry.row"]) for _, scope, record in records(request)
    }
    assert names == {(batch.receiver, batch.epoch, 42, row) for row in (3, 4)}


def test_durations_are_sent_in_seconds_and_maps_as_maps() -> None:
    headers = [{"key": "a", "value": "1"}, {"key": "b", "value": ""}]
    batch = logentries({"response.duration": 1_500_000_000, "request.headers": headers})
    chosen = ("response.duration", "request.headers")
    request = ExportLogsServiceRequest.FromString(Logs(Resources({}), chosen).encode(batch))
    ((_, _, record),) = records(request)
    assert attributes(record)["response.duration"] == 1.5
    assert attributes(record)["request.headers"] == {"a": "1", "b": ""}


def test_a_span_has_ids_kind_times_status_events_and_flags() -> None:
    moment = pl.Series([NOW_NS]).cast(pl.Datetime("ns", "UTC"))[0]
    event = {"time": moment, "name": "retry", "attributes": [{"key": "attempt", "value": "2"}]}
    batch = batch_of(Template.TRACESPAN, 2)
    rows = batch.rows.with_columns(
        pl.Series(
            "span.events",
            [[event, {**event, "name": "again", "attributes": []}], None],
            batch.rows.schema["span.events"],
        ),
        pl.Series("span.parent_id", [None, SPAN]),
        pl.Series("span.status", ["error", "unset"], batch.rows.schema["span.status"]),
        pl.Series("span.status_message", ["UF", None]),
        pl.Series("span.sampled", [True, None]),
    )
    first, second = sorted(
        (span for *_, span in records(spans(replace(batch, rows=rows)))),
        key=lambda span: attributes(span)["telemetry.row"],
    )
    assert first.trace_id.hex() == rows["span.trace_id"][0]
    assert first.span_id.hex() == rows["span.id"][0]
    assert (first.parent_span_id, second.parent_span_id.hex()) == (b"", SPAN)
    assert (first.kind, second.kind) == (2, 3)
    assert first.start_time_unix_nano == rows["span.start"].to_physical()[0]
    assert first.end_time_unix_nano == rows["span.end"].to_physical()[0]
    assert (first.status.code, first.status.message, second.status.code) == (2, "UF", 0)
    assert [(one.name, one.time_unix_nano, attributes(one)) for one in first.events] == [
        ("retry", NOW_NS, {"attempt": "2"}),
        ("again", NOW_NS, {}),
    ]
    assert (len(second.events), first.flags, second.flags) == (0, 1, 0)


async def test_spans_without_valid_ids_are_named_and_the_others_sent() -> None:
    batch = batch_of(Template.TRACESPAN, 4)
    ids = batch.rows["span.trace_id"].to_list()
    broken = batch.rows.with_columns(pl.Series("span.trace_id", [ids[0], None, "0" * 32, ids[3]]))
    async with running(GrpcSink()) as sink, Otlp(Otlp.Config(endpoint=f"http://127.0.0.1:{sink.port}")) as adapter:
        with pytest.raises(Partial) as raised:
            await adapter.export(replace(batch, rows=broken))
        assert sorted(raised.value.rejected) == [1, 2]
        assert sorted(await sink.taken()) == ["1-0", "1-3"]


async def test_a_request_is_never_larger_than_max_request_bytes() -> None:
    batch = batch_of(Template.LOGENTRY, 500)
    async with running(GrpcSink()) as sink:
        config = Otlp.Config(endpoint=f"http://127.0.0.1:{sink.port}", max_request_bytes=64 * 1024)
        async with Otlp(config, environment={}) as adapter:
            with pytest.raises(TooLarge, match="max_request_bytes=65536"):
                await adapter.export(batch)
        assert not sink.requests


@given(
    st.lists(
        st.one_of(st.none(), st.text(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)),
        min_size=1,
    ),
    st.text(min_size=1),
)
def test_key_values_are_read_back_as_they_were(values: list, name: str) -> None:
    for kind, dtype in ((str, pl.String), (bool, pl.Boolean), (int, pl.Int64), (float, pl.Float64)):
        column = pl.Series(name, [one if type(one) is kind else None for one in values], dtype=dtype)
        if column.null_count() == len(column):
            continue
        (pieces,) = KeyValues(2).columns(column.to_frame())
        read = [KeyValue.FromString(piece[_head(piece) :]) if piece else None for piece in pieces]
        assert [one and value(one.value) for one in read] == column.to_list()
        assert {one.key for one in read if one} == {name}


def _head(piece: bytes) -> int:
    """Tag, and the length's bytes."""
    end = 1
    while piece[end] & 0x80:
        end += 1
    return end + 1
