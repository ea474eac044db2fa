"""How edges and comparisons look in a terminal."""

import math
from collections.abc import Iterable

import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

from telemetry.demo.compare import KEYS
from telemetry.demo.signals import QUANTILES, Edge

__all__ = ["comparison_table", "edges_table"]

_WARNING_RATIO = 0.01


def edges_table(edges: Iterable[Edge], caption: str) -> Table:
    """Show the golden signals, one edge a row."""
    table = Table(title="Golden signals per edge", box=box.SIMPLE_HEAD, caption=caption, caption_justify="left")
    for heading in ("source", "destination"):
        table.add_column(heading, overflow="fold")
    for heading in ("req/s", "errors", *(f"p{quantile * 100:g} ms" for quantile in QUANTILES), "TCP B/s"):
        table.add_column(heading, justify="right")
    for edge in edges:
        table.add_row(
            Text(edge.source),
            Text(edge.destination),
            _number(edge.requests_per_s),
            _error_ratio(edge.error_ratio),
            *(_number(latency) for latency in edge.latency_ms),
            _number(edge.bytes_per_s),
        )
    return table


def comparison_table(comparison: pl.DataFrame) -> Table:
    """Show what `compare` gave; where the two sides differ, in red."""
    table = Table(title="What Envoys wrote to their own access logs, and what was counted", box=box.SIMPLE_HEAD)
    for heading in ("counter", "reporter", "source", "destination", "code"):
        table.add_column(heading, overflow="fold")
    for heading in ("Envoy wrote", "we counted"):
        table.add_column(heading, justify="right")
    for row in comparison.iter_rows(named=True):
        cells = [*(row[key] for key in KEYS), f"{row['expected']:,}", f"{row['counted']:,}"]
        table.add_row(*map(Text, cells), style="" if row["agree"] else "red")
    return table


def _number(value: float) -> Text:
    if math.isnan(value) or value == 0:
        return Text("–", style="dim")
    return Text(f"{value:,.1f}" if value < 100 else f"{value:,.0f}")


def _error_ratio(ratio: float) -> Text:
    if math.isnan(ratio):
        return Text("–", style="dim")
    return Text(f"{ratio:.1%}", style="red" if ratio >= _WARNING_RATIO else "green")
