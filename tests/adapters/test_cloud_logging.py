"""What Cloud Logging is sent for our rows, and what its answers mean."""

import json
from dataclasses import replace
from pathlib import Path

import grpc
import polars as pl
import pytest
import pytest_asyncio
from google.cloud.logging_v2.types import WriteLogEntriesRequest
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from telemetry.adapters.cloud_logging import CloudLogging
from telemetry.batch import Template
from telemetry.cloud_entries.entries import LONGEST_TEXT, Entries
from telemetry.cloud_entries.options import Options
from telemetry.errors import Partial, Rejected, Retry, StartError, TooLarge
from telemetry.testing import batch_of
from tests.adapters.cloud_logging_sink import partial_status, running
from tests.rows import logentries

GOLDEN = Path(__file__).parent / "data" / "cloud_logging_entries.json"
CODE = grpc.StatusCode
LOGS = batch_of(Template.LOGENTRY, 4)


def request(batch, **options):
    encoded = Entries(Options(project="my-project", **options)).encode(batch)
    return WriteLogEntriesRequest.pb().FromString(encoded.body)


def entry(row, **options):
    (one,) = request(logentries(row), **options).entries
    return one


@pytest_asyncio.fixture
async def sink():
    async with running() as sink:
        yield sink


def adapter(sink, **options) -> CloudLogging:
    return CloudLogging(
        CloudLogging.Config(project="my-project", endpoint=f"127.0.0.1:{sink.port}", insecure=True, **options)
    )


async def error_for(sink, batch=LOGS):
    async with adapter(sink) as one:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the test looks at its class
            await one.export(batch)
    return caught.value


def test_entries_are_the_golden_ones() -> None:
    """A small shop's HTTP, gRPC and TCP, failed and not, from both sides; the file is read by people."""
    inbound = batch_of(Template.LOGENTRY, 6)
    outbound = inbound.rows.with_columns(pl.lit("outbound").alias("context.reporter.kind")).head(2)
    options = {"location": "europe-west1", "cluster": "shop", "mesh_uid": "proj-1", "labels": {"env": "prod"}}
    made = {
        "inbound": MessageToDict(request(inbound, **options))["entries"],
        "outbound": MessageToDict(request(replace(inbound, rows=outbound), **options))["entries"],
    }
    assert made == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(
    ("row", "severity"),
    [
        ({"response.code": 200}, 200),
        ({"response.code": 399}, 200),
        ({"response.code": 404}, 500),
        ({"response.code": 200, "context.proxy_error_code": "DC"}, 500),
        ({}, 200),
    ],
)
def test_severity_is_error_for_a_failing_code_or_a_flag_as_istios(row, severity: int) -> None:
    assert entry(row).severity == severity


def test_the_log_is_istios_by_reporter_or_the_configured_one_url_encoded() -> None:
    assert entry({}).log_name == "projects/my-project/logs/server-accesslog-stackdriver"
    outbound = {"context.reporter.kind": "outbound"}
    assert entry(outbound).log_name == "projects/my-project/logs/client-accesslog-stackdriver"
    assert entry({}, log_name="mesh/access log").log_name == "projects/my-project/logs/mesh%2Faccess%20log"


POD = {f"{side}.{name}": value for side in ("source", "destination") for name, value in
       {"uid": f"kubernetes://{side}-1.shop", "name": f"{side}-1", "namespace": "shop"}.items()}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "kind", "labels"),
    [
        (
            POD,
            "k8s_container",
            {"pod_name": "destination-1", "namespace_name": "shop", "container_name": "istio-proxy"},
        ),
        (POD | {"context.reporter.kind": "outbound"}, "k8s_pod", {"pod_name": "source-1", "namespace_name": "shop"}),
        ({"context.reporter.uid": "node-7"}, "generic_node", {"node_id": "node-7"}),
    ],
)
def test_the_monitored_resource_is_the_reporters(row, kind: str, labels: dict[str, str]) -> None:
    resource = entry(row, location="europe-west1").resource
    assert resource.type == kind
    assert dict(resource.labels) == labels | {"project_id": "my-project", "location": "europe-west1"}


