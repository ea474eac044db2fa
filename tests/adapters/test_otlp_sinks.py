"""Ways to a sink of OTLP: variables, options, TLS, and what each answer means."""

import asyncio
import ssl
from pathlib import Path

import grpc
import pytest
import structlog
from aiohttp import web
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from pydantic import SecretStr, ValidationError

from telemetry.adapters.otlp import Otlp
from telemetry.batch import Template
from telemetry.errors import Rejected, Retry, StartError, TooLarge
from telemetry.opentelemetry.target import target, temporality
from telemetry.testing import batch_of
from tests.adapters.otlp_sinks import GrpcSink, HttpSink, OtlpSink, running
from tests.authority import Authority

CODE = grpc.StatusCode
LOGS = batch_of(Template.LOGENTRY, 4)


def otlp(sink: OtlpSink, **options) -> Otlp:
    protocol = "grpc" if isinstance(sink, GrpcSink) else "http/protobuf"
    return Otlp(Otlp.Config(endpoint=f"http://127.0.0.1:{sink.port}", protocol=protocol, **options), environment={})


def to(signal: str = "logs", config: Otlp.Config | None = None, **variables: str):
    environment = {f"OTEL_EXPORTER_OTLP_{name}": text for name, text in variables.items()}
    return target(config or Otlp.Config(), signal, environment)


def test_without_a_word_it_goes_to_the_collector_on_this_machine() -> None:
    ours = to()
    assert (ours.protocol, ours.address, ours.secure, ours.timeout_s, ours.gzip) == (
        "grpc",
        "localhost:4317",
        False,
        10,
        False,
    )
    assert to(PROTOCOL="http/protobuf").address == "http://localhost:4318/v1/logs"


def test_a_signals_variable_goes_before_the_general_one_and_an_option_before_both() -> None:
    both = {"ENDPOINT": "http://all:4318/otlp/", "LOGS_ENDPOINT": "http://logs:9/in", "PROTOCOL": "http/protobuf"}
    assert to("logs", **both).address == "http://logs:9/in"
    assert to("traces", **both).address == "http://all:4318/otlp/v1/traces"
    assert to("logs", Otlp.Config(endpoint="https://mine"), **both).address == "https://mine/v1/logs"
    assert to("metrics", TIMEOUT="250", METRICS_TIMEOUT="1500", METRICS_COMPRESSION="gzip").timeout_s == 1.5
    assert to("metrics", METRICS_COMPRESSION="gzip").gzip
    assert not to("logs", METRICS_COMPRESSION="gzip").gzip


@pytest.mark.parametrize(
    ("endpoint", "insecure", "address", "secure"),
    [
        ("https://otlp.example.com", "", "otlp.example.com:4317", True),
        ("http://[::1]:5", "", "[::1]:5", False),
        ("collector:4317", "true", "collector:4317", False),
        ("collector:4317", "", "collector:4317", True),
    ],
)
def test_the_scheme_says_whether_there_is_tls(endpoint: str, insecure: str, address: str, secure: bool) -> None:
    ours = to(ENDPOINT=endpoint, INSECURE=insecure)
    assert (ours.address, ours.secure) == (address, secure)


def test_headers_of_variables_are_decoded_and_those_of_options_win() -> None:
    config = Otlp.Config(headers={"Authorization": SecretStr("Bearer mine")})
    ours = to("logs", config, HEADERS="authorization=Basic%20dGhlaXJz, x-tenant = a%2Cb")
    assert dict(ours.headers) == {"authorization": "Bearer mine", "x-tenant": "a,b"}
    assert "Bearer" not in repr(ours)


@pytest.mark.parametrize(
    "variables",
    [
        {"ENDPOINT": "ftp://x"},
        {"ENDPOINT": "http://host:hunter2"},
        {"ENDPOINT": "http://[::1"},
        {"ENDPOINT": "http://host:99999"},
        {"ENDPOINT": "http://user:hunter2@host"},
        {"PROTOCOL": "http/json"},
        {"COMPRESSION": "zstd"},
        {"TIMEOUT": "soon"},
        {"HEADERS": "hunter2"},
        {"HEADERS": "a=hunter2%0Ab: c"},
        {"CLIENT_KEY": "/tmp/hunter2"},
    ],
)
def test_a_variable_that_can_not_be_stops_the_start_and_shows_no_secret(variables: dict[str, str]) -> None:
    environment = {f"OTEL_EXPORTER_OTLP_{name}": text for name, text in variables.items()}
    with pytest.raises(StartError) as raised:
        Otlp(Otlp.Config(), environment=environment)
    assert "hunter2" not in str(raised.value)


