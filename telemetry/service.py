"""Lifetimes: start, reload, drain, stop."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import structlog
from fastapi import FastAPI

from telemetry.assembly import Assembly
from telemetry.boundary import boundary
from telemetry.composition import Composition
from telemetry.config import Settings, load
from telemetry.delivery import Delivery
from telemetry.feed import Feed
from telemetry.handlers import Handlers
from telemetry.http.app import create_app
from telemetry.http.explain import explain_router
from telemetry.http.metrics import metrics_router
from telemetry.http.pipelines import pipelines_router
from telemetry.http.reload import reload_router
from telemetry.http.server import HttpServer
from telemetry.http.tap import tap_router
from telemetry.pipeline import END_NS
from telemetry.plugin import Adapter
from telemetry.reload import Reloading
from telemetry.selfmetrics import SelfMetrics
from telemetry.tapping import Taps

__all__ = ["Service", "serve"]

log = structlog.get_logger(__name__)

_TICK_S = 1.0
# How long streams may go on after our goodbye: Envoy's default flush interval, so that what it has buffered comes.
_STREAM_GRACE_S = 1.0


class Service:
    """The whole program, made of its settings: `async with Service(settings)` runs it, leaving drains it.

    Entering raises StartError when an address is taken or a file can't be read. `failed` completes when a part of the
    program ended that must not. With `path`, the file the settings are from, it takes changes of it while it runs;
    `read` reads the file.
    """

    def __init__(self, settings: Settings, path: Path | None = None, read: Callable[[Path], Settings] = load) -> None:
        self._settings = settings
        self._assembly = Assembly(settings)
        self._composition = Composition(self._assembly, settings)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reloading = Reloading(path, settings, self.apply, self.metrics, read) if path else None
        self._handlers = Handlers(self._ended)
        self._receiver = self._assembly.receiver()
        self._taps = Taps()
        self._one_change = asyncio.Lock()
        self._http = HttpServer(settings.http, self._app())
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._state = "starting"

    @property
    def metrics(self) -> SelfMetrics:
        """What we count about ourselves."""
        return self._assembly.metrics

    @property
    def deliveries(self) -> list[Delivery]:
        """The handlers' deliveries, in the order of the configuration."""
        return self._handlers.deliveries

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
        return own | dict(self._assembly.not_ready())

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._assembly)
            stack.push_async_callback(self._handlers.stop)
            await self._handlers.apply(await self._handlers.prepare(self._composition.outfits))
            self._assembly.forget_all_but(self._composition.outfits)
            self._feed = self._assembly.feed(self._composition.pipeline, self._taps.offer)
            stats = self._assembly.stats_feed(self._taps.offer)
            self._feeds: list[Feed[Any]] = [self._feed, stats] if stats else [self._feed]
            for feed in self._feeds:
                stack.callback(feed.close)
            stack.push_async_callback(self._http.stop)
            stack.push_async_callback(self._drain)
            self._feeding = [self._spawn(feed.run()) for feed in self._feeds]
            for work in (self._tick(), self._keep_registers(), self._watch(), self._follow_taps()):
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

    async def apply(self, settings: Settings) -> None:
        """Run on these settings from now on: what is the same goes on, what differs is made anew.

        Raises what the making raises, ConfigError or StartError mostly; nothing has changed then.
        """
        async with self._one_change:
            composition = Composition(self._assembly, settings, self._composition, self._composition.tapped)
            prepared = await self._handlers.prepare(composition.outfits)
            composition.begin()
            self._feed.use(composition.pipeline)
            await self._handlers.apply(prepared)
            self._composition = composition

    def _app(self) -> FastAPI:
        routers = [
            metrics_router(self.metrics.registry, self._adapters),
            explain_router(lambda: self._composition.explainer),
            pipelines_router(
                lambda: [delivery.status() for delivery in self.deliveries], self._assembly.journal.problems
            ),
            reload_router(self.reloading.reload if self.reloading else None),
            tap_router(self._taps),
            *self._assembly.mesh_routers(),
        ]
        return create_app(routers=routers, ready=self.not_ready)

    def _adapters(self) -> dict[str, Adapter]:
        self._account()
        return {delivery.name: delivery.adapter for delivery in self.deliveries}

    async def _keep_registers(self) -> None:
        await self._assembly.registers.run()
        # It returns at once where none is configured; no task of ours may end before the drain.
        await asyncio.Event().wait()

    async def _watch(self) -> None:
        if self.reloading:
            await self.reloading.watch()
        await asyncio.Event().wait()

    async def _follow_taps(self) -> None:
        """Make what somebody watches for as long as somebody does."""
        while True:
            await self._taps.changed.wait()
            self._taps.changed.clear()
            async with self._one_change:
                if self._taps.templates == self._composition.tapped:
                    continue
                # Whoever watches must not be able to end the service.
                with boundary() as outcome:
                    self._composition = self._composition.watched(self._taps.templates)
                    self._feed.use(self._composition.pipeline)
                if outcome.error is not None:
                    log.error("what is tapped can't be made", exc_info=outcome.error)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            for feed in self._feeds:
                await feed.flush(time.time_ns())
            self._account()

    def _account(self) -> None:
        for delivery in self.deliveries:
            delivery.account()
        self._assembly.measure()
        self._composition.measure()

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        return task

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
                    self._assembly.close_receivers()
                    await asyncio.gather(*self._feeding)
                    for feed in self._feeds:
                        await feed.flush(END_NS)
                if outcome.error is not None:
                    log.error("not everything that was read could be processed", exc_info=outcome.error)
                await self._handlers.delivered()
        except TimeoutError:
            entries = self._assembly.coalescer.pending_entries + self._feed.entries_in_hand
            self.metrics.rejected.labels("shutdown").inc(entries)
            durable = self._settings.journal.path is not None
            log.warning(
                "not everything was delivered in time; "
                + ("the journal keeps the rows for the next start" if durable else "raise shutdown.deadline"),
                entries=entries,
                rows={delivery.name: delivery.account().pending for delivery in self.deliveries},
            )
        finally:
            self._taps.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._account()
            log.info("stopped", **{delivery.name: str(delivery.account()) for delivery in self.deliveries})


async def serve(settings: Settings, path: Path | None = None) -> None:
    """Run until SIGTERM or SIGINT, then drain; SIGHUP reads the file again.

    Raises StartError when it can't start, and whatever broke it later.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Service(settings, path) as service:
        # Without a file there is nothing to read; the default would end us.
        loop.add_signal_handler(signal.SIGHUP, service.reloading.hang_up if service.reloading else lambda: None)
        stopped = asyncio.ensure_future(stop.wait())
        waiting: list[asyncio.Future[Any]] = [stopped, service.failed]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
    if service.failed.done():
        service.failed.result()
