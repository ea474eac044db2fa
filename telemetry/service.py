"""Lifetimes: what is started, in which order, and how it ends."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, Self, TypeVar

import structlog
from fastapi import FastAPI

from telemetry.assembly import Assembly
from telemetry.batch import Batch
from telemetry.boundary import boundary
from telemetry.config import Settings
from telemetry.delivery import Delivery, Patience
from telemetry.http.app import create_app
from telemetry.http.explain import explain_router
from telemetry.http.metrics import metrics_router
from telemetry.http.server import HttpServer
from telemetry.plugin import Scraped
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Service", "serve"]

log = structlog.get_logger(__name__)

Argument = TypeVar("Argument")

_TICK_S = 1.0
# How long streams may go on after our goodbye: Envoy's default flush interval, so that what it has buffered comes.
_STREAM_GRACE_S = 1.0


class Service:
    """The whole program, made of its settings: `async with Service(settings)` runs it, leaving drains it.

    Entering raises StartError when an address is taken or a file can't be read. `failed` completes when a part of the
    program ended that must not.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parts = Assembly(settings)
        self.deliveries: list[Delivery] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._receiver = self._parts.receiver()
        self._http = HttpServer(settings.http, self._app())
        self._stack = AsyncExitStack()
        self._thread = ThreadPoolExecutor(1, "pipeline")
        self._tasks: list[asyncio.Task[None]] = []
        self._state = "starting"

    @property
    def metrics(self) -> SelfMetrics:
        """What we count about ourselves."""
        return self._parts.metrics

    @property
    def grpc_port(self) -> int:
        """Where Envoys connect."""
        return self._receiver.port

    @property
    def http_port(self) -> int:
        """Where people and Prometheus connect."""
        return self._http.port

    def not_ready(self) -> dict[str, str]:
        """Give the reasons for not being ready, by part; empty when ready."""
        own = {} if self._state == "ready" else {"service": self._state}
        return own | dict(self._parts.registers.not_ready())

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.deliveries = [await self._enter(stack, name) for name in self._settings.handlers]
            templates = {template for delivery in self.deliveries for template in delivery.adapter.accepts}
            self._pipeline = self._parts.pipeline(templates)
            await stack.enter_async_context(self._parts.registers)
            stack.push_async_callback(self._http.stop)
            stack.push_async_callback(self._drain)
            for work in (
                self._feed(),
                self._tick(),
                self._keep_registers(),
                *(delivery.run() for delivery in self.deliveries),
            ):
                self._spawn(work)
            await self._receiver.start()
            await self._http.start()
            self._stack = stack.pop_all()
        self._state = "ready"
        log.info(
            "ready",
            als=f"{self._settings.receiver.grpc.address.host}:{self.grpc_port}",
            http=f"http://{self._settings.http.address.host}:{self.http_port}",
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._state = "draining"
        await self._stack.aclose()

    def _app(self) -> FastAPI:
        routers = [metrics_router(self.metrics.registry, self._scraped), explain_router(self._parts.explainer())]
        return create_app(routers=routers, ready=self.not_ready)

    async def _enter(self, stack: AsyncExitStack, name: str) -> Delivery:
        settings = self._settings.handlers[name]
        adapter = await stack.enter_async_context(settings.make())
        patience = Patience(
            settings.delivery.deadline_s, settings.delivery.initial_backoff_s, settings.delivery.max_backoff_s
        )
        return Delivery(name, adapter, self._parts.journal, self.metrics, patience)

    def _scraped(self) -> list[Scraped]:
        self._account()
        return [delivery.adapter for delivery in self.deliveries if isinstance(delivery.adapter, Scraped)]

    async def _feed(self) -> None:
        """Take chunks through the pipeline into the journal, until the coalescer is closed and empty."""
        while (chunk := await self._parts.coalescer.take()) is not None:
            with boundary() as outcome:
                await self._parts.journal.append(await self._in_thread(self._pipeline.run, chunk))
            if outcome.error is not None:
                self.metrics.rejected.labels("pipeline_error").inc(chunk.entries)
                log.error(
                    "a chunk of entries could not be processed; please report this",
                    entries=chunk.entries,
                    exc_info=outcome.error,
                )

    async def _keep_registers(self) -> None:
        await self._parts.registers.run()
        # It returns at once where none is configured; no task of ours may end before the drain.
        await asyncio.Event().wait()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            await self._flush()
            self._account()

    async def _flush(self) -> None:
        await self._parts.journal.append(await self._in_thread(self._pipeline.flush, time.time_ns()))

    async def _in_thread(self, call: Callable[[Argument], list[Batch]], argument: Argument) -> list[Batch]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, argument)

    def _account(self) -> None:
        for delivery in self.deliveries:
            delivery.account()
        self._parts.measure()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing that was started may end before the drain: a part that is gone must not go unnoticed."""
        if self._state == "draining" or self.failed.done():
            return
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self.failed.set_exception(RuntimeError(f"{task.get_coro()} has ended: {error!r}"))

    async def _drain(self) -> None:
        """Stop reading, finish what was read, deliver it: within the deadline, or say what is left."""
        self._state = "draining"
        try:
            async with asyncio.timeout(self._settings.shutdown.deadline_s):
                with boundary() as outcome:
                    await self._receiver.stop(_STREAM_GRACE_S)
                    self._parts.coalescer.close()
                    await self._tasks[0]
                    await self._flush()
                if outcome.error is not None:
                    log.error("not everything that was read could be processed", exc_info=outcome.error)
                await self._delivered()
        except TimeoutError:
            self.metrics.rejected.labels("shutdown").inc(self._parts.coalescer.pending_entries)
            log.error(
                "not everything was delivered in time; raise shutdown.deadline",
                entries=self._parts.coalescer.pending_entries,
                rows={delivery.name: delivery.account().pending for delivery in self.deliveries},
            )
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._thread.shutdown(wait=False)
            self._account()
            log.info("stopped", **{delivery.name: str(delivery.account()) for delivery in self.deliveries})

    async def _delivered(self) -> None:
        while any(delivery.account().pending for delivery in self.deliveries):
            await asyncio.sleep(0.01)


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises StartError when it can't start, and whatever broke it later."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Service(settings) as service:
        stopped = asyncio.ensure_future(stop.wait())
        waiting: list[asyncio.Future[Any]] = [stopped, service.failed]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
    if service.failed.done():
        service.failed.result()
