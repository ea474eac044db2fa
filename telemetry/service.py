"""Lifetimes: start, reload, drain, stop."""

import asyncio
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
from telemetry.config.settings import LogSettings
from telemetry.delivery import Delivery
from telemetry.drain import Drain
from telemetry.feed import Feed
from telemetry.handlers import Handlers
from telemetry.http.app import create_app
from telemetry.http.explain import explain_router
from telemetry.http.metrics import metrics_router
from telemetry.http.pipelines import pipelines_router
from telemetry.http.reload import reload_router
from telemetry.http.server import HttpServer
from telemetry.http.tap import tap_router
from telemetry.plugin import Adapter
from telemetry.reload import Reloading
from telemetry.selfmetrics import SelfMetrics
from telemetry.tapping import Taps

__all__ = ["Service", "UseLog", "leave_log"]

log = structlog.get_logger(__name__)

_TICK_S = 1.0

UseLog = Callable[[LogSettings], None]
"""Has what is logged from now on logged as these settings say."""


def leave_log(_: LogSettings) -> None:
    """Leave logging to the program that we run in."""


class Service:
    """The whole program, made of its settings: `async with Service(settings)` runs it, leaving drains it.

    Entering raises StartError when an address is taken or a file can't be read. `failed` completes when a part of the
    program ended that must not. With `path`, the file the settings are from, it takes changes of it while it runs;
    `read` reads the file, and `use_log` takes its changes of `log`.
    """

    def __init__(
        self,
        settings: Settings,
        path: Path | None = None,
        read: Callable[[Path], Settings] = load,
        use_log: UseLog = leave_log,
    ) -> None:
        self._settings = settings
        self._use_log = use_log
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

    def warnings(self) -> dict[str, str]:
        """Give what does not work and keeps nothing else from its work, by part: sinks that have never taken anything.

        Not ready we are not for that: Envoys that could not connect would lose what the journal keeps for the sink.
        """
        return {f"handler {one.name}": one.unreachable for one in self.deliveries if one.unreachable}

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
            ticking = [self._tick(feed) for feed in self._feeds]
            for work in (*ticking, self._keep_account(), self._keep_registers(), self._watch(), self._follow_taps()):
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
            self._feed.use(composition.pipeline)
            self._composition = composition
            await self._handlers.apply(prepared)
            if settings.log != self._settings.log:
                self._use_log(settings.log)
            self._settings = settings

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
        return create_app(routers=routers, ready=self.not_ready, warnings=self.warnings)

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

    async def _tick(self, feed: Feed[Any]) -> None:
        """Flush a feed now and then; each has its own tick, as its append may wait for long."""
        while True:
            await asyncio.sleep(_TICK_S)
            await feed.flush(time.time_ns())

    async def _keep_account(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
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
        self._state = "draining"
        durable = self._settings.journal.path is not None
        drain = Drain(self._assembly, self._receiver, self._feeds, self._feeding, self._handlers, durable)
        try:
            await drain.run(self._settings.shutdown.deadline_s)
        finally:
            self._taps.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._account()
            log.info("stopped", **{delivery.name: str(delivery.account()) for delivery in self.deliveries})
