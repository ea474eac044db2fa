"""Sends log records, metrics and spans to whatever speaks OTLP: a Collector, a vendor, a back end."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from types import TracebackType
from typing import ClassVar, Self

import structlog

from telemetry.batch import Batch, Template
from telemetry.errors import Partial, Rejected, Retry, TooLarge
from telemetry.opentelemetry.answers import partial_success
from telemetry.opentelemetry.encoding import Encoding
from telemetry.opentelemetry.options import Options
from telemetry.opentelemetry.target import Signal, Target, target, temporality
from telemetry.opentelemetry.transports import Transport, transport
from telemetry.plugin import Count, Limits

__all__ = ["Otlp"]

log = structlog.get_logger(__name__)

_SIGNALS: Mapping[Template, Signal] = {
    Template.LOGENTRY: "logs",
    Template.METRIC: "metrics",
    Template.TRACESPAN: "traces",
}
_REFUSED = "telemetry_otlp_refused_records_total"


class Otlp(AbstractAsyncContextManager["Otlp"]):
    """Accepts LOGENTRY, METRIC and TRACESPAN; an export is one request.

    Making it raises StartError for an option or variable that can't be; entering, for a TLS file that can't be used.
    """

    class Config(Options):
        """What can be set."""

    accepts: ClassVar[frozenset[Template]] = frozenset(_SIGNALS)

    def __init__(
        self,
        config: Config,
        *,
        environment: Mapping[str, str] = os.environ,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._targets: dict[Signal, Target] = {
            signal: target(config, signal, environment) for signal in _SIGNALS.values()
        }
        self._max_bytes = int(config.max_request_bytes)
        self._encoding = Encoding(config, temporality(config, environment), clock_ns)
        self._refused: dict[Signal, int] = {}
        self._transports: dict[Signal, Transport] = {}
        self._thread = ThreadPoolExecutor(1, "otlp")
        self._in_order = asyncio.Lock()
        self.limits = Limits(rows=config.max_rows)

    async def __aenter__(self) -> Self:
        self._transports = {signal: transport(one) for signal, one in self._targets.items()}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for one in self._transports.values():
            await one.aclose()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def export(self, batch: Batch) -> None:
        """Send the batch in one request.

        Raises Retry, Rejected or TooLarge as the sink's answer says; Partial for rows that OTLP has no form for, with
        their positions. What a sink refuses of a request it takes is counted and logged: it does not say which rows.
        """
        if batch.rows.is_empty():
            return
        async with self._in_order if self._encoding.in_order(batch) else nullcontext():
            await self._export(batch)

    async def _export(self, batch: Batch) -> None:
        # Encoding takes some 10 µs a row; meanwhile others go on.
        encoded = await asyncio.get_running_loop().run_in_executor(self._thread, self._encoding.encode, batch)
        if len(encoded.request) > self._max_bytes:
            size = len(encoded.request)
            raise TooLarge(f"otlp: a request of {size} bytes exceeds max_request_bytes={self._max_bytes}")
        if encoded.records:
            await self._send(_SIGNALS[batch.template], encoded.request, encoded.records)
        if encoded.refused:
            raise Partial("otlp: rows that OTLP has no form for", rejected=encoded.refused)

    def counts(self) -> Iterator[Count]:
        """Give what the sink refused of requests that it took."""
        text = "Log records, data points and spans that the sink refused of requests it took; it does not say which."
        for signal, number in self._refused.items():
            labels = {"endpoint": _place(self._targets[signal]), "signal": signal}
            yield Count(_REFUSED, "counter", text, number, labels)

    async def _send(self, signal: Signal, request: bytes, records: int) -> None:
        if signal not in self._transports:
            raise Retry("otlp: the adapter has not been entered")
        refused, why = partial_success(signal, await self._transports[signal].send(request))
        if refused >= records:
            raise Rejected(f"otlp: the sink refused all {records} of a request: {why or 'it does not say why'}")
        if refused:
            self._refused[signal] = self._refused.get(signal, 0) + refused
            log.error("the sink refused a part of a request for good", signal=signal, refused=refused, why=why)
        elif why:
            log.warning("the sink took a request and warns", signal=signal, warning=why)


def _place(one: Target) -> str:
    """Give the address without what may be secret in a URL."""
    return one.address.partition("?")[0]