def test_temporality_is_delta_unless_said_otherwise() -> None:
    name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    assert temporality(Otlp.Config(), {}) == "delta"
    assert temporality(Otlp.Config(), {name: "Cumulative"}) == "cumulative"
    assert temporality(Otlp.Config(), {name: "lowmemory"}) == "delta"
    assert temporality(Otlp.Config(temporality="delta"), {name: "cumulative"}) == "delta"


def test_attributes_must_be_in_the_vocabulary() -> None:
    with pytest.raises(ValidationError, match="no attribute is called source\\.wrokload"):
        Otlp.Config(attributes=("source.wrokload",))


def retry_info(seconds: int) -> tuple[tuple[str, bytes], ...]:
    info = Any()
    info.Pack(RetryInfo(retry_delay=Duration(seconds=seconds)))
    return (("grpc-status-details-bin", Status(details=[info]).SerializeToString()),)


@pytest.mark.parametrize(
    ("code", "details", "trailers", "error", "after_s"),
    [
        *((code, "no", (), Retry, None) for code in (
            CODE.CANCELLED, CODE.DEADLINE_EXCEEDED, CODE.ABORTED, CODE.OUT_OF_RANGE, CODE.UNAVAILABLE, CODE.DATA_LOSS,
            CODE.UNKNOWN, CODE.INTERNAL, CODE.NOT_FOUND, CODE.RESOURCE_EXHAUSTED,
        )),
        (CODE.UNAVAILABLE, "no", retry_info(9), Retry, 9),
        (CODE.RESOURCE_EXHAUSTED, "quota", retry_info(3), Retry, 3),
        (CODE.RESOURCE_EXHAUSTED, "quota", (("grpc-status-details-bin", b"\xff\xff"),), Retry, None),
        (CODE.RESOURCE_EXHAUSTED, "grpc: received message larger than max (9 vs. 8)", (), TooLarge, None),
        (CODE.UNAUTHENTICATED, "who?", (), Retry, None),
        (CODE.PERMISSION_DENIED, "no", (), Retry, None),
        (CODE.INVALID_ARGUMENT, "bad", (), Rejected, None),
        (CODE.ALREADY_EXISTS, "have it", (), Rejected, None),
        # As gRPC says it when an ingress answers 404.
        (CODE.UNIMPLEMENTED, "Received http2 header with status: 404", (), Retry, None),
        (CODE.UNIMPLEMENTED, "unknown service", (), Retry, None),
        (CODE.FAILED_PRECONDITION, "billing is off", (), Retry, None),
    ],
)  # fmt: skip
async def test_what_a_grpc_answer_means(code, details, trailers, error, after_s) -> None:
    async with running(GrpcSink(answer=(code, details, trailers))) as sink, otlp(sink) as adapter:
        with pytest.raises(error, match=code.name) as raised:
            await adapter.export(LOGS)
        assert type(raised.value) is error
        assert getattr(raised.value, "after_s", None) == after_s


@pytest.mark.parametrize(
    ("status", "headers", "error", "after_s"),
    [
        (429, {"Retry-After": "7"}, Retry, 7),
        (502, {}, Retry, None),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, Retry, 0),
        (503, {"Retry-After": "99999999"}, Retry, 3600),
        (504, {"Retry-After": "soon"}, Retry, None),
        (500, {}, Retry, None),
        (401, {}, Retry, None),
        (403, {}, Retry, None),
        (404, {}, Retry, None),
        (307, {"Location": "http://elsewhere"}, Retry, None),
        (400, {}, Rejected, None),
        (413, {}, TooLarge, None),
    ],
)
async def test_what_an_http_answer_means(status, headers, error, after_s) -> None:
    body = Status(message="because\x1b[31m " + "x" * 9999).SerializeToString()
    answer = web.Response(status=status, headers=headers, body=body)
    async with running(HttpSink(answer=answer)) as sink, otlp(sink) as adapter:
        with pytest.raises(error, match=rf"HTTP {status}: because\\x1b\[31m") as raised:
            await adapter.export(LOGS)
        assert type(raised.value) is error
        assert getattr(raised.value, "after_s", None) == after_s
        assert len(str(raised.value)) < 600


async def test_a_partial_success_is_counted_and_logged_and_not_retried() -> None:
    reply = ExportLogsServiceResponse()
    reply.partial_success.rejected_log_records = 3
    reply.partial_success.error_message = "too old"
    async with running(GrpcSink(reply=reply.SerializeToString())) as sink, otlp(sink) as adapter:
        with structlog.testing.capture_logs() as logged:
            await adapter.export(LOGS)
        assert [(one["refused"], one["why"]) for one in logged] == [(3, "too old")]
        counts = [(count.name, count.labels, count.value) for count in adapter.counts()]
    labels = {"endpoint": f"127.0.0.1:{sink.port}", "signal": "logs"}
    assert counts == [("telemetry_otlp_refused_records_total", labels, 3)]


