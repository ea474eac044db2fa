"""`python -m bench.pairing`: how many hops of a real mesh at full load find both their ends."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import httpx
import orjson
import polars as pl
import typer

from bench.replay import H2LOAD
from telemetry.batch import Batch, Template
from telemetry.demo.binaries import envoy_binary
from telemetry.demo.envoy.typed import Json, named, socket_address
from telemetry.demo.mesh import Mesh
from telemetry.demo.processes import Process
from telemetry.demo.topology import APP_PORT, OUTBOUND_PORT, Topology
from telemetry.processors.hops import Hops, HopsSettings
from telemetry.processors.spans import Spans, TracesSettings
from tests.real.asker import MIXED, Asker
from tests.real.demo_entries import END_NS, demo_entries, through

CLIENTS = 32
# Who calls whom besides the gateway, through both sidecars (ratings would call a database, and none is there).
CALLS = (("productpage-v1", "details"), ("productpage-v1", "reviews"), ("reviews-v2", "details"))


class FastMesh(Mesh):
    """A mesh whose applications are one Envoy more, which answers at once: the sidecars get all the load they take."""

    def _apps(self) -> Process:
        path = self.folder / "apps.envoy.json"
        path.write_bytes(orjson.dumps({"static_resources": {"listeners": _applications(self.topology)}}))
        command = (envoy_binary(), "--config-path", path, "--concurrency", "1", "--disable-hot-restart",
                   "--log-level", "warning")  # fmt: skip
        one = self.topology.endpoints(self.topology.service("details"))[0]

        async def answers() -> bool:
            try:
                async with httpx.AsyncClient(timeout=2) as client:
                    return (await client.get(f"http://{one.address}:{APP_PORT}/")).is_success
            except httpx.TransportError:
                return False

        return Process("the applications", command, self.folder / "apps.log", answers)


def _applications(topology: Topology) -> list[Json]:
    pods = [one for one in topology.workloads if not one.gateway and not topology.service(one.service).tcp]
    return [
        {
            "name": pod.name,
            "address": socket_address(pod.address, APP_PORT),
            "filter_chains": [{"filters": [_ANSWERS_AT_ONCE]}],
        }
        for pod in pods
    ]


_ANSWERS_AT_ONCE = named(
    "envoy.filters.network.http_connection_manager",
    "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix="application",
    route_config={
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "routes": [
                    {
                        "match": {"prefix": "/"},
                        "direct_response": {"status": 200, "body": {"inline_string": "x" * 500}},
                    }
                ],
            }
        ]
    },
    http_filters=[named("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")],
)


async def _h2load(url: str, seconds: int, host: str | None = None, clients: int = CLIENTS) -> None:
    headers = ("-H", f":authority: {host}") if host else ()
    command = (H2LOAD, "--h1", "-D", seconds, "-c", clients, *headers, url)
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError("h2load failed")


async def _load(mesh: Mesh, path: str, seconds: int) -> None:
    loads = [_h2load(f"{mesh.gateway_url}{path}", seconds)]
    if isinstance(mesh, FastMesh):
        for caller, service in CALLS:
            called = mesh.topology.service(service)
            url = f"http://{mesh.topology.workload(caller).address}:{OUTBOUND_PORT}/{service}/0"
            loads.append(_h2load(url, seconds, f"{service}:{called.port}"))
    await asyncio.gather(*loads)


def _report(entries: list[Batch], seconds: int) -> None:
    rows = pl.concat([batch.rows for batch in entries]).filter("request.counts")
    requests = rows.filter(pl.col("context.protocol") != "tcp")
    hops = Hops(HopsSettings(), seed=1, started_ns=0)
    joined = pl.concat([batch.rows for batch in _in_time(hops, entries) if batch.template is Template.HOP])
    joined = joined.filter(pl.col("context.protocol") != "tcp")
    answered = requests.filter(pl.col("context.reporter.kind") == "outbound", pl.col("upstream.local.ip").is_not_null())
    both = joined.filter(pl.col("hop.reporter") == "both")
    print(f"{len(requests) / seconds:.0f} entries/s, {len(answered)} requests that reached a server")
    print(f"joined: {len(both)} ({len(both) / len(answered):.4%}); results: {dict(hops.results)}")
    print(f"by: {Counter(both['hop.matched_by'])}")
    _report_alone(joined.filter(pl.col("hop.reporter") != "both"))
    parts = pl.sum_horizontal(pl.col("^hop\\.(client|retries|proxy|network|application)$").to_physical())
    off = (parts - pl.col("response.duration").to_physical()).abs()
    known = both.filter(pl.col("hop.network").is_not_null())
    print(f"parts known: {len(known)}; furthest from the whole: {known.select(off.max()).item()} ns")
    _report_spans(pl.concat([batch.rows for batch in through(Spans(TracesSettings(max_spans=10**7)), entries)]))


def _in_time(hops: Hops, entries: list[Batch]) -> Iterator[Batch]:
    """Hand the entries through as they came: whoever has waited long enough by then is given up."""
    for batch in entries:
        yield from hops.process(batch)
        yield from hops.flush(int(batch.rows["context.time"].to_physical()[0]))
    yield from hops.flush(END_NS)


def _report_alone(alone: pl.DataFrame) -> None:
    """Say who stayed without partner: gateways have none towards their clients, and some requests reach no server."""
    ways = ["hop.reporter", "missing_source", "missing_destination", "source.workload.name",
            "destination.workload.name", "response.code", "context.proxy_error_code"]  # fmt: skip
    for way in alone.group_by(ways).len().sort("len", descending=True).iter_rows():
        print(f"alone: {way}")


def _report_spans(spans: pl.DataFrame) -> None:
    known = pl.Series(spans["span.id"].unique())
    orphans = spans.filter(~pl.col("span.parent_id").is_in(known.implode()).fill_null(value=False))
    roots = orphans.filter(pl.col("span.kind") == "client")
    print(f"{len(spans)} spans, {spans['span.trace_id'].n_unique()} traces, {len(roots)} roots, "
          f"{len(orphans) - len(roots)} servers' spans without their parent")  # fmt: skip


def main(
    seconds: Annotated[int, typer.Option(help="how long the load lasts")] = 20,
    path: Annotated[str, typer.Option(help="what is asked for at the gateway")] = "/productpage",
    fast: Annotated[bool, typer.Option(help="applications that answer at once, each sidecar under load")] = False,
) -> None:
    """Print what docs/hops.md shows."""

    async def load(asker: Asker, mesh: Mesh) -> None:
        if not fast:
            await asker.ask_all(MIXED)
        await _load(mesh, path, seconds)

    with TemporaryDirectory() as folder:
        _report(asyncio.run(demo_entries(Path(folder), load, FastMesh if fast else Mesh)), seconds)


if __name__ == "__main__":
    typer.run(main)
