"""Writes running totals to whatever takes Prometheus remote write: Prometheus, Mimir, Thanos, a vendor."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar, Self, TypeVar

import structlog

from telemetry.batch import Batch, Template
from telemetry.boundary import Failures, boundary
from telemetry.errors import ExportError, Rejected, Retry, StartError
from telemetry.outgoing.http import HttpPoster
from telemetry.outgoing.tls import TlsFiles
from telemetry.plugin import Count
from telemetry.remote_write.options import Options
from telemetry.remote_write.sending import MAX_ANSWER_BYTES, Sender
from telemetry.remote_write.shelf import Due, Shelf

__all__ = ["PrometheusRemoteWrite"]

log = structlog.get_logger(__name__)

_T = TypeVar("_T")

_TICK_S = 0.5
_FAREWELL_S = 3.0
_OWN = {
    "telemetry_remote_write_refused_samples_total": "Samples that the back end left out of writes it took.",
    "telemetry_remote_write_overflow_points_total": "Points added to an overflow series for lack of room.",
    "telemetry_remote_write_expired_series_total": "Series ended because nothing had changed for expire_after.",
}
_VALUE = re.compile(r"[\t\x20-\x7e]*", re.ASCII)


class PrometheusRemoteWrite(AbstractAsyncContextManager["PrometheusRemoteWrite"]):
    """Accepts METRIC. Keeps totals in memory and writes those that have changed, all samples of a write with its time.

    A batch counts once however often it comes; a write that failed is made up for by the next, which has the totals.
    """

    class Config(Options):
        """What can be set."""

    accepts: ClassVar[frozenset[Template]] = frozenset({Template.METRIC})

    def __init__(
        self,
        config: Config,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._config = config
        self._clock_ns = clock_ns
        self._shelf = Shelf(config, clock_ns, wall_ns)
        self._sender: Sender | None = None
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "remote-write")
        self._repeating: asyncio.Task[None] | None = None
        # Both: up to when changes were written; and when all series last were.
        self._written_ns = 0
        self._repeated_ns = clock_ns()
        self._failing = ""
        self._failures = Failures()

    async def __aenter__(self) -> Self:
        config = self._config
        if (config.client_certificate is None) != (config.client_key is None):
            raise StartError("remote write: client_certificate and client_key go together; set both or neither")
        headers = {name: secret.get_secret_value() for name, secret in config.headers.items()}
        if wrong := [name for name, value in headers.items() if not _VALUE.fullmatch(value)]:
            raise StartError(f"remote write: the value of header {wrong[0]} has characters that none may have")
        tls = TlsFiles(config.certificate, config.client_certificate, config.client_key)
        poster = HttpPoster(tls, timeout_s=config.timeout_s, max_answer_bytes=MAX_ANSWER_BYTES)
        self._sender = Sender(config.url, config.protocol, headers, poster)
        self._repeating = asyncio.create_task(self._repeat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what `interval` still held back, if the back end takes it at once."""
        if self._repeating is None or self._sender is None:
            return
        self._repeating.cancel()
        await asyncio.gather(self._repeating, return_exceptions=True)
        self._repeating = None
        if self._config.interval_s:
            with boundary() as outcome:
                async with asyncio.timeout(_FAREWELL_S):
                    await self._write()
            if outcome.error is not None:
                log.error("the last totals could not be written", error=str(outcome.error) or "no answer in time")
        await self._sender.aclose()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def export(self, batch: Batch) -> None:
        """Add the batch to the totals, and write what has changed unless `interval` says that it is too early.

        Raises Retry as the back end's answer says (the batch is in the totals and will not be added again), Rejected
        for what has no form in Prometheus or what the back end never takes.
        """
        if batch.rows.is_empty():
            return
        await self._in_thread(lambda: self._shelf.add(batch))
        if self._clock_ns() - self._written_ns >= self._config.interval_s * 1e9:
            await self._write()

    def counts(self) -> Iterator[Count]:
        """Give what the totals and the sink left out."""
        refused = self._sender.refused if self._sender else 0
        labels = {"url": self._config.url.partition("?")[0]}
        numbers = (refused, self._shelf.overflow_points, self._shelf.expired)
        for (name, text), number in zip(_OWN.items(), numbers, strict=True):
            yield Count(name, "counter", text, number, labels)

    async def _write(self, *, everything: bool = False) -> None:
        """Write what has changed since the last time, or everything; one write at a time. Raises Retry or Rejected."""
        if self._sender is None:
            raise Retry("remote write: the adapter has not been entered")
        async with self._turn:
            since_ns = 0 if everything else self._written_ns
            # Once more where the back end is found to know 1.0 only, which has fewer kinds of histograms.
            while not await self._written(self._sender, since_ns):
                pass

    async def _written(self, sender: Sender, since_ns: int) -> bool:
        """Write what has changed since then; False when it must be made anew, for an older protocol."""
        newest = sender.newest
        due = await self._in_thread(lambda: self._shelf.due(since_ns, newest=newest))
        try:
            if not await self._send(sender, due):
                return False
        except Rejected:
            # To write the same again would be refused again; what comes next has the totals.
            self._settle(due)
            raise
        self._settle(due)
        return True

    async def _send(self, sender: Sender, due: Due) -> bool:
        rejected: Rejected | None = None
        step = self._config.max_samples
        for start in range(0, len(due.series), step):
            try:
                if not await sender.send(due.series[start : start + step], due.time_ms):
                    return False
            except Rejected as error:
                rejected = error
        if rejected:
            raise rejected
        return True

    def _settle(self, due: Due) -> None:
        self._shelf.written(due)
        self._written_ns = due.as_of_ns

    async def _repeat(self) -> None:
        """Write what `interval` held back, repeat what has not changed, end what has expired."""
        while True:
            await asyncio.sleep(_TICK_S)
            now_ns = self._clock_ns()
            everything = now_ns - self._repeated_ns >= self._config.resend_after_s * 1e9
            held_back = self._config.interval_s and now_ns - self._written_ns >= self._config.interval_s * 1e9
            if everything or held_back:
                await self._write_quietly(everything=everything)
            if everything:
                self._repeated_ns = now_ns

    async def _write_quietly(self, *, everything: bool) -> None:
        """Write; whatever fails is said, and keeps nobody from the next write."""
        with boundary() as outcome:
            await self._write(everything=everything)
        error = outcome.error
        if isinstance(error, ExportError) and str(error) != self._failing:
            log.warning("a write failed; the next one brings the totals", error=str(error))
        elif error is not None and not isinstance(error, ExportError):
            self._failures.say("totals could not be written", error)
        self._failing = str(error) if error is not None else ""

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
