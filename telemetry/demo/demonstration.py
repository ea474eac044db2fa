"""What a viewer sees: warm-up, the live table, and in the end whether the numbers are right."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from rich.console import Console
from rich.live import Live

from telemetry.demo import compare
from telemetry.demo.graph import graph_tree
from telemetry.demo.mesh import Mesh
from telemetry.demo.samples import Query
from telemetry.demo.signals import edges
from telemetry.demo.table import comparison_table, edges_table
from telemetry.demo.traffic import Traffic
from telemetry.demo.waiting import holds_within, until
from telemetry.errors import StartError

__all__ = ["Demonstration", "Readings"]

_WARM_UP_DEADLINE_S = 30.0
_AGREEMENT_DEADLINE_S = 20.0
_POLL_INTERVAL_S = 0.25
_REFRESH_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Readings:
    """Where numbers come from: the service's page and graph, Istio's counters, their rates; what a browser may open."""

    page: Query
    counters: Query
    rates: Query
    graph: Callable[[], Awaitable[Mapping[str, Any]]]
    urls: Mapping[str, str]


class Demonstration:
    """Traffic through a running mesh, shown and checked."""

    def __init__(self, mesh: Mesh, readings: Readings, requests_per_s: float, console: Console) -> None:
        self._mesh = mesh
        self._readings = readings
        self._requests_per_s = requests_per_s
        self._console = console

    async def warm_up(self) -> None:
        """Ask until every Envoy reports to the service: from then on each address has a name.

        Raises StartError when that takes longer than half a minute.
        """
        envoys = len(self._mesh.topology.workloads)
        async with self._traffic():
            await until(
                lambda: self._nodes_reach(envoys),
                _WARM_UP_DEADLINE_S,
                f"demo: not all {envoys} Envoys report to the service; see telemetry.log in {self._mesh.folder}",
            )

    async def show(self, seconds: float | None) -> None:
        """Send traffic and show the golden signals: for some seconds, or until cancelled."""
        end = None if seconds is None else time.monotonic() + seconds
        async with self._traffic() as traffic:
            with Live(console=self._console, auto_refresh=False) as live:
                while (left_s := _REFRESH_INTERVAL_S if end is None else end - time.monotonic()) > 0:
                    rates = await self._readings.rates()
                    live.update(edges_table(edges(rates), self._caption(traffic)), refresh=True)
                    await asyncio.sleep(min(_REFRESH_INTERVAL_S, left_s))
        self._console.print()

    async def compare(self, seconds: float) -> bool:
        """Show traffic for some seconds, and tell whether all that Envoys wrote has been counted, and no more.

        Raises StartError when not even the warm-up was counted right.
        """
        written_before, counted_before = await self._settled()
        await self.show(seconds)
        comparison = pl.DataFrame()

        async def agrees() -> bool:
            nonlocal comparison
            lines = self._mesh.access_logs()
            comparison = compare.compare(
                compare.difference(compare.expected(lines), written_before),
                compare.difference(await self._counted(), counted_before),
            )
            return not compare.open_connections(lines) and bool(comparison["agree"].all())

        agreed = await holds_within(agrees, _AGREEMENT_DEADLINE_S, interval_s=_POLL_INTERVAL_S)
        self._console.print(graph_tree(await self._readings.graph()))
        self._console.print(comparison_table(comparison))
        return agreed

    async def _settled(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        # Totals only: the first entries came before their peers had names.
        written = counted = pl.DataFrame()

        async def quiet() -> bool:
            nonlocal written, counted
            lines = self._mesh.access_logs()
            written, counted = compare.expected(lines), await self._counted()
            same = compare.totals(written).equals(compare.totals(counted))
            return same and not compare.open_connections(lines)

        if not await holds_within(quiet, _AGREEMENT_DEADLINE_S, interval_s=_POLL_INTERVAL_S):
            self._console.print(comparison_table(compare.compare(written, counted)))
            raise StartError("demo: the warm-up's counts don't agree with the Envoys' own (see the table)")
        return written, counted

    async def _counted(self) -> pl.DataFrame:
        return compare.counted(await self._readings.counters())

    async def _nodes_reach(self, envoys: int) -> bool:
        nodes = (sample for sample in await self._readings.page() if sample.name == "telemetry_receiver_nodes")
        return any(sample.value >= envoys for sample in nodes)

    def _traffic(self) -> Traffic:
        return Traffic(self._mesh.gateway_url, self._requests_per_s)

    def _caption(self, traffic: Traffic) -> str:
        urls = {"gateway": f"{self._mesh.gateway_url}/productpage", **self._readings.urls}
        lines = [f"{name:<10}  {url}" for name, url in urls.items()]
        lines.append("try         telemetry graph | top | tap | services | impact ratings")
        return "\n".join([f"{traffic.sent:,} requests sent. Ctrl-C ends it.", *lines])
