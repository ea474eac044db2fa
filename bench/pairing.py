"""`python -m bench.pairing`: how many hops of a real mesh at full load find both their ends."""

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import polars as pl
import typer

from bench.replay import H2LOAD
from telemetry.batch import Batch, Template
from telemetry.demo.mesh import Mesh
from telemetry.processors.hops import Hops, HopsSettings
from telemetry.processors.spans import Spans, TracesSettings
from tests.real.asker import MIXED, Asker
from tests.real.demo_entries import demo_entries, through

CLIENTS = 32


async def _load(mesh: Mesh, path: str, seconds: int) -> None:
    command = (H2LOAD, "--h1", "-D", str(seconds), "-c", str(CLIENTS), f"{mesh.gateway_url}{path}")
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError("h2load failed")


def _report(entries: list[Batch], seconds: int) -> None:
    rows = pl.concat([batch.rows for batch in entries]).filter("request.counts")
    requests = rows.filter(pl.col("context.protocol") != "tcp")
    hops = Hops(HopsSettings(), seed=1, started_ns=0)
    joined = pl.concat([batch.rows for batch in through(hops, entries) if batch.template is Template.HOP])
    joined = joined.filter(pl.col("context.protocol") != "tcp")
    answered = requests.filter(pl.col("context.reporter.kind") == "outbound", pl.col("upstream.local.ip").is_not_null())
    both = joined.filter(pl.col("hop.reporter") == "both")
    print(f"{len(requests) / seconds:.0f} entries/s, {len(answered)} requests that reached a server")
    print(f"joined: {len(both)} ({len(both) / len(answered):.4%}); results: {dict(hops.results)}")
    print(f"by: {Counter(both['hop.matched_by'])}")
    parts = pl.sum_horizontal(pl.col("^hop\\.(client|retries|proxy|network|application)$").to_physical())
    off = (parts - pl.col("response.duration").to_physical()).abs()
    known = both.filter(pl.col("hop.network").is_not_null())
    print(f"parts known: {len(known)}; furthest from the whole: {known.select(off.max()).item()} ns")
    spans = pl.concat([batch.rows for batch in through(Spans(TracesSettings()), entries)])
    parents = spans["span.id"].implode()
    orphans = spans.filter(~pl.col("span.parent_id").is_in(parents).fill_null(value=False))
    gateway = pl.col("source.workload.name") == "istio-ingressgateway"
    roots = orphans.filter(gateway & (pl.col("span.kind") == "client"))
    print(f"{len(spans)} spans, {spans['span.trace_id'].n_unique()} traces, {len(roots)} roots, "
          f"{len(orphans) - len(roots)} spans without their parent")  # fmt: skip


def main(
    seconds: Annotated[int, typer.Option(help="how long the load lasts")] = 20,
    path: Annotated[str, typer.Option(help="what is asked for")] = "/productpage",
) -> None:
    """Print what docs/hops.md shows."""

    async def load(asker: Asker, mesh: Mesh) -> None:
        await asker.ask_all(MIXED)
        await _load(mesh, path, seconds)

    with TemporaryDirectory() as folder:
        _report(asyncio.run(demo_entries(Path(folder), load)), seconds)


if __name__ == "__main__":
    typer.run(main)
