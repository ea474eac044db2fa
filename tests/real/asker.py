"""The clients outside the mesh, who remember what they asked."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx

from telemetry.demo.traffic import traceparent

__all__ = ["MIXED", "PRODUCT", "Asker"]

PRODUCT = "/api/v1/products/3"  # gateway → productpage → details: three hops' worth of HTTP, no TCP
MIXED = (
    *["/productpage"] * 12,
    "/api/v1/products",
    PRODUCT,
    "/api/v1/products/5",
    "/api/v1/products/0/reviews",
    "/api/v1/products/7/reviews",
    "/api/v1/products/404",  # the application's own 404
    "/no-such-page",  # the gateway's own 404: no route
    "/no-such-page",
)


class Asker:
    """Asks the gateway. `sent`: how often so far. `trace_ids`: of all that. `answers`: by status, 0 for none."""

    def __init__(self, client: httpx.AsyncClient, gateway_url: str) -> None:
        self.sent = 0
        self.trace_ids: set[str] = set()
        self.answers: Counter[int] = Counter()
        self._client = client
        self._gateway_url = gateway_url
        self._random = random.Random(7)

    async def ask(self, path: str) -> int:
        parent = traceparent(self._random)
        self.sent += 1
        self.trace_ids.add(parent.split("-")[1])
        response = await self._client.get(self._gateway_url + path, headers={"traceparent": parent})
        self.answers[response.status_code] += 1
        return response.status_code

    async def ask_all(self, paths: Iterable[str], *, at_once: int = 16) -> None:
        """Ask them all, so many at a time."""
        waiting = iter(list(paths))

        async def work() -> None:
            for path in waiting:
                await self.ask(path)

        await asyncio.gather(*(work() for _ in range(at_once)))

    @asynccontextmanager
    async def asking(self, path: str, *, at_once: int = 2, pause_s: float = 0.02) -> AsyncIterator[None]:
        """Ask for this again and again, from `async with` to its end."""
        stopped = asyncio.Event()

        async def work() -> None:
            while not stopped.is_set():
                await self.ask(path)
                await asyncio.sleep(pause_s)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
            try:
                yield
            finally:
                stopped.set()
