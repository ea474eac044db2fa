"""Sends rows to Kafka, as Avro, JSON, protobuf or Arrow, each with the identity that tells it when it comes again."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Self

import structlog
from aiokafka import errors

from telemetry.batch import Batch, Template
from telemetry.boundary import boundary
from telemetry.errors import ExportError, Partial, Rejected, Retry, TooLarge
from telemetry.kafka_producer.options import Options
from telemetry.kafka_producer.producer import Connection, Producer, aiokafka_producer
from telemetry.kafka_producer.registry import MAX_ANSWER_BYTES, Registry
from telemetry.kafka_records.encodings import encoding
from telemetry.kafka_records.parcels import Packing, Parcel, Parcels
from telemetry.outgoing.answers import shown
from telemetry.outgoing.http import HttpPoster
from telemetry.outgoing.tls import TlsFiles

__all__ = ["Kafka"]

log = structlog.get_logger(__name__)

_SMALLEST_LIMIT_BYTES = 16 * 1024
_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)
_HINTS: Mapping[type[Exception], str] = {
    errors.UnknownTopicOrPartitionError: "create the topic, or let the brokers do it (auto.create.topics.enable)",
    errors.InvalidTopicError: "the brokers don't take a topic of that name; name another",
    errors.TopicAuthorizationFailedError: "give this user the right to write to the topic",
    errors.ClusterAuthorizationFailedError: "give this user the right IdempotentWrite on the cluster",
    errors.TransactionalIdAuthorizationFailed: "give this user the rights Write and Describe on the transactional id",
    errors.SaslAuthenticationFailed: "are mechanism, username and password right?",
    errors.AuthenticationFailedError: "are mechanism, username and password right?",
    errors.UnsupportedSaslMechanismError: "the brokers want another sasl.mechanism",
    errors.MessageSizeTooLargeError: "its records will be split; set max_message_bytes to what the brokers take",
    errors.ProducerFenced: "does another process use the same transactional_id?",
    errors.KafkaConnectionError: "are the brokers up, and are these their addresses and protocol?",
}


@dataclass(slots=True)
class _Fate:
    """What became of a batch's rows, by their positions."""

    sent: list[int] = field(default_factory=list)
    retry: list[int] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)
    error: Exception | None = None


