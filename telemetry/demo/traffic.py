"""Steady traffic from outside the mesh: open loop, so that slow answers don't slow the asking."""

import asyncio
import random
import time
from collections import Counter
from types import TracebackType
from typing import Self

import httpx

__all__ = ["Traffic", "traceparent"]

_TIMEOUT_S = 20.0
_PATHS_AND_WEIGHTS = (
    ("/productpage", 70),
    ("/api/v1/products", 5),
    ("/api/v1/products/{product}", 10),
    ("/api/v1/products/{product}/reviews", 8),
    ("/api/v1/products/404", 4),  # the application's own 404
    ("/no-such-page", 3),  # the gateway's own 404: no route
)


class Traffic:
    """Asks the gateway `per_s` times a second from `async with` to its end, which waits for the answers.

    `sent`: requests so far. `answers`: by HTTP status, 0 when no answer came. `skipped`: not sent, as
    `in_flight_limit` requests were waiting for answers already.
    """

    def __init__(self, gateway_url: str, per_s: float = 20.0, *, seed: int = 0, in_flight_limit: int = 1000) -> None:
        self.sent = 0
        self.skipped = 0
        self.answers: Counter[int] = Counter()
        self._per_s = per_s
        self._in_flight_limit = in_flight_limit
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self._client = httpx.AsyncClient(
            base_url=gateway_url,
            timeout=_TIMEOUT_S,
            # What waits for a connection of ours would count as sent, and the mesh would never see it.
            limits=httpx.Limits(max_connections=in_flight_limit),
        )
        self._stopped = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._clock: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._clock = asyncio.create_task(self._ask_steadily())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Ask no more, and wait for the answers still due."""
        self._stopped.set()
        if self._clock is not None:
            await self._clock
        await asyncio.gather(*self._in_flight)
        await self._client.aclose()

    async def ask(self, path: str = "/productpage") -> int:
        """Ask once, and give the HTTP status; 0 when no answer came."""
        self.sent += 1
        try:
            response = await self._client.get(path, headers={"traceparent": traceparent(self._random)})
        except httpx.TransportError:
            status = 0
        else:
            status = response.status_code
        self.answers[status] += 1
        return status

    async def _ask_steadily(self) -> None:
        due = time.monotonic()
        while not await self._stopped_within(due - time.monotonic()):
            due += 1 / self._per_s
            if len(self._in_flight) >= self._in_flight_limit:
                self.skipped += 1
            else:
                self._launch()

    async def _stopped_within(self, delay_s: float) -> bool:
        if delay_s <= 0:
            # Behind the clock. wait_for would time out before it looks, and we would never stop.
            await asyncio.sleep(0)
            return self._stopped.is_set()
        try:
            await asyncio.wait_for(self._stopped.wait(), delay_s)
        except TimeoutError:
            return False
        return True

    def _launch(self) -> None:
        task = asyncio.create_task(self._ask(self._path()))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _ask(self, path: str) -> None:
        await self.ask(path)

    def _path(self) -> str:
        paths, weights = zip(*_PATHS_AND_WEIGHTS, strict=True)
        (path,) = self._random.choices(paths, weights)
        return str(path).format(product=self._random.randrange(10))


def traceparent(source: random.Random) -> str:
    """Give a W3C traceparent of a new, sampled trace."""
    trace_id, span_id = source.randrange(1, 1 << 128), source.randrange(1, 1 << 64)
    return f"00-{trace_id:032x}-{span_id:016x}-01"
