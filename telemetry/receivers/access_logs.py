"""Envoy's access log streams (ALS v3): bytes in, messages with their node out."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from hashlib import blake2b
from typing import Protocol
from weakref import WeakValueDictionary

import grpc
import structlog

from telemetry import native
from telemetry.node import ANONYMOUS, Node, node_of
from telemetry.receivers.coalesce import Closed, Coalescer, Overloaded
from telemetry.receivers.streams import Streams
from telemetry.selfmetrics import SelfMetrics

__all__ = ["METHOD", "SERVICE", "AccessLogs"]

SERVICE = "envoy.service.accesslog.v3.AccessLogService"
METHOD = f"/{SERVICE}/StreamAccessLogs"

log = structlog.get_logger(__name__)

# Envoy sends some dozens. A row takes near 1 KiB however small its entry was, so bytes alone bound nothing.
_MAX_ENTRIES = 65_536


class Learner(Protocol):
    """Whoever wants to know which Envoys there are."""

    def __call__(self, node: Node) -> None: ...


class AccessLogs:
    """The service behind StreamAccessLogs. It never answers: Envoy expects none, and never needs one.

    A stream's first message names its node; later ones may name another. A stream whose first message does not is
    kept, its entries under a node without a name, and counted.
    """

    def __init__(
        self,
        coalescer: Coalescer,
        metrics: SelfMetrics,
        *,
        max_message_bytes: int,
        max_streams_per_peer: int,
        learn: Learner,
    ) -> None:
        self._coalescer = coalescer
        self._metrics = metrics
        self._max_message_bytes = max_message_bytes
        self._learn = learn
        self._streams = Streams(metrics, max_streams_per_peer)
        self._streams_by_node: Counter[Node] = Counter()
        self._known: WeakValueDictionary[bytes, Node] = WeakValueDictionary()

    async def stream(self, _: AsyncIterator[bytes], context: "grpc.aio.ServicerContext") -> bytes:
        """Serve one stream to its end. Aborts with RESOURCE_EXHAUSTED beyond the peer's share of streams."""
        async with self._streams.admitted(context):
            await self._read(context)
        return b""

    async def _read(self, context: "grpc.aio.ServicerContext") -> None:
        node: Node | None = None
        try:
            # Not `async for`: gRPC's iterator would hold the last message, 60 KB of an Envoy's extensions, until the
            # next one.
            while (message := await context.read()) is not grpc.aio.EOF:
                node = await self._pass_on(message, node)
                del message
        finally:
            self._change(node, None)

    async def _pass_on(self, message: bytes, node: Node | None) -> Node | None:
        """Hand a message to the coalescer; gives whose stream it is."""
        identifier, entries = native.inspect(message)
        sender = self._sender(node, identifier)
        if sender is not node:
            self._change(node, sender)
        if self._accepts(message, entries):
            try:
                await self._coalescer.put(message, sender, entries)
            except Overloaded:
                self._metrics.refused.labels("overloaded").inc()
                self._metrics.rejected.labels("overloaded").inc(entries)
            except (Closed, asyncio.CancelledError) as ended:
                reason = "shutdown" if isinstance(ended, Closed) else "stream_cancelled"
                self._metrics.rejected.labels(reason).inc(entries)
                raise
        return sender

    def _accepts(self, message: bytes, entries: int) -> bool:
        self._metrics.messages.inc()
        self._metrics.bytes.inc(len(message))
        reason = None
        if len(message) > self._max_message_bytes:
            reason = "message_too_large"
        elif entries > _MAX_ENTRIES:
            reason = "too_many_entries"
        if reason is not None:
            self._metrics.refused.labels(reason).inc()
            self._metrics.rejected.labels(reason).inc(entries)
        return reason is None

    def _node(self, identifier: native.Identifier) -> Node:
        """Give one object for all streams that say the same of themselves: an Envoy has one per worker and logger."""
        parts = (identifier.node_id, identifier.node_cluster, identifier.version, identifier.log_name)
        key = blake2b("\0".join(parts).encode() + identifier.metadata_json, digest_size=16).digest()
        node = self._known.get(key)
        if node is None:
            node = self._known[key] = node_of(identifier)
            self._learn(node)
            log.info("envoy connected", node=node.id, cluster=node.cluster, version=node.version, log=node.log_name)
        return node

    def _sender(self, node: Node | None, identifier: native.Identifier | None) -> Node:
        """Give who sent a message: whom it names, else whom the stream has named, else nobody, which is counted."""
        # Envoy insists on a log name; an identifier with neither is what is left of a malformed one.
        if identifier is not None and (identifier.node_id or identifier.log_name):
            return self._node(identifier)
        if node is None:
            self._metrics.refused.labels("no_identifier").inc()
            return ANONYMOUS
        return node

    def _change(self, old: Node | None, new: Node | None) -> None:
        """Keep the number of Envoys (not of their logs) that have a stream."""
        for node, step in ((old, -1), (new, 1)):
            if node is not None:
                self._streams_by_node[node] += step
                if not self._streams_by_node[node]:
                    del self._streams_by_node[node]
        self._metrics.nodes.set(len({node.id for node in self._streams_by_node}))
