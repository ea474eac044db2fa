"""Writes requests and connections to Google Cloud Logging, as Istio's Stackdriver extension did."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar, Self

from google.cloud.logging_v2.types import WriteLogEntriesRequest

from telemetry.batch import Batch, Template
from telemetry.cloud_entries.client import Client
from telemetry.cloud_entries.entries import Entries, Request
from telemetry.cloud_entries.options import Options
from telemetry.errors import Partial, Rejected, Retry, TooLarge
from telemetry.plugin import Limits

__all__ = ["CloudLogging"]

MAX_REQUEST_BYTES = 10_000_000
MAX_ENTRIES = 1000


class CloudLogging(AbstractAsyncContextManager["CloudLogging"]):
    """Accepts LOGENTRY; an export is one request, whose entries are written or not each by itself.

    Making it raises StartError for a service account's key that is none.
    """

    class Config(Options):
        """What can be set."""

    accepts: ClassVar[frozenset[Template]] = frozenset({Template.LOGENTRY})
    limits: Limits = Limits(rows=MAX_ENTRIES)

    def __init__(self, config: Config) -> None:
        self._entries = Entries(config)
        self._client = Client(config)
        self._thread = ThreadPoolExecutor(1, "cloud_logging")
        self._entered = False

    async def __aenter__(self) -> Self:
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered = False
        await self._client.aclose()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def export(self, batch: Batch) -> None:
        """Write the batch in one request.

        Raises TooLarge beyond 10 MB, Rejected for a request that Cloud Logging finds malformed, Partial for entries
        that it did not write or that exceed its limit, with their positions; Retry for all else.
        """
        if not self._entered:
            raise Retry("cloud_logging: the adapter has not been entered")
        if batch.rows.is_empty():
            return
        request, message = await asyncio.get_running_loop().run_in_executor(self._thread, self._encode, batch)
        if len(request.body) > MAX_REQUEST_BYTES:
            raise TooLarge(f"cloud_logging: a request of {len(request.body)} bytes exceeds {MAX_REQUEST_BYTES}")
        if not request.positions:
            raise Partial("cloud_logging: no entry is small enough", rejected=request.refused)
        await self._write(request, message)

    async def _write(self, request: Request, message: WriteLogEntriesRequest) -> None:
        """Write; what can't be written because of its size is named beside what Cloud Logging names."""
        try:
            await self._client.write(message, request.positions)
        except Partial as partial:
            rejected = partial.rejected | request.refused
            raise Partial(str(partial), retry=partial.retry, rejected=rejected, after_s=partial.after_s) from None
        except TooLarge:
            raise
        except Rejected as error:
            if not request.refused:
                raise
            sent = dict.fromkeys(request.positions, str(error))
            raise Partial(str(error), rejected=sent | request.refused) from None
        if request.refused:
            raise Partial("cloud_logging: entries are too large", rejected=request.refused)

    def _encode(self, batch: Batch) -> tuple[Request, WriteLogEntriesRequest]:
        request = self._entries.encode(batch)
        return request, WriteLogEntriesRequest.deserialize(request.body)