def test_an_operators_label_takes_the_place_of_ours() -> None:
    assert entry({"request.id": "r"}, labels={"request_id": "mine", "env": "prod"}).labels == {
        "request_id": "mine", "env": "prod", "response_flag": "-", "protocol": "http",
        "service_authentication_policy": "NONE",
    }  # fmt: skip


@pytest.mark.parametrize("bad", [None, "", "0" * 32, "xyz", "g" * 32])
def test_a_trace_id_that_is_none_leaves_the_trace_out(bad) -> None:
    one = entry({"trace.id": bad, "trace.span_id": "b7ad6b7169203331", "trace.sampled": True})
    assert (one.trace, one.span_id, one.trace_sampled) == ("", "", False)


def test_a_sampled_trace_is_named_as_cloud_trace_does() -> None:
    one = entry(
        {"trace.id": "0af7651916cd43dd8448eb211c80319c", "trace.span_id": "b7ad6b7169203331", "trace.sampled": True}
    )
    assert one.trace == "projects/my-project/traces/0af7651916cd43dd8448eb211c80319c"
    assert (one.span_id, one.trace_sampled) == ("b7ad6b7169203331", True)


def test_an_event_is_its_sentence() -> None:
    one = entry({"context.protocol": None, "event.name": "edge_appeared", "event.message": "web calls cart"})
    assert (one.text_payload, one.labels["event_name"], one.HasField("http_request")) == (
        "web calls cart", "edge_appeared", False,
    )  # fmt: skip


@given(
    st.integers(0, 2**63 - 1), st.integers(0, 2**64 - 1), st.one_of(st.none(), st.integers(100, 599)),
    st.one_of(st.none(), st.integers(0, 10**18)), st.integers(0, 4 * 10**18),
)  # fmt: skip
def test_numbers_arrive_as_they_are(
    size: int, response: int, code: int | None, took_ns: int | None, at_ns: int
) -> None:
    """Whatever their width; a number beyond an int64 becomes the largest one."""
    one = entry(
        {
            "request.total_size": size, "response.total_size": response, "response.code": code,
            "response.duration": took_ns, "request.time": at_ns,
        }
    )  # fmt: skip
    http = one.http_request
    assert (http.request_size, http.response_size, http.status) == (size, min(response, 2**63 - 1), code or 0)
    assert http.HasField("latency") is (took_ns is not None)
    assert http.latency.ToNanoseconds() == (took_ns or 0)
    assert one.timestamp.ToNanoseconds() == at_ns


def test_ids_are_the_same_whenever_a_row_comes_again_and_rise_within_a_batch() -> None:
    batch = batch_of(Template.LOGENTRY, 300)
    ids = [one.insert_id for one in request(batch).entries]
    assert sorted(set(ids)) == ids
    assert [one.insert_id for one in request(batch.slice(280, 20)).entries] == ids[280:]
    assert max(map(len, ids)) <= 512


def test_a_long_text_is_cut_and_the_entry_says_so() -> None:
    long, short = request(logentries({"request.path": "é" * 20_000}, {"request.path": "/"})).entries
    assert long.http_request.request_url == "é" * LONGEST_TEXT
    assert (long.labels["truncated"], "truncated" in short.labels) == ("true", False)
    shared = entry({"source.workload.name": "x" * 20_000})
    assert (len(shared.labels["source_workload"]), shared.labels["truncated"]) == (LONGEST_TEXT, "true")


async def test_an_entry_beyond_googles_limit_is_refused_and_the_others_are_written(sink) -> None:
    """Cut to 16,384 characters each, texts of four bytes a character still add up to more."""
    huge = dict.fromkeys(("request.id", "request.path", "request.useragent", "request.referer"), "🦊" * 16384)
    error = await error_for(sink, logentries({"request.id": "a"}, huge, {"request.id": "b"}))
    assert isinstance(error, Partial)
    assert (list(error.rejected), error.retry) == ([1], ())
    assert "256000" in error.rejected[1]
    assert await sink.taken() == ["a", "b"]


async def test_a_request_of_more_than_ten_megabytes_is_to_be_split(sink) -> None:
    rows = logentries(*({"request.path": f"{at}" + "x" * 16_000} for at in range(700)))
    assert isinstance(await error_for(sink, rows), TooLarge)
    assert sink.requests == []


