"""A producer of Kafka's, made when it is needed and anew when it has failed or its certificates have changed."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError

from telemetry.boundary import boundary
from telemetry.kafka_producer.options import Options, Sasl
from telemetry.kafka_records.parcels import Builder
from telemetry.outgoing.tls import TlsFiles, Watch, client_context

__all__ = ["Connection", "Producer", "aiokafka_producer"]

_FAREWELL_S = 1.0
_DIALLING = frozenset(
    {
        "client_id", "request_timeout_ms", "security_protocol", "ssl_context", "sasl_mechanism", "sasl_plain_username",
        "sasl_plain_password", "sasl_oauth_token_provider",
    }
)  # fmt: skip


class Producer(Protocol):
    """What we use of aiokafka's producer."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Let go, of what is pending too."""

    async def partitions_for(self, topic: str) -> set[int]:
        """Give the topic's partitions."""

    def create_batch(self) -> Builder:
        """Give an empty batch."""

    async def send_batch(self, batch: Builder, topic: str, *, partition: int) -> Awaitable[object]:
        """Queue the batch; gives what is done when the brokers have it."""

    async def begin_transaction(self) -> None:
        """Begin a transaction."""

    async def commit_transaction(self) -> None:
        """End it; its records are there to be read."""


def aiokafka_producer(options: Options, limit: int) -> Producer:
    """Make a producer, not started. `limit`: the most bytes of one of Kafka's batches."""
    return _Aiokafka(
        bootstrap_servers=list(options.servers),
        client_id=options.client_id,
        enable_idempotence=True,
        acks="all",
        compression_type=None if options.compression == "none" else options.compression,
        max_batch_size=limit,
        max_request_size=limit,
        request_timeout_ms=int(options.timeout_s * 1000),
        retry_backoff_ms=100,
        transactional_id=options.transactional_id,
        security_protocol=_protocol(options),
        ssl_context=client_context(_tls_files(options)) if options.tls else None,
        **_sasl(options.sasl),
    )


class Connection:
    """Holds the one producer. Raises StartError when made with TLS files that can't be used."""

    def __init__(self, options: Options, new_producer: Callable[[Options, int], Producer]) -> None:
        self._options, self._new_producer = options, new_producer
        self._watch = Watch(_tls_files(options))
        self._producer: Producer | None = None
        self.limit = int(options.max_message_bytes)
        """The most bytes of a record and of one of Kafka's batches; less once the brokers have refused so much."""
        if options.tls:
            client_context(_tls_files(options))

    async def producer(self) -> Producer:
        """Give a producer that has been started. Raises what aiokafka raises."""
        if self._producer is not None and self._watch.changed():
            await self.drop()
        if self._producer is None:
            producer = self._new_producer(self._options, self.limit)
            self._producer = producer
            async with asyncio.timeout(self._options.timeout_s):
                await producer.start()
        return self._producer

    async def drop(self) -> None:
        """Let go of the producer and of what it has not sent; never fails, and takes about a second at most."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with boundary():
                async with asyncio.timeout(_FAREWELL_S):
                    await producer.stop()


class _Aiokafka(AIOKafkaProducer):  # type: ignore[misc] # aiokafka has no types
    """Lets go at once, and says why it can't connect.

    aiokafka's own stop() waits for what can't be sent until it can; its start() keeps to its log what brokers said.
    """

    _closed: bool

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - aiokafka's
        super().__init__(**options)
        self._dialling = {name: value for name, value in options.items() if name in _DIALLING}

    async def start(self) -> None:
        try:
            await super().start()
        except KafkaConnectionError:
            for host, port, _ in self.client.hosts:
                with boundary() as outcome:
                    (await create_conn(host, port, **self._dialling)).close()
                try:
                    if isinstance(outcome.error, KafkaError | ssl.SSLError):
                        raise outcome.error from None
                finally:
                    outcome.error = None  # which knows this frame, and would keep all that failed with it
            raise

    async def stop(self) -> None:
        if self._closed:
            return
        self._closed = True
        # Nobody waits for a batch any more; what is on the wire is cut off; then nothing is left to be done.
        accumulator = self._message_accumulator
        for batch in (*accumulator._pending_batches, *chain.from_iterable(accumulator._batches.values())):
            batch.future.cancel()
            batch._drain_waiter.cancel()
        await self.client.close()
        sender = self._sender.sender_task
        if sender is not None:
            sender.remove_done_callback(self._sender._fail_all)
            sender.cancel()
            await asyncio.wait([sender])
            with boundary():
                sender.cancelled() or sender.exception()


class _Token(AbstractTokenProvider):  # type: ignore[misc] # aiokafka has no types
    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token


def _tls_files(options: Options) -> TlsFiles:
    return TlsFiles(options.certificate, options.client_certificate, options.client_key)


def _protocol(options: Options) -> str:
    return ("SASL_" if options.sasl else "") + ("SSL" if options.tls else "PLAINTEXT")


def _sasl(sasl: Sasl | None) -> dict[str, Any]:
    if sasl is None:
        return {}
    if sasl.token is not None:
        provider = _Token(sasl.token.get_secret_value())
        return {"sasl_mechanism": sasl.mechanism, "sasl_oauth_token_provider": provider}
    password = sasl.password.get_secret_value() if sasl.password else ""
    return {
        "sasl_mechanism": sasl.mechanism,
        "sasl_plain_username": sasl.username,
        "sasl_plain_password": password,
    }
