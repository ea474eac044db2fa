"""Envoy's metrics streams (metrics service v3): bytes in, whole flushes with their stream's node out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc
import structlog

from telemetry import native
from telemetry.node import ANONYMOUS, Node, node_of
from telemetry.receivers.coalesce import Closed, Coalescer, Overloaded
from telemetry.receivers.streams import Streams
from telemetry.selfmetrics import SelfMetrics

__all__ = ["MAX_STATS", "METHOD", "SERVICE", "Metrics"]

SERVICE = "envoy.service.metrics.v3.MetricsService"
METHOD = f"/{SERVICE}/StreamMetrics"
MAX_STATS = 200_000
"""So many stats are decoded together at most, but for what comes in one message."""

log = structlog.get_logger(__name__)

# The parts of a flush follow each other at once.
_GATHER_S = 0.25


@dataclass(slots=True)
class _Gathered:
    """The messages of one flush, which bear one timestamp."""

    messages: list[bytes] = field(default_factory=list)
    families: int = 0
    size_bytes: int = 0
    timestamp_ms: int | None = None


class Metrics:
    """The service behind StreamMetrics. It never answers.

    A flush that Envoy sends in several messages (batch_size) is put together again: by its timestamp, until another
    comes, or none for `gather_s`. Each stream has a node of its own, which lives as long as the stream does.
    """

    def __init__(
        self,
        coalescer: Coalescer,
        metrics: SelfMetrics,
        *,
        max_message_bytes: int,
        max_pending_bytes: int,
        max_streams_per_peer: int,
        learn: Callable[[Node], None],
        gather_s: float = _GATHER_S,
    ) -> None:
        self._coalescer = coalescer
        self._metrics = metrics
        self._max_message_bytes = max_message_bytes
        self._max_pending_bytes = max_pending_bytes
        self._learn = learn
        self._gather_s = gather_s
        self._gathered_bytes = 0
        self._streams = Streams(metrics, max_streams_per_peer)

    async def stream(self, _: AsyncIterator[bytes], context: "grpc.aio.ServicerContext") -> bytes:
        """Serve one stream to its end. Aborts with RESOURCE_EXHAUSTED beyond the peer's share of streams."""
        async with self._streams.admitted(context):
            await self._read(context)
        return b""

    async def _read(self, context: "grpc.aio.ServicerContext") -> None:
        gathered = _Gathered()
        node: Node | None = None
        try:
            while (message := await self._next(context, gathered, node)) is not grpc.aio.EOF:
                node = await self._take(message, gathered, node)
                del message
            await self._put(gathered, node)
        finally:
            self._gathered_bytes -= gathered.size_bytes
            self._reject("stream_cancelled", gathered.families)

    async def _next(self, context: "grpc.aio.ServicerContext", gathered: _Gathered, node: Node | None) -> bytes:
        """Wait for a message; a flush that none follows at once is complete."""
        reading = asyncio.ensure_future(context.read())
        try:
            if gathered.messages:
                await asyncio.wait({reading}, timeout=self._gather_s)
                if not reading.done():
                    await self._put(gathered, node)
            message: bytes = await reading
            return message
        finally:
            reading.cancel()

    async def _take(self, message: bytes, gathered: _Gathered, node: Node | None) -> Node:
        """Gather a message; gives whose stream it is."""
        self._metrics.messages.inc()
        self._metrics.bytes.inc(len(message))
        identifier, families, timestamp_ms, whole = native.inspect_metrics(message)
        sender = self._sender(identifier, node)
        joins = sender is node and whole and timestamp_ms is not None and timestamp_ms == gathered.timestamp_ms
        if not joins or gathered.size_bytes + len(message) > self._max_message_bytes:
            await self._put(gathered, node)
        if len(message) > self._max_message_bytes:
            self._metrics.refused.labels("message_too_large").inc()
            self._reject("message_too_large", families)
            return sender
        gathered.messages.append(message)
        gathered.families += families
        gathered.size_bytes += len(message)
        gathered.timestamp_ms = timestamp_ms
        self._gathered_bytes += len(message)
        if not whole or timestamp_ms is None or self._gathered_bytes > self._max_pending_bytes:
            await self._put(gathered, sender)
        return sender

    async def _put(self, gathered: _Gathered, node: Node | None) -> None:
        """Hand a flush on as one message: protobuf reads messages behind each other as one."""
        if not gathered.messages or node is None:
            return
        message, families = b"".join(gathered.messages), gathered.families
        self._gathered_bytes -= gathered.size_bytes
        gathered.messages, gathered.families, gathered.size_bytes, gathered.timestamp_ms = [], 0, 0, None
        try:
            await self._coalescer.put(message, node, families)
        except Overloaded:
            self._metrics.refused.labels("overloaded").inc()
            self._reject("overloaded", families)
        except (Closed, asyncio.CancelledError) as ended:
            self._reject("shutdown" if isinstance(ended, Closed) else "stream_cancelled", families)
            raise

    def _reject(self, reason: str, families: int) -> None:
        if families:
            self._metrics.stats_rejected.labels(reason).inc(families)

    def _sender(self, identifier: native.Identifier | None, node: Node | None) -> Node:
        if identifier is not None:
            node = node_of(identifier)
            self._learn(node)
            log.info("envoy sends metrics", node=node.id, cluster=node.cluster, version=node.version)
        elif node is None:
            self._metrics.refused.labels("no_identifier").inc()
            # Not ANONYMOUS itself: a node is a stream here.
            node = Node(ANONYMOUS.id, ANONYMOUS.cluster, {}, ANONYMOUS.version, ANONYMOUS.log_name)
        return node