async def test_a_request_of_which_everything_was_refused_is_rejected() -> None:
    reply = ExportLogsServiceResponse()
    reply.partial_success.rejected_log_records = 4
    async with running(HttpSink(reply=reply.SerializeToString())) as sink, otlp(sink) as adapter:
        with pytest.raises(Rejected, match="refused all 4"):
            await adapter.export(LOGS)


@pytest.mark.parametrize("kind", [GrpcSink, HttpSink])
async def test_headers_and_compression_reach_the_sink(kind: type[OtlpSink]) -> None:
    async with running(kind()) as sink:
        config = {"compression": "gzip", "headers": {"x-tenant": SecretStr("blue")}}
        async with otlp(sink, **config) as adapter:
            await adapter.export(LOGS)
        (headers,) = ({name.lower(): text for name, text in one.items()} for one in sink.headers)
        assert headers["x-tenant"] == "blue"
        assert "mesh-telemetry" in headers["user-agent"]
        assert sorted(await sink.taken()) == ["1-0", "1-1", "1-2", "1-3"]
        if kind is HttpSink:
            assert (headers["content-encoding"], headers[":path"]) == ("gzip", "/v1/logs")
            assert headers["content-type"] == "application/x-protobuf"


def credentials(authority: Authority, name: str) -> grpc.ServerCredentials:
    pair = [(authority.read(f"{name}.key"), authority.read(f"{name}.pem"))]
    return grpc.ssl_server_credentials(pair, authority.read("ca.pem"), require_client_auth=True)


def context(authority: Authority, name: str) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.folder / "ca.pem")
    made.load_cert_chain(authority.folder / f"{name}.pem", authority.folder / f"{name}.key")
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def mutual(sink: OtlpSink, folder: Path) -> Otlp:
    protocol = "grpc" if isinstance(sink, GrpcSink) else "http/protobuf"
    config = Otlp.Config(
        endpoint=f"https://localhost:{sink.port}",
        protocol=protocol,
        certificate=folder / "ca.pem",
        client_certificate=folder / "client.pem",
        client_key=folder / "client.key",
    )
    return Otlp(config, environment={})


@pytest.mark.parametrize("kind", [GrpcSink, HttpSink])
async def test_certificates_are_taken_up_anew_when_the_files_change(kind: type[OtlpSink], tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        authority = Authority(folder)
        for name in ("server", "client"):
            authority.issue(name)
    ours = tmp_path / "ours"
    ours.mkdir()

    def install(folder: Path) -> None:
        for name in ("ca.pem", "client.pem", "client.key"):
            (ours / name).write_bytes((folder / name).read_bytes())

    def secure(sink: OtlpSink, folder: Path) -> None:
        authority = _Files(folder)
        if isinstance(sink, GrpcSink):
            sink.credentials = credentials(authority, "server")
        else:
            sink.ssl = context(authority, "server")

    sink = kind()
    secure(sink, old)
    install(old)
    async with running(sink), mutual(sink, ours) as adapter:
        await adapter.export(LOGS)
        await sink.stop()
        secure(sink, new)
        await sink.start()
        with pytest.raises(Retry):
            await adapter.export(LOGS)
        (ours / "client.key").write_bytes(b"half of a k")
        with structlog.testing.capture_logs() as logged, pytest.raises(Retry):
            await adapter.export(LOGS)
        assert "can't be used" in logged[0]["event"]
        install(new)
        await adapter.export(LOGS)
        assert len(sink.requests) == 2


class _Files:
    """An authority's files, read only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_certificate_that_is_none_stops_the_start(protocol: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    config = Otlp.Config(endpoint="https://localhost:1", protocol=protocol, certificate=tmp_path / "ca.pem")
    with pytest.raises(StartError, match=r"ca\.pem can't be used"):
        async with Otlp(config, environment={}):
            pytest.fail("it has started")


async def test_of_an_answer_no_more_than_64_kib_are_read() -> None:
    read = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                read += 65536
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        config = Otlp.Config(endpoint=f"http://127.0.0.1:{port}", protocol="http/protobuf")
        async with Otlp(config, environment={}) as adapter:
            with pytest.raises(Retry, match="no OTLP sink: more than 65536 bytes"):
                await adapter.export(LOGS)
    assert read < 20_000_000
