"""The task that enters an adapter and leaves it: what it enters there may be bound to a task, as anyio's scopes are."""

import asyncio
from typing import Any

import structlog

from telemetry.plugin import Adapter

__all__ = ["Keeper"]

log = structlog.get_logger(__name__)


class Keeper:
    """Keeps one adapter entered until it is told to leave it. Made within the event loop; begins to enter at once."""

    def __init__(self, name: str, adapter: Adapter) -> None:
        self._name = name
        self._entered: asyncio.Future[Adapter] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._task = asyncio.create_task(self._keep(adapter), name=f"keeper of {name}")
        self._task.add_done_callback(self._look_at)

    @property
    def adapter(self) -> Adapter:
        """Give what entering gave; there is one once `enter` has returned."""
        return self._entered.result()

    async def enter(self, limit_s: float) -> None:
        """Wait until the adapter is entered. Raises what it raises then.

        Cancelled, it gives the adapter up: one that is entered all the same, after that time, is left at once.
        """
        either: tuple[asyncio.Future[Any], ...] = (self._entered, self._task)
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if self._entered.done():
                await self.leave(limit_s)
            else:
                self._over.set()
                self._task.cancel()
                await asyncio.wait([self._task], timeout=limit_s)
            raise
        if not self._entered.done():
            self._task.result()

    async def leave(self, limit_s: float) -> None:
        """Leave the adapter. One that fails at it, or takes too long, is said, and keeps nobody from going on."""
        if self._task.done():
            return  # by itself, which is said already
        self._over.set()
        try:
            _, late = await asyncio.wait([self._task], timeout=limit_s)
        finally:
            self._task.cancel()
        if late:  # it may tidy up, but not for long either
            await asyncio.wait([self._task], timeout=limit_s)
        error = TimeoutError() if late or self._task.cancelled() else self._task.exception()
        if error is not None:
            log.error("an adapter failed when it was left", handler=self._name, exc_info=error)

    async def _keep(self, adapter: Adapter) -> None:
        async with adapter as entered:
            self._entered.set_result(entered)
            await self._over.wait()

    def _look_at(self, task: asyncio.Task[None]) -> None:
        """Take in how the task ended, and say it if nobody told it to: work of the adapter's own that fails does so."""
        error = None if task.cancelled() else task.exception()
        if self._entered.done() and not self._over.is_set() and not task.cancelled():
            log.error(
                "an adapter has ended by itself; its exports mostly fail until the service is started again",
                handler=self._name, exc_info=error,
            )  # fmt: skip
