"""Hands batches to an adapter that is a program of its own, in any language: proto/telemetry/adapter/v1."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar, Self

from telemetry.adapter_protocol.encodings import Encoder
from telemetry.adapter_protocol.line import Line
from telemetry.adapter_protocol.options import Options
from telemetry.adapter_protocol.verdicts import Said
from telemetry.batch import Batch, Template
from telemetry.errors import Rejected, Retry, TooLarge
from telemetry.plugin import Limits

__all__ = ["Grpc"]


class Grpc(AbstractAsyncContextManager["Grpc"]):
    """Accepts every template: which ones a program is sent says its option `templates`, and it must accept those.

    Entering raises StartError when a TLS file can't be used; the program itself may come later.
    """

    class Config(Options):
        """What can be set."""

    accepts: ClassVar[frozenset[Template]] = frozenset(Template)

    def __init__(self, config: Config) -> None:
        self._config = config
        self._said = Said([secret.get_secret_value() for secret in config.secret_options.values()])
        self._encoder = Encoder()
        self._thread = ThreadPoolExecutor(1, "grpc-adapter")
        self._line: Line | None = None

    async def __aenter__(self) -> Self:
        self._line = Line(self._config, self._said)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.aclose()
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def limits(self) -> Limits:
        """What the program said when it was last asked."""
        agreement = self._line.agreement if self._line else None
        return Limits(rows=agreement.max_rows if agreement else None)

    async def export(self, batch: Batch) -> None:
        """Send the batch, and wait for the program's result of it.

        Raises what the result means: Retry, Rejected, TooLarge, Partial; Retry when there is none. Rejected, too, for a
        template that the option leaves out, which delivery never offers.
        """
        if batch.rows.is_empty():
            return
        if batch.template not in self._config.templates:
            raise Rejected(f"grpc: the handler's option templates leaves {batch.template} out")
        if self._line is None:
            raise Retry("grpc: the adapter has not been entered")
        stream = await self._line.stream()
        agreement, rows = stream.agreement, len(batch.rows)
        if agreement.max_rows is not None and rows > agreement.max_rows:
            raise TooLarge(f"grpc: {agreement.name} takes {agreement.max_rows} rows at a time, these are {rows}")
        loop = asyncio.get_running_loop()
        encoded = await loop.run_in_executor(self._thread, self._encoder.encode, batch, agreement.encoding)
        limit = agreement.max_message_bytes
        if encoded.size_bytes > limit:
            raise TooLarge(f"grpc: a batch of {encoded.size_bytes} bytes exceeds {agreement.name}'s limit of {limit}")
        await stream.export(encoded, rows, self._config.timeout_s)
