"""OTLP sinks with the real interfaces, gRPC and HTTP, that do as they are told."""

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from telemetry.testing import Behaviour
from tests.adapters.behaving import InTheLoop

REQUESTS = {
    "traces": ("opentelemetry.proto.collector.trace.v1.TraceService", ExportTraceServiceRequest),
    "metrics": ("opentelemetry.proto.collector.metrics.v1.MetricsService", ExportMetricsServiceRequest),
    "logs": ("opentelemetry.proto.collector.logs.v1.LogsService", ExportLogsServiceRequest),
}


def value(any_value) -> Any:
    """What an AnyValue holds."""
    kind = any_value.WhichOneof("value")
    if kind == "kvlist_value":
        return {pair.key: value(pair.value) for pair in any_value.kvlist_value.values}
    return None if kind is None else getattr(any_value, kind)


def attributes(message) -> dict[str, Any]:
    return {pair.key: value(pair.value) for pair in message.attributes}


def records(request) -> Iterator[tuple[Any, Any, Any]]:
    """Resource, scope and record of everything in a request of any signal."""
    for outer in (*getattr(request, "resource_logs", ()), *getattr(request, "resource_spans", ())):
        for inner in (*getattr(outer, "scope_logs", ()), *getattr(outer, "scope_spans", ())):
            for record in (*getattr(inner, "log_records", ()), *getattr(inner, "spans", ())):
                yield outer.resource, inner.scope, record


def points(request) -> Iterator[tuple[Any, Any, Any]]:
    """Resource, metric and point of everything in a request of metrics."""
    for outer in getattr(request, "resource_metrics", ()):
        for inner in outer.scope_metrics:
            for metric in inner.metrics:
                for point in getattr(metric, metric.WhichOneof("data")).data_points:
                    yield outer.resource, metric, point


@dataclass
class OtlpSink(InTheLoop):
    """Keeps the requests it took."""

    requests: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    behaviour: Behaviour = Behaviour.WORK
    port: int = 0
    answer: Any = None
    """What to say instead of the behaviour, for tests of one answer: gRPC (code, details, trailers), HTTP Response."""
    reply: bytes = b""
    """The answer's body when all is well."""

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    async def taken(self) -> list[str]:
        logged = [
            attributes(record)["guid:x-request-id"] for request in self.requests for *_, record in records(request)
        ]
        return logged + [
            attributes(point).get("mark", "") for request in self.requests for *_, point in points(request)
        ]

    async def identities(self) -> list[Hashable]:
        named = [
            (*sorted(attributes(scope).items()), attributes(record)["telemetry.row"])
            for request in self.requests
            for _, scope, record in records(request)
        ]
        return named + [
            (metric.name, *sorted(attributes(point).items()), point.start_time_unix_nano, point.time_unix_nano)
            for request in self.requests
            for _, metric, point in points(request)
        ]


class GrpcSink(OtlpSink):
    """In threads of its own, so that its tasks are not taken for the adapter's."""

    credentials: grpc.ServerCredentials | None = None

    async def start(self) -> None:
        self.let_go = threading.Event()
        self.server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        for service, kind in REQUESTS.values():
            handler = grpc.unary_unary_rpc_method_handler(self.export, request_deserializer=kind.FromString)
            self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"Export": handler})])
        address, secure = f"127.0.0.1:{self.port}", self.credentials is not None
        self.port = (
            self.server.add_secure_port(address, self.credentials) if secure else self.server.add_insecure_port(address)
        )
        self.server.start()

    async def stop(self) -> None:
        self.let_go.set()
        await asyncio.to_thread(self.server.stop(None).wait)

    async def behave(self, behaviour: Behaviour) -> None:
        self.let_go.set()
        self.let_go = threading.Event()
        await super().behave(behaviour)

    def export(self, request, context) -> bytes:
        behaviour, let_go = self.behaviour, self.let_go
        self.headers.append(dict(context.invocation_metadata()))
        if self.answer:
            code, details, trailers = self.answer
            context.set_trailing_metadata(trailers)
            context.abort(code, details)
        if behaviour is Behaviour.BUSY:
            context.abort(grpc.StatusCode.UNAVAILABLE, "try later")
        if behaviour is Behaviour.REJECT:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        if behaviour is Behaviour.NONSENSE:
            return b"\xff" * 5_000_000
        if behaviour is Behaviour.HANG:
            let_go.wait(20)
        if behaviour is Behaviour.SLOW:
            let_go.wait(0.3)
        self.requests.append(request)
        if behaviour is Behaviour.FORGET:
            context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
        return self.reply


class HttpSink(OtlpSink):
    ssl: Any = None

    async def start(self) -> None:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_post("/{tail:.*}", self.export)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port, ssl_context=self.ssl).start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        await self.runner.cleanup()

    async def export(self, request: web.Request) -> web.StreamResponse:
        behaviour, changed = self.behaviour, self.changed
        self.headers.append({**request.headers, ":path": request.path})
        body = await request.read()
        if self.answer:
            return self.answer
        if behaviour is Behaviour.BUSY:
            return web.Response(status=503)
        if behaviour is Behaviour.REJECT:
            return web.Response(status=400)
        if behaviour is Behaviour.NONSENSE:
            return web.Response(body=b"<html>" + b"x" * 5_000_000)
        if behaviour is Behaviour.HANG:
            await changed.wait()
        if behaviour is Behaviour.SLOW:
            await asyncio.sleep(0.3)
        kind = REQUESTS[request.path.rsplit("/", 1)[1]][1]
        self.requests.append(kind.FromString(gunzipped(body)))
        if behaviour is Behaviour.FORGET:
            request.transport.close()
        return web.Response(body=self.reply, content_type="application/x-protobuf")


def gunzipped(body: bytes) -> bytes:
    # aiohttp has unpacked it already when it looks at the header; a body that is still packed says so itself.
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


@asynccontextmanager
async def running(sink: OtlpSink) -> AsyncIterator[OtlpSink]:
    await sink.start()
    try:
        yield sink
    finally:
        await sink.behave(Behaviour.WORK)
        await sink.stop()
