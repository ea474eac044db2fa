"""Samples of Istio's metrics, from the service's own page or from Prometheus."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Query", "Sample", "query_page", "query_prometheus"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value now; `name` as exposed, with `_total` or `_bucket`."""

    name: str
    labels: Mapping[str, str]
    value: float


Query = Callable[[], Awaitable[list[Sample]]]


async def query_page(client: httpx.AsyncClient, url: str, prefix: str = "") -> list[Sample]:
    """Read every sample of a text page whose name begins so. Raises httpx.HTTPError when there is none."""
    response = await client.get(url, headers={"accept": "text/plain; version=0.0.4"})
    response.raise_for_status()
    return [
        Sample(sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(_only(response.text, prefix))
        for sample in family.samples
    ]


async def query_prometheus(client: httpx.AsyncClient, url: str, expression: str) -> list[Sample]:
    """Evaluate an expression now. Raises httpx.HTTPError when Prometheus refuses it."""
    response = await client.post(f"{url}/api/v1/query", data={"query": expression})
    response.raise_for_status()
    return [
        Sample(
            one["metric"].get("__name__", ""),
            {name: value for name, value in one["metric"].items() if name != "__name__"},
            float(one["value"][1]),
        )
        for one in response.json()["data"]["result"]
    ]


def _only(page: str, prefix: str) -> str:
    """Leave out lines of other metrics: reading them takes long."""
    if not prefix:
        return page
    # Only newlines separate samples: values of labels may hold whatever else Python takes for one.
    return "\n".join(line for line in page.split("\n") if line.startswith(prefix)) + "\n"
