"""Admits streams, so many for each peer, and counts how they end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from telemetry.receivers.coalesce import Closed
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Streams", "host_of_peer"]

_SETTLE_S = 0.05


class Streams:
    """The open streams of one service."""

    def __init__(self, metrics: SelfMetrics, max_streams_per_peer: int) -> None:
        self._metrics = metrics
        self._max_streams_per_peer = max_streams_per_peer
        self._streams_of: Counter[str] = Counter()

    @asynccontextmanager
    async def admitted(self, context: "grpc.aio.ServicerContext") -> AsyncIterator[None]:
        """Hold a stream open while it is read. Aborts with RESOURCE_EXHAUSTED beyond the peer's share of streams.

        Takes Closed for a shutdown: it goes no further.
        """
        peer = host_of_peer(context.peer())
        if self._streams_of[peer] >= self._max_streams_per_peer:
            self._metrics.refused.labels("too_many_streams").inc()
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{peer} has {self._max_streams_per_peer} streams open; raise receiver.grpc.max_streams_per_peer",
            )
        self._streams_of[peer] += 1
        self._metrics.streams_opened.inc()
        self._metrics.streams.inc()
        reason = "cancelled"
        try:
            yield
            # A stream that the client, or gRPC itself (a message beyond its limit), breaks off reads as if the client
            # had finished: the cancellation comes only now.
            await asyncio.sleep(_SETTLE_S)
            reason = "completed"
        except Closed:
            reason = "shutdown"
        finally:
            self._metrics.streams.dec()
            self._metrics.streams_closed.labels(reason).inc()
            self._streams_of[peer] -= 1
            if not self._streams_of[peer]:
                del self._streams_of[peer]


def host_of_peer(peer: str) -> str:
    """Give the address without port of gRPC's `ipv4:127.0.0.1:5555`, `ipv6:[::1]:5555` or `unix:…`."""
    return peer.rpartition(":")[0] if peer.startswith(("ipv4:", "ipv6:")) else peer
