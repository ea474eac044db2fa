"""Brokers with the interface of aiokafka's producer, which do as they are told."""

import asyncio
from collections.abc import Awaitable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import errors

from telemetry.kafka_producer.options import Options
from telemetry.testing import Behaviour
from tests.adapters.kafka_records import Record, entries, identity, mark

_FAILURES = {
    Behaviour.UNREACHABLE: errors.KafkaConnectionError("Unable to bootstrap"),
    Behaviour.BUSY: errors.RequestTimedOutError(),
    Behaviour.NONSENSE: errors.CorruptRecordException("x" * 5_000_000),
    Behaviour.FORGET: errors.KafkaConnectionError("Connection closed"),
}


@dataclass
class Brokers:
    """`refusal`: what they answer to batches; `largest`: the most bytes of a batch that they take."""

    partitions: int = 3
    mode: str = "batch"
    behaviour: Behaviour = Behaviour.WORK
    refusal: Exception | None = None
    largest: int | None = None
    records: list[Record] = field(default_factory=list)
    producers: list["FakeProducer"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.changed = asyncio.Event()

    def producer(self, options: Options, limit: int) -> "FakeProducer":
        made = FakeProducer(self, options, limit)
        self.producers.append(made)
        return made

    async def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.changed.set()
        self.changed = asyncio.Event()

    async def taken(self) -> Iterable[str]:
        return [mark(record.template, entry) for record in self.records for entry in entries([record], self.mode)]

    async def identities(self) -> Iterable[Hashable]:
        return [identity(entry) for entry in entries(self.records, self.mode)]


@dataclass
class FakeBatch:
    """Filled as aiokafka fills one: the first record always fits."""

    limit: int
    records: list[tuple[bytes | None, bytes, dict[str, bytes]]] = field(default_factory=list)
    size: int = 0
    closed: bool = False

    def append(self, *, timestamp: int | None, key: bytes | None, value: bytes, headers: Any) -> object:
        size = len(value) + len(key or b"") + sum(len(name) + len(text) for name, text in headers) + 20
        if self.closed or (self.records and self.size + size > self.limit):
            return None
        self.size += size
        self.records.append((key, value, dict(headers)))
        return object()

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeProducer:
    brokers: Brokers
    options: Options
    limit: int
    started: bool = False
    stopped: bool = False
    transaction: list[Record] | None = None

    async def start(self) -> None:
        if self.brokers.behaviour is Behaviour.UNREACHABLE:
            raise _FAILURES[Behaviour.UNREACHABLE]
        if self.brokers.behaviour is Behaviour.HANG:
            await self.brokers.changed.wait()
        self.started = True

    async def stop(self) -> None:
        self.stopped = True

    async def partitions_for(self, topic: str) -> set[int]:
        assert self.started
        assert not self.stopped
        return set(range(self.brokers.partitions))

    def create_batch(self) -> FakeBatch:
        return FakeBatch(self.limit)

    async def send_batch(self, batch: FakeBatch, topic: str, *, partition: int) -> Awaitable[object]:
        assert batch.closed
        assert batch.records
        assert not self.stopped
        return asyncio.ensure_future(self._take(batch, topic, partition))

    async def _take(self, batch: FakeBatch, topic: str, partition: int) -> None:
        brokers, behaviour, changed = self.brokers, self.brokers.behaviour, self.brokers.changed
        if brokers.refusal is not None:
            raise brokers.refusal
        if brokers.largest is not None and batch.size > brokers.largest:
            raise errors.MessageSizeTooLargeError
        if behaviour is Behaviour.HANG:
            await changed.wait()
        if behaviour is Behaviour.SLOW:
            await asyncio.sleep(0.3)
        if behaviour is Behaviour.PARTIAL and partition == 1:
            raise errors.NotLeaderForPartitionError
        if behaviour in _FAILURES and behaviour is not Behaviour.FORGET:
            raise _FAILURES[behaviour]
        records = [Record(topic, partition, key, value, headers) for key, value, headers in batch.records]
        (brokers.records if self.transaction is None else self.transaction).extend(records)
        if behaviour is Behaviour.FORGET:
            raise _FAILURES[behaviour]

    async def begin_transaction(self) -> None:
        assert self.options.transactional_id
        assert self.transaction is None
        self.transaction = []

    async def commit_transaction(self) -> None:
        assert self.transaction is not None
        self.brokers.records.extend(self.transaction)
        self.transaction = None