async def test_each_entry_that_was_not_written_is_named_with_its_reason(sink) -> None:
    errors = {1: Status(code=3, message="timestamp too old"), 3: Status(code=14, message="try later")}
    sink.answer = (CODE.INVALID_ARGUMENT, "2 entries", partial_status(errors))
    error = await error_for(sink)
    assert isinstance(error, Partial)
    assert error.retry == (3,)
    assert error.rejected == {1: "timestamp too old (code 3)"}


async def test_the_answers_positions_are_translated_to_the_batchs(sink) -> None:
    """One row was too large to be sent: what the API calls its second entry is our third."""
    huge = dict.fromkeys(("request.id", "request.path", "request.useragent", "request.referer"), "🦊" * 16384)
    sink.answer = (CODE.INVALID_ARGUMENT, "one", partial_status({1: Status(code=3, message="bad")}))
    error = await error_for(sink, logentries({}, huge, {}))
    assert set(error.rejected) == {1, 2}


async def test_entries_that_were_not_sent_cannot_have_failed(sink) -> None:
    sink.answer = (CODE.INVALID_ARGUMENT, "nonsense", partial_status({77: Status(code=3)}))
    assert isinstance(await error_for(sink), Rejected)


def quota(seconds: int) -> Status:
    status = Status()
    status.details.add().Pack(RetryInfo(retry_delay={"seconds": seconds}))
    return status


@pytest.mark.parametrize(
    ("code", "details", "status", "kind", "says", "after_s"),
    [
        (CODE.RESOURCE_EXHAUSTED, "Quota exceeded for write requests", quota(42), Retry, "quota", 42.0),
        (CODE.RESOURCE_EXHAUSTED, "Quota exceeded", None, Retry, "quota", 5.0),
        (CODE.RESOURCE_EXHAUSTED, "Received message larger than max", None, TooLarge, "less at a time", None),
        (CODE.PERMISSION_DENIED, "denied", None, Retry, "roles/logging.logWriter", None),
        (CODE.UNAUTHENTICATED, "no", None, Retry, "credentials", None),
        (CODE.NOT_FOUND, "no project", None, Retry, "option project", None),
        (CODE.UNIMPLEMENTED, "no", None, Retry, "option endpoint", None),
        (CODE.INTERNAL, "oops", None, Retry, "INTERNAL", None),
        (CODE.INVALID_ARGUMENT, "bad \x1b[31m", None, Rejected, "malformed", None),
    ],
)  # fmt: skip
async def test_an_answer_means(sink, code, details, status, kind, says, after_s) -> None:
    sink.answer = (code, details, status)
    error = await error_for(sink)
    assert type(error) is kind
    assert says in str(error)
    assert "\x1b" not in str(error)
    assert getattr(error, "after_s", None) == after_s


async def test_what_is_no_answer_is_retried(sink) -> None:
    sink.reply = b"\xff\xff\xff"
    assert isinstance(await error_for(sink), Retry)


async def test_partial_success_is_asked_for_and_the_client_is_googles(sink) -> None:
    async with adapter(sink) as one:
        await one.export(LOGS)
    assert sink.requests[0].partial_success
    assert "gapic/" in sink.metadata[0]["x-goog-api-client"]


@pytest.mark.parametrize("text", ["", "hunter2", "{}", '{"type": "service_account"}', "[]", "1"])
def test_a_key_that_is_none_stops_the_start_and_is_not_shown(text: str) -> None:
    with pytest.raises(StartError) as caught:
        CloudLogging(CloudLogging.Config(project="my-project", service_account=SecretStr(text)))
    assert "hunter2" not in str(caught.value)


async def test_without_credentials_it_starts_and_says_what_is_missing(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    async with CloudLogging(CloudLogging.Config(project="my-project")) as one:
        with pytest.raises(Retry, match=r"no usable credentials.*none\.json"):
            await one.export(LOGS)


@pytest.mark.parametrize(
    "wrong", [{"project": "a/b"}, {"project": ""}, {"endpoint": "http://x"}, {"labels": {"": "x"}}]
)
def test_an_option_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        CloudLogging.Config.model_validate({"project": "my-project"} | wrong)
