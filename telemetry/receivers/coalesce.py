"""Gather messages until a batch is full or due."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from telemetry.node import Node

__all__ = ["Chunk", "Closed", "Coalescer", "Overloaded"]


# Streams that wait hold a message each, which flow control can't take back: so many times `max_pending_bytes` at most.
_HELD_FACTOR = 4
# The decoder counts bytes of a chunk in 32 bits, and takes no more than 256 MiB.
_MAX_CHUNK_BYTES = 64 << 20


class Closed(Exception):  # noqa: N818 - a state, not a mistake
    """Nothing more is taken: the service is shutting down."""


class Overloaded(Exception):  # noqa: N818 - likewise
    """So many streams wait with a message in hand that this one can't be held, too."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Messages to be decoded together: `nodes[i]` indexes, for message i, into `distinct`."""

    messages: list[bytes]
    nodes: list[int]
    distinct: list[Node]
    counts: list[int]
    """Entries of each message."""
    received_ns: int
    """When the first of them was received."""

    @property
    def entries(self) -> int:
        """Entries of all messages."""
        return sum(self.counts)

    def by_sender(self) -> "list[Chunk]":
        """Give a chunk for each node's messages."""
        theirs: dict[int, list[int]] = {}
        for at, node in enumerate(self.nodes):
            theirs.setdefault(node, []).append(at)
        return [self._of(node, positions) for node, positions in theirs.items()]

    def _of(self, node: int, positions: list[int]) -> "Chunk":
        messages = [self.messages[at] for at in positions]
        counts = [self.counts[at] for at in positions]
        return Chunk(messages, [0] * len(positions), [self.distinct[node]], counts, self.received_ns)


class _Waiting(NamedTuple):
    message: bytes
    node: Node
    entries: int
    received_ns: int
    due_s: float


class Coalescer:
    """A bounded queue from many streams to one worker.

    Whoever puts more than `max_pending_bytes` waits, and so stops reading its stream: HTTP/2 flow control then holds
    Envoy back. `clock_ns` stamps what is received. Belongs to one event loop.
    """

    def __init__(
        self, *, max_delay_s: float, max_entries: int, max_pending_bytes: int, clock_ns: Callable[[], int]
    ) -> None:
        self._max_delay_s = max_delay_s
        self._max_entries = max_entries
        self._max_pending_bytes = max_pending_bytes
        self._clock_ns = clock_ns
        self._waiting: deque[_Waiting] = deque()
        self._entries = 0
        self._closed = False
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._held_bytes = 0
        self.pending_bytes = 0

    async def put(self, message: bytes, node: Node, entries: int) -> None:
        """Take a message of that many entries; waits while too much is pending.

        Raises Closed after close, Overloaded when too many wait already.
        """
        if not self._room.is_set():
            await self._wait(len(message))
        if self._closed:
            raise Closed
        due_s = asyncio.get_running_loop().time() + self._max_delay_s
        self._waiting.append(_Waiting(message, node, entries, self._clock_ns(), due_s))
        self._account(len(message), entries)

    async def take(self) -> Chunk | None:
        """Wait until a chunk is full or due, and give it; None once closed and empty. For one caller at a time."""
        await self._some.wait()
        if not self._waiting:
            return None
        loop = asyncio.get_running_loop()
        while not (self._full.is_set() or self._closed) and (left_s := self._waiting[0].due_s - loop.time()) > 0:
            try:
                await asyncio.wait_for(self._full.wait(), left_s)
            except TimeoutError:
                break
        return self._cut()

    @property
    def pending_entries(self) -> int:
        """Entries that wait to be taken."""
        return self._entries

    def close(self) -> None:
        """Refuse further messages; what waits can still be taken."""
        self._closed = True
        for event in (self._some, self._full, self._room):
            event.set()

    async def _wait(self, size_bytes: int) -> None:
        """Wait for room, or for the end, with that much in hand."""
        if self._held_bytes + size_bytes > _HELD_FACTOR * self._max_pending_bytes:
            raise Overloaded
        self._held_bytes += size_bytes
        try:
            while not self._room.is_set() and not self._closed:
                await self._room.wait()
        finally:
            self._held_bytes -= size_bytes

    def _cut(self) -> Chunk:
        """Take from the front, at least one message, at most max_entries entries otherwise."""
        messages: list[bytes] = []
        nodes: list[int] = []
        counts: list[int] = []
        distinct: dict[Node, int] = {}
        received_ns = self._waiting[0].received_ns
        entries = size_bytes = 0
        while self._waiting and (not messages or self._fits(entries, size_bytes)):
            one = self._waiting.popleft()
            messages.append(one.message)
            nodes.append(distinct.setdefault(one.node, len(distinct)))
            counts.append(one.entries)
            entries += one.entries
            size_bytes += len(one.message)
        self._account(-size_bytes, -entries)
        return Chunk(messages, nodes, list(distinct), counts, received_ns)

    def _fits(self, entries: int, size_bytes: int) -> bool:
        """Whether the next message may join a chunk that has so much already."""
        following = self._waiting[0]
        return (
            entries + following.entries <= self._max_entries and size_bytes + len(following.message) <= _MAX_CHUNK_BYTES
        )

    def _account(self, size_bytes: int, entries: int) -> None:
        self.pending_bytes += size_bytes
        self._entries += entries
        _put(self._some, bool(self._waiting) or self._closed)
        _put(self._full, self._entries >= self._max_entries or self._closed)
        _put(self._room, self.pending_bytes < self._max_pending_bytes or self._closed)


def _put(event: asyncio.Event, value: bool) -> None:
    if value:
        event.set()
    else:
        event.clear()
