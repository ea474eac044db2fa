"""An adapter's program: a server of the real telemetry.adapter.v1.Adapter, with health, that does as it is told."""

import io
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import orjson
import polars as pl
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from telemetry.adapter_protocol.messages import SERVICE, number, of
from telemetry.batch import Batch, Template
from telemetry.kafka_records.protobuf import message_class
from telemetry.testing import Behaviour, marks
from tests.adapters.behaving import InThreads


@dataclass
class Program(InThreads):
    """Keeps the batches it took."""

    encodings: tuple[str, ...] = ("arrow",)
    templates: tuple[Template, ...] = tuple(Template)
    versions: tuple[int, ...] = (1,)
    limits: dict[str, int] = field(default_factory=lambda: {"max_message_bytes": 32 << 20})
    faults: list[tuple[str, str]] = field(default_factory=list)
    credentials: grpc.ServerCredentials | None = None
    with_health: bool = True
    behaviour: Behaviour = Behaviour.WORK
    port: int = 0
    batches: list = field(default_factory=list)
    openings: list = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    calls: Counter = field(default_factory=Counter)
    result: dict | None = None
    """What to answer instead, for tests of one answer."""

    def start(self) -> None:
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 40 << 20)]
        self.server = grpc.server(ThreadPoolExecutor(16), options=options)
        methods = {
            name: grpc.unary_unary_rpc_method_handler(method, request_deserializer=of(f"{name}Request").FromString)
            for name, method in (("Describe", self.describe), ("Validate", self.validate))
        }
        export = grpc.stream_stream_rpc_method_handler(self.export, request_deserializer=of("ExportRequest").FromString)
        self.server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, {**methods, "Export": export})]
        )
        if self.with_health:
            self.health = health.HealthServicer()
            self.health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
            health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        address = f"127.0.0.1:{self.port}"
        add = self.server.add_insecure_port
        self.port = self.server.add_secure_port(address, self.credentials) if self.credentials else add(address)
        self.server.start()

    def describe(self, request, context) -> bytes:
        self.calls["Describe"] += 1
        return (
            of("DescribeResponse")(
                name="test", version="1.0", protocol_versions=self.versions, limits=self.limits,
                templates=[number("Template", one.name) for one in self.templates],
                encodings=[number("Encoding", one.upper()) for one in self.encodings],
            ).SerializeToString()
        )  # fmt: skip

    def validate(self, request, context) -> bytes:
        self.told.append(request.options_json)
        faults = [{"path": path, "message": message} for path, message in self.faults]
        return of("ValidateResponse")(faults=faults).SerializeToString()

    def export(self, requests, context) -> Iterator[bytes]:
        opening = next(requests).opening
        self.openings.append(opening)
        for request in requests:
            result = self.take(request.batch, opening, context)
            yield (
                result
                if isinstance(result, bytes)
                else of("ExportResponse")(id=request.batch.id, **result).SerializeToString()
            )

    def take(self, batch, opening, context) -> dict | bytes:
        behaviour, let_go = self.behaviour, self.let_go
        if self.result is not None:
            return self.result
        if behaviour is Behaviour.BUSY:
            return {"retry": {"message": "try later"}}
        if behaviour is Behaviour.REJECT:
            return {"rejected": {"message": "no"}}
        if behaviour is Behaviour.NONSENSE:
            return b"\xff" * 100
        if behaviour is Behaviour.HANG:
            let_go.wait(20)
        if behaviour is Behaviour.SLOW:
            let_go.wait(0.3)
        got = decoded(batch, opening.encoding)
        if behaviour is Behaviour.PARTIAL:
            rows = len(got.row_numbers)
            self.batches.append(got.take(pl.Series(range(0, rows, 2), dtype=pl.UInt32)))
            never = dict.fromkeys(range(1, rows, 4), "never")
            return {"partial": {"message": "some", "rejected": never, "retry_positions": range(3, rows, 4)}}
        self.batches.append(got)
        if behaviour is Behaviour.FORGET:
            context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
        return {"ok": {}}

    async def taken(self) -> list[str]:
        return [mark for batch in self.batches for mark in marks(batch)]

    async def identities(self) -> list[Hashable]:
        return [
            (batch.template, batch.receiver, batch.epoch, batch.sequence, row)
            for batch in self.batches
            for row in batch.row_numbers.to_list()
        ]


def decoded(message, encoding: int) -> Batch:
    """What a program makes of a batch: by Arrow the very frame; by the others what marks need."""
    [template] = [one for one in Template if number("Template", one.name) == message.template]
    read = {number("Encoding", name.upper()): reader for name, reader in READERS.items()}[encoding]
    rows, numbers = read(message.rows, template)
    given = list(message.row_numbers)
    assert numbers is None or list(numbers) == given
    kept = pl.Series(given, dtype=pl.UInt32)
    return Batch(template, rows, message.receiver, message.epoch, message.sequence, kept)


def arrow(rows: bytes, template: Template):
    return pl.read_ipc_stream(io.BytesIO(rows)), None


def json_lines(rows: bytes, template: Template):
    lines = [orjson.loads(line) for line in rows.splitlines()]
    numbers = [line["row"] for line in lines]
    mark = {Template.METRIC: "labels", Template.EDGE: "source.workload.name"}.get(template, "request.id")
    values = [line.get(mark) for line in lines]
    return pl.DataFrame({mark: values}), numbers


NAMES = {Template.LOGENTRY: "LogEntry", Template.TRACESPAN: "TraceSpan"}


def protobuf(rows: bytes, template: Template):
    name = NAMES.get(template, template.value.capitalize())
    found = message_class(f"{name}Batch").FromString(rows).rows
    numbers = [row.row for row in found]
    if template is Template.METRIC:
        return pl.DataFrame({"labels": [{pair.key: pair.value for pair in row.labels} for row in found]}), numbers
    field, mark = (
        ("source_workload_name", "source.workload.name") if template is Template.EDGE else ("request_id", "request.id")
    )
    return pl.DataFrame({mark: [getattr(row, field) for row in found]}), numbers


READERS = {"arrow": arrow, "json_lines": json_lines, "protobuf": protobuf}


@asynccontextmanager
async def running(program: Program) -> AsyncIterator[Program]:
    program.start()
    try:
        yield program
    finally:
        await program.behave(Behaviour.WORK)
        program.stop()
