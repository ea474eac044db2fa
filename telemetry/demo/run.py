"""The demonstration from start to end: service, Prometheus, mesh, traffic, a live table, a comparison."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console

from telemetry.demo.binaries import prometheus_installed
from telemetry.demo.compare import PROMQL
from telemetry.demo.demonstration import Demonstration, Readings
from telemetry.demo.graph import read_graph
from telemetry.demo.mesh import Mesh
from telemetry.demo.network import claimed_network, host_and_port
from telemetry.demo.prometheus import prometheus
from telemetry.demo.rates import PageRates, PrometheusRates
from telemetry.demo.samples import query_page, query_prometheus
from telemetry.demo.service import service
from telemetry.demo.topology import bookinfo

__all__ = ["Options", "run"]

_CLIENT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line can say. Addresses are host:port. `seconds`: null for until interrupted.

    `prometheus_address`: null for none; then every number comes from the service's own page.
    """

    seconds: float | None = None
    requests_per_s: float = 20.0
    als_address: str = "127.0.0.1:9901"
    http_address: str = "127.0.0.1:9902"
    prometheus_address: str | None = "127.0.0.1:9903"


async def run(options: Options, folder: Path, console: Console) -> bool:
    """Run until the time is up, and tell whether what was counted equals what the Envoys wrote.

    Without `seconds` it runs until it is cancelled. All that it started is stopped, however it ends.
    Raises StartError when something doesn't come up.
    """
    if options.prometheus_address is not None and not prometheus_installed():
        console.print("No Prometheus here (`make tools` gets one): numbers come from the service's own page.")
        options = replace(options, prometheus_address=None)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=_CLIENT_TIMEOUT_S))
        mesh = await _start(options, folder, client, stack)
        demonstration = Demonstration(mesh, _readings(options, client), options.requests_per_s, console)
        await demonstration.warm_up()
        if options.seconds is None:
            await demonstration.show(None)
            return True
        return await demonstration.compare(options.seconds)


async def _start(options: Options, folder: Path, client: httpx.AsyncClient, stack: AsyncExitStack) -> Mesh:
    network = stack.enter_context(claimed_network())
    await stack.enter_async_context(service(options.als_address, options.http_address, folder, client))
    if options.prometheus_address is not None:
        await stack.enter_async_context(prometheus(options.http_address, options.prometheus_address, folder, client))
    mesh = Mesh(
        bookinfo(network),
        host_and_port(options.als_address),
        folder,
        # Without an end there is nothing to compare, and the files would grow for ever.
        access_log_files=options.seconds is not None,
    )
    return await stack.enter_async_context(mesh)


def _readings(options: Options, client: httpx.AsyncClient) -> Readings:
    own_url = f"http://{options.http_address}"
    page_url = f"{own_url}/metrics"
    graph = partial(read_graph, client, own_url)
    urls = {"metrics": page_url, "graph": f"{own_url}/api/v1/graph?format=mermaid"}
    page = partial(query_page, client, page_url)
    if options.prometheus_address is None:
        return Readings(page, page, PageRates(page, time.monotonic).read, graph, urls)
    url = f"http://{options.prometheus_address}"
    expression_url = f"{url}/graph?g0.expr=istio_requests_total&g0.tab=1"
    return Readings(
        page,
        partial(query_prometheus, client, url, PROMQL),
        PrometheusRates(client, url).read,
        graph,
        {**urls, "Prometheus": expression_url},
    )
