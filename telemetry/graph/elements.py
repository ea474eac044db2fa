"""A graph in the JSON that Cytoscape takes: `{"nodes": [{"data": …}], "edges": [{"data": …}]}`."""

import orjson
import polars as pl

from telemetry.graph.graph import Graph

__all__ = ["elements", "shown"]


def elements(graph: Graph) -> dict[str, orjson.Fragment]:
    """Give the elements, made as text already: what an edge shows is what its columns hold."""
    ids = graph.nodes["id"]
    edges = graph.edges.with_columns(
        pl.Series("source", ids.gather(graph.edges["source"])), pl.Series("target", ids.gather(graph.edges["target"]))
    ).with_columns(id=pl.format("{}->{}#{}", "source", "target", pl.col("protocol").fill_null("")))
    return {"nodes": _data(graph.nodes), "edges": _data(edges.drop("members"))}


def _data(frame: pl.DataFrame) -> orjson.Fragment:
    data = shown(frame).select(pl.struct(pl.all()).alias("data")) if len(frame) else pl.DataFrame()
    return orjson.Fragment(data.write_json().encode())


def shown(frame: pl.DataFrame) -> pl.DataFrame:
    """Make times and numbers what JSON can hold: ISO 8601 in UTC; not a number is null."""
    return frame.with_columns(
        pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        pl.selectors.float().fill_nan(None).round(6),
    )
