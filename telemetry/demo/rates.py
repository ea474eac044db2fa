"""How fast Istio's counters grow now: asked of Prometheus, else worked out from the service's own page."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

import httpx

from telemetry.demo.samples import Sample, query_prometheus

__all__ = ["WINDOW_S", "PageRates", "PrometheusRates"]

WINDOW_S = 10
_NAMES = (
    "istio_requests_total",
    "istio_request_duration_milliseconds_bucket",
    "istio_tcp_sent_bytes_total",
    "istio_tcp_received_bytes_total",
)
_Series = tuple[str, frozenset[tuple[str, str]]]


class PrometheusRates:
    """Asks a Prometheus at `url` for the rates of the last ten seconds."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    async def read(self) -> list[Sample]:
        """Give one sample per source-reported series, its value per second."""
        answers = await asyncio.gather(*(self._rates(name) for name in _NAMES))
        return [sample for answer in answers for sample in answer]

    async def _rates(self, name: str) -> list[Sample]:
        expression = f'rate({name}{{reporter="source"}}[{WINDOW_S}s])'
        samples = await query_prometheus(self._client, self._url, expression)
        # rate() takes the name away.
        return [Sample(name, sample.labels, sample.value) for sample in samples]


class PageRates:
    """Reads the page again and again, and compares with what it was up to `window_s` seconds before."""

    def __init__(
        self, query: Callable[[], Awaitable[list[Sample]]], clock: Callable[[], float], window_s: float = WINDOW_S
    ) -> None:
        self._query = query
        self._clock = clock
        self._window_s = window_s
        self._readings: deque[tuple[float, dict[_Series, float]]] = deque()

    async def read(self) -> list[Sample]:
        """Give one sample per series, its value per second; none at the first reading."""
        self._readings.append((self._clock(), _values(await self._query())))
        (then, before), (now, after) = self._readings[0], self._readings[-1]
        if now - then > self._window_s:
            self._readings.popleft()
        if now == then:
            return []
        return [
            Sample(name, dict(labels), (value - before.get((name, labels), 0.0)) / (now - then))
            for (name, labels), value in after.items()
        ]


def _values(samples: Iterable[Sample]) -> dict[_Series, float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value for sample in samples if sample.name in _NAMES
    }
