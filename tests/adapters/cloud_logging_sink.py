"""A server of the real google.logging.v2.LoggingServiceV2, of Google's own classes, that does as it is told."""

from collections.abc import AsyncIterator, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from google.cloud.logging_v2.types import WriteLogEntriesPartialErrors, WriteLogEntriesRequest, WriteLogEntriesResponse
from google.rpc.code_pb2 import INVALID_ARGUMENT, UNAVAILABLE
from google.rpc.status_pb2 import Status

from telemetry.testing import Behaviour
from tests.adapters.behaving import InThreads

SERVICE = "google.logging.v2.LoggingServiceV2"
REQUEST, PARTIAL = WriteLogEntriesRequest.pb(), WriteLogEntriesPartialErrors.pb()


@dataclass
class CloudLoggingSink(InThreads):
    """Keeps the entries it has written."""

    entries: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    behaviour: Behaviour = Behaviour.WORK
    port: int = 0
    answer: tuple[grpc.StatusCode, str, Status | None] | None = None
    """What to say instead of the behaviour, for tests of one answer."""
    reply: bytes = b""

    def start(self) -> None:
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 20_000_000)]
        self.server = grpc.server(ThreadPoolExecutor(8), options=options)
        handler = grpc.unary_unary_rpc_method_handler(self.write, request_deserializer=REQUEST.FromString)
        self.server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, {"WriteLogEntries": handler})]
        )
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        self.server.start()

    def write(self, request, context) -> bytes:
        behaviour, let_go = self.behaviour, self.let_go
        self.metadata.append(dict(context.invocation_metadata()))
        self.requests.append(request)
        if self.answer:
            fail(context, *self.answer)
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
        refused = partial_errors(len(request.entries)) if behaviour is Behaviour.PARTIAL else {}
        self.entries += [entry for at, entry in enumerate(request.entries) if at not in refused]
        if refused:
            fail(context, grpc.StatusCode.INVALID_ARGUMENT, "some entries were not written", partial_status(refused))
        if behaviour is Behaviour.FORGET:
            context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
        return self.reply or WriteLogEntriesResponse.serialize(WriteLogEntriesResponse())

    async def taken(self) -> list[str]:
        return [entry.labels["request_id"] for entry in self.entries]

    async def identities(self) -> list[Hashable]:
        return [entry.insert_id for entry in self.entries]


def partial_errors(entries: int) -> dict[int, Status]:
    """Every second entry: never, or later."""
    return {
        at: Status(code=INVALID_ARGUMENT if at % 4 == 1 else UNAVAILABLE, message="bad time")
        for at in range(1, entries, 2)
    }


def partial_status(errors: dict[int, Status]) -> Status:
    status = Status()
    status.details.add().Pack(PARTIAL(log_entry_errors=errors))
    return status


def fail(context: grpc.ServicerContext, code: grpc.StatusCode, details: str, status: Status | None = None) -> None:
    if status is not None:
        # Clients refuse a status that contradicts the call's.
        status.code, status.message = code.value[0], details
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(code, details)


@asynccontextmanager
async def running() -> AsyncIterator[CloudLoggingSink]:
    sink = CloudLoggingSink()
    sink.start()
    try:
        yield sink
    finally:
        await sink.behave(Behaviour.WORK)
        sink.stop()