class Kafka(AbstractAsyncContextManager["Kafka"]):
    """Accepts every template. An export is done when all in-sync replicas have each record.

    Each record's headers have `receiver`, `epoch`, `sequence` and `row`: a row that comes again, after a lost answer,
    has the same ones. `new_producer` makes the producer from the options and the most bytes of a batch.
    """

    class Config(Options):
        """What can be set."""

    accepts: ClassVar[frozenset[Template]] = frozenset(Template)

    def __init__(self, config: Config, *, new_producer: Callable[[Options, int], Producer] = aiokafka_producer) -> None:
        self._config = config
        self._new_producer = new_producer
        self._packing = Packing(config.format, encoding(config.format), config.mode, config.key)
        self._connection: Connection | None = None
        self._registry: Registry | None = None
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "kafka")

    async def __aenter__(self) -> Self:
        self._connection = Connection(self._config, self._new_producer)
        if registry := self._config.schema_registry:
            poster = HttpPoster(
                TlsFiles(registry.certificate), timeout_s=self._config.timeout_s, max_answer_bytes=MAX_ANSWER_BYTES
            )
            self._registry = Registry(registry, self._config.mode, poster)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._registry is not None:
            await self._registry.aclose()
        if self._connection is not None:
            await self._connection.drop()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def export(self, batch: Batch) -> None:
        """Send the batch's rows.

        Raises Partial for rows that no record can hold and for those that the brokers did not take, TooLarge for a
        row alone that no record can hold, Retry for all else: a broker's refusal is the operator's to undo.
        """
        if self._connection is None:
            raise Retry("kafka: the adapter has not been entered")
        if batch.rows.is_empty():
            return
        async with self._turn:
            connection = self._connection
            done = False
            try:
                fate = await self._send(connection, batch)
                done = fate.error is None
            finally:
                # What failed or was given up has numbers that the brokers miss: the next would be out of order.
                if not done:
                    await connection.drop()
        _judge(batch, fate)

    async def _send(self, connection: Connection, batch: Batch) -> _Fate:
        topic = self._config.topic_of(batch.template)
        with boundary() as outcome:
            schema_id = await self._registry.id_of(batch.template, topic) if self._registry else None
            producer = await connection.producer()
            partitions = await producer.partitions_for(topic)
            limit = connection.limit
            parcels = await asyncio.get_running_loop().run_in_executor(
                self._thread,
                lambda: self._packing.pack(
                    batch,
                    partitions=len(partitions),
                    limit=limit,
                    schema_id=schema_id,
                    new_builder=producer.create_batch,
                ),
            )
            return await self._deliver(connection, producer, topic, parcels)
        try:
            if isinstance(outcome.error, ExportError):
                raise outcome.error
            raise Retry(f"kafka: {topic}: {_said(outcome.error)}") from None
        finally:
            # It knows this frame, which knows it: both would keep the batch until the garbage collector comes round.
            outcome.error = None

    async def _deliver(self, connection: Connection, producer: Producer, topic: str, parcels: Parcels) -> _Fate:
        transactional = self._config.transactional_id is not None and parcels.parcels
        if transactional:
            await producer.begin_transaction()
        failures = await _send_all(producer, topic, parcels.parcels)
        fate = self._fate(connection, parcels, failures)
        if transactional and fate.error is None:
            await producer.commit_transaction()
        elif transactional:
            # Nobody reads any of it: the producer that comes next ends the transaction.
            fate.retry, fate.sent = sorted([*fate.retry, *fate.sent]), []
        return fate

    def _fate(self, connection: Connection, parcels: Parcels, failures: list[Exception | None]) -> _Fate:
        limit = connection.limit
        fate = _Fate(
            rejected={
                at: f"a record of {size} bytes exceeds max_message_bytes={limit}; raise it here and on the brokers"
                for at, size in parcels.too_large.items()
            }
        )
        for parcel, failure in zip(parcels.parcels, failures, strict=True):
            if failure is None:
                fate.sent += parcel.positions
                continue
            fate.error = fate.error or failure
            if isinstance(failure, _TOO_LARGE) and limit <= _SMALLEST_LIMIT_BYTES and len(parcel.positions) == 1:
                fate.rejected[parcel.positions[0]] = "the brokers take less (message.max.bytes) than its record has"
                continue
            fate.retry += parcel.positions
        if any(isinstance(failure, _TOO_LARGE) for failure in failures):
            connection.limit = max(_SMALLEST_LIMIT_BYTES, limit // 2)
            log.warning("brokers take less than max_message_bytes; records are split", limit_bytes=connection.limit)
        return fate


async def _send_all(producer: Producer, topic: str, parcels: list[Parcel]) -> list[Exception | None]:
    """Send what goes to one partition in its order, to all partitions at once; gives each one's failure."""
    failures: dict[int, Exception | None] = {}

    async def send(numbers: list[int]) -> None:
        waiting = []
        for number in numbers:
            with boundary() as outcome:
                parcel = parcels[number]
                future = asyncio.ensure_future(
                    await producer.send_batch(parcel.builder, topic, partition=parcel.partition)
                )
                # Whoever gives up at the deadline never asks for it.
                future.add_done_callback(_looked_at)
                waiting.append((number, future))
            failures[number] = outcome.error
        for number, future in waiting:
            with boundary() as outcome:
                await future
            failures[number] = outcome.error

    by_partition: dict[int, list[int]] = {}
    for number, parcel in enumerate(parcels):
        by_partition.setdefault(parcel.partition, []).append(number)
    await asyncio.gather(*map(send, by_partition.values()))
    return [failures[number] for number in range(len(parcels))]


def _looked_at(future: asyncio.Future[object]) -> None:
    if not future.cancelled():
        future.exception()


def _judge(batch: Batch, fate: _Fate) -> None:
    """Raise what the fate of the rows asks for."""
    if not fate.retry and not fate.rejected:
        return
    reason = f"kafka: {_said(fate.error)}" if fate.error else "kafka: rows are too large"
    if len(fate.retry) == len(batch.rows):
        raise Retry(reason, after_s=0.0 if isinstance(fate.error, _TOO_LARGE) else None)
    if len(batch.rows) == 1:
        raise TooLarge(f"kafka: {fate.rejected[0]}")
    if len(fate.rejected) == len(batch.rows):
        raise Rejected(f"kafka: {next(iter(fate.rejected.values()))}")
    raise Partial(reason, retry=fate.retry, rejected=fate.rejected)


def _said(error: Exception | None) -> str:
    """Give what went wrong, and what to do about it."""
    hint = next((hint for kind, hint in _HINTS.items() if isinstance(error, kind)), "it is tried again")
    return f"{type(error).__name__}: {shown(str(error)) or 'no answer'}; {hint}"
