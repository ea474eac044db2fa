"""What nodes show: traffic in and out, health, saturation, owners."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from telemetry.graph.graph import By, Graph
from telemetry.graph.impact import Owners
from telemetry.health import Health
from telemetry.saturation import Headroom, Load, saturation_ratio

__all__ = ["Healths", "decorated"]

Healths = Mapping[tuple[str | None, str], Health]
"""By namespace and name."""


def decorated(graph: Graph, healths: Healths, owners: Owners, headroom: Headroom | None = None) -> Graph:
    """Give a rated graph whose nodes show more.

    Nodes: in.* and out.* (requests_per_s, error_ratio), concurrency, health, error_percent, owner, tier; those of
    services also saturation_ratio, pending, overflow_per_s. Edges to services: saturation_ratio, the caller's share.
    """
    numbered = graph.nodes.with_row_index("number")
    inbound = _traffic(graph.edges, "target").rename(lambda name: name if name == "number" else f"in.{name}")
    outbound = _traffic(graph.edges, "source").rename(lambda name: name if name == "number" else f"out.{name}")
    for frame in (inbound, outbound):
        numbered = numbered.join(frame, on="number", how="left", maintain_order="left")
    nodes = numbered.drop("number", "out.concurrency").rename({"in.concurrency": "concurrency"})
    shown = [_shown(row, healths, owners, headroom) for row in nodes.iter_rows(named=True)]
    made = pl.DataFrame(shown, schema=_SHOWN, orient="row")
    with_nodes = replace(graph, nodes=pl.concat([nodes, made], how="horizontal"))
    return _with_edge_saturation(with_nodes, owners)


_SHOWN = {
    "health": pl.String,
    "error_percent": pl.Float64,
    "owner": pl.String,
    "tier": pl.Int64,
    "saturation_ratio": pl.Float64,
    "pending": pl.Float64,
    "overflow_per_s": pl.Float64,
}


def _traffic(edges: pl.DataFrame, end: str) -> pl.DataFrame:
    failed = (pl.col("error_ratio") * pl.col("requests")).sum()
    requests = pl.col("requests").sum()
    return edges.group_by(pl.col(end).alias("number")).agg(
        pl.col("requests_per_s").sum(),
        pl.when(requests > 0).then(failed / requests).alias("error_ratio"),
        pl.col("concurrency").sum(),
    )


def _shown(
    row: Mapping[str, object], healths: Healths, owners: Owners, headroom: Headroom | None
) -> tuple[object, ...]:
    namespace, name = row["namespace"], str(row["name"])
    who = (None if namespace is None else str(namespace), name)
    health = healths.get(who)
    service = owners(*who)
    pressure = headroom.pressure(*who) if headroom and row["kind"] == By.SERVICE else None
    ratio = None
    if row["kind"] == By.SERVICE:
        load = Load(_number(row["in.requests_per_s"]), _number(row["concurrency"]))
        ratio = saturation_ratio(load, service.capacity if service else None, pressure)
    return (
        str(health.status) if health else None,
        health.error_percent if health else None,
        service.owner if service else None,
        service.tier if service else None,
        ratio,
        pressure.pending if pressure else None,
        pressure.overflow_per_s if pressure else None,
    )


def _number(value: object) -> float:
    return value if isinstance(value, float) else 0.0


def _with_edge_saturation(graph: Graph, owners: Owners) -> Graph:
    nodes = graph.nodes.select("kind", "namespace", "name").iter_rows()
    services = [owners(namespace, name) if kind == By.SERVICE else None for kind, namespace, name in nodes]
    loads = graph.edges.select("target", "requests_per_s", "concurrency").iter_rows()
    ratios = [
        saturation_ratio(Load(requests_per_s, concurrency), one.capacity if (one := services[target]) else None)
        for target, requests_per_s, concurrency in loads
    ]
    return replace(graph, edges=graph.edges.with_columns(pl.Series("saturation_ratio", ratios, dtype=pl.Float64)))
