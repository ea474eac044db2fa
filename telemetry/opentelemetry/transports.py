"""One request to an OTLP sink and its answer, over gRPC or HTTP."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import structlog
from isal import igzip

from telemetry.errors import Retry, StartError
from telemetry.opentelemetry.answers import MAX_ANSWER_BYTES, grpc_error, http_error, reason_of
from telemetry.opentelemetry.target import Signal, Target
from telemetry.outgoing.channels import channel_credentials
from telemetry.outgoing.http import HttpPoster
from telemetry.outgoing.tls import Watch

__all__ = ["GrpcTransport", "HttpTransport", "Transport", "transport"]

log = structlog.get_logger(__name__)

_METHODS: dict[Signal, str] = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_USER_AGENT = "mesh-telemetry"
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    ("grpc.primary_user_agent", _USER_AGENT),
    # A channel made anew connects at once, whatever a former one to the same address has met.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 60_000),
)
_GZIP_LEVEL = 1


class Transport(Protocol):
    """Takes a request to the sink."""

    async def send(self, request: bytes) -> bytes:
        """Give the sink's answer to what it took. Raises Retry, Rejected or TooLarge when it did not take it."""

    async def aclose(self) -> None:
        """Let go of the connection."""


def transport(target: Target) -> Transport:
    """Give the transport for that target. Raises StartError when a TLS file can't be used."""
    return GrpcTransport(target) if target.protocol == "grpc" else HttpTransport(target)


@dataclass(slots=True)
class _Line:
    """A channel, and how many calls are on it."""

    channel: grpc.aio.Channel
    export: Any
    calls: int = 0
    retired: bool = False


class GrpcTransport:
    """OTLP over gRPC. A channel whose files have changed, or that has lost its sink, is replaced."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._watch = Watch(target.tls)
        self._compression = grpc.Compression.Gzip if target.gzip else grpc.Compression.NoCompression
        self._credentials = channel_credentials(target.tls) if target.secure else None
        self._line = self._new_line()

    async def send(self, request: bytes) -> bytes:
        """Give the sink's answer to what it took. Raises Retry, Rejected or TooLarge when it did not take it."""
        if self._watch.changed():
            await self._take_up_new_files()
        line = self._line
        line.calls += 1
        try:
            answer: bytes = await line.export(
                request,
                timeout=self._target.timeout_s,
                metadata=self._target.headers,
                compression=self._compression,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE and line is self._line:
                # The channel would not try again for a while; when to do so is the delivery's to say.
                await self._replace()
            raise grpc_error(error.code(), error.details() or "", _status_details(error)) from None
        finally:
            line.calls -= 1
            await _hang_up(line)
        return answer

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._line.channel.close(None)

    async def _take_up_new_files(self) -> None:
        try:
            self._credentials = channel_credentials(self._target.tls) if self._target.secure else None
        except StartError as error:
            log.warning("changed TLS files can't be used; those before stay in use", error=str(error))
        else:
            await self._replace()

    async def _replace(self) -> None:
        before, self._line = self._line, self._new_line()
        before.retired = True
        await _hang_up(before)

    def _new_line(self) -> _Line:
        address = self._target.address
        if self._credentials is not None:
            channel = grpc.aio.secure_channel(address, self._credentials, options=_OPTIONS)
        else:
            channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        # No serialisers: bytes go as they are.
        return _Line(channel, channel.unary_unary(_METHODS[self._target.signal]))


async def _hang_up(line: _Line) -> None:
    if line.retired and not line.calls:
        await line.channel.close(None)


def _status_details(error: grpc.aio.AioRpcError) -> bytes:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return value
    return b""


class HttpTransport:
    """OTLP over HTTP with binary protobuf."""

    def __init__(self, target: Target, clock_s: Callable[[], float] = time.time) -> None:
        self._target = target
        self._clock_s = clock_s
        self._headers = {
            **dict(target.headers),
            "content-type": "application/x-protobuf",
            "user-agent": _USER_AGENT,
            **({"content-encoding": "gzip"} if target.gzip else {}),
        }
        self._poster = HttpPoster(target.tls, timeout_s=target.timeout_s, max_answer_bytes=MAX_ANSWER_BYTES)

    async def send(self, request: bytes) -> bytes:
        """Give the sink's answer to what it took. Raises Retry, Rejected or TooLarge when it did not take it."""
        content = igzip.compress(request, _GZIP_LEVEL) if self._target.gzip else request
        answer = await self._poster.post(self._target.address, content, self._headers)
        if answer.status != 200:
            retry_after = answer.headers.get("retry-after", "")
            raise http_error(answer.status, reason_of(answer.body), retry_after, self._clock_s())
        if not answer.whole:
            raise Retry(f"otlp: what answers is no OTLP sink: more than {MAX_ANSWER_BYTES} bytes of something else")
        return answer.body

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._poster.aclose()
