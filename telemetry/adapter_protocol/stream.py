"""One Export stream: batches go out, and each waits for its result."""

import asyncio
from itertools import count
from typing import Any

import grpc

from telemetry.adapter_protocol.agreement import Agreement
from telemetry.adapter_protocol.encodings import Encoded
from telemetry.adapter_protocol.messages import method, number, of
from telemetry.adapter_protocol.verdicts import Said, failed_call, verdict
from telemetry.errors import ExportError, Retry, TooLarge

__all__ = ["Stream"]


class Stream:
    """Opened by the first batch. Once it has ended, by either side, it stays so: `ended`."""

    def __init__(self, channel: grpc.aio.Channel, agreement: Agreement, options_json: str, said: Said) -> None:
        self.agreement = agreement
        self._said = said
        self._call = channel.stream_stream(
            method("Export"),
            response_deserializer=of("ExportResponse").FromString,
        )()
        self._opening = of("ExportRequest")(
            opening={
                "protocol_version": agreement.protocol_version,
                "options_json": options_json,
                "encoding": number("Encoding", agreement.encoding.upper()),
            }
        ).SerializeToString()
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._opened = False
        self._results = asyncio.create_task(self._read())

    @property
    def ended(self) -> bool:
        """Whether nothing can be sent by it any more."""
        return self._results.done() or bool(self._call.done())

    async def export(self, batch: Encoded, rows: int, timeout_s: float) -> None:
        """Send a batch of so many rows, and wait for its result. Raises what that means, Retry when there is none.

        Without a result in time, or cancelled, the stream ends: who hangs is not trusted with the next batch.
        """
        own = next(self._numbers)
        result = self._waiting[own] = asyncio.get_running_loop().create_future()
        answered = False
        try:
            async with asyncio.timeout(timeout_s):
                await self._send(batch.request(own, int(timeout_s * 1000)))
                response = await result
            answered = True
        except TimeoutError:
            raise Retry(f"grpc: {self.agreement.name} gave no result within {timeout_s:g} s") from None
        except asyncio.InvalidStateError:
            raise Retry("grpc: the stream ended before the batch was sent") from None
        finally:
            del self._waiting[own]
            _look_at(result)
            if not answered:
                self._call.cancel()
        if error := verdict(response, rows, self._said):
            raise error

    async def aclose(self) -> None:
        """End it now, whatever the program does; what waits gets Retry."""
        self._call.cancel()
        self._results.cancel()
        await asyncio.gather(self._results, return_exceptions=True)
        self._fail(Retry("grpc: the stream was closed"))

    async def _send(self, request: bytes) -> None:
        """Write, as fast as the program reads."""
        async with self._one_at_a_time:
            try:
                if not self._opened:
                    await self._call.write(self._opening)
                    self._opened = True
                await self._call.write(request)
            except grpc.aio.AioRpcError as error:
                raise self._meaning(error) from None
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # So gRPC says that the call was cancelled: by the reader, or by another export that gave up.
                raise Retry("grpc: the stream ended before the batch was sent") from None

    async def _read(self) -> None:
        """Hand each result to who waits for it; of one that nobody waits for there is nothing to do."""
        ending: ExportError = Retry(f"grpc: {self.agreement.name} closed the stream")
        try:
            async for response in self._call:
                if response is None:  # no ExportResponse; gRPC logs it
                    ending = Retry(f"grpc: {self.agreement.name} gave a result that is none")
                    break
                self._hand_over(response)
        except grpc.aio.AioRpcError as error:
            ending = self._meaning(error)
        finally:
            self._call.cancel()
            self._fail(ending)

    def _hand_over(self, response: Any) -> None:  # noqa: ANN401 - likewise
        result = self._waiting.get(response.id)
        if result is not None and not result.done():
            result.set_result(response)

    def _fail(self, error: ExportError) -> None:
        for result in self._waiting.values():
            if not result.done():
                result.set_exception(type(error)(str(error)))

    def _meaning(self, error: grpc.aio.AioRpcError) -> ExportError:
        details = error.details() or ""
        told_too_large = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details
        # Of several nobody knows which; our own limit on results speaks likewise.
        if told_too_large and "CLIENT:" not in details and len(self._waiting) == 1:
            return TooLarge(f"grpc: {self.agreement.name} takes less at a time: {self._said(details)}")
        return failed_call("Export", error.code(), details, self._said)


def _look_at(result: asyncio.Future[Any]) -> None:
    """Have asyncio not complain of an error that came while the batch was still being written."""
    if result.done() and not result.cancelled():
        result.exception()
