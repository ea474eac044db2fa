"""Sums of a graph's edges by the node that they lead to."""

import polars as pl

from telemetry.edges.parts import PART_SCHEMAS
from telemetry.graph.graph import Graph

__all__ = ["by_target"]


def by_target(graph: Graph) -> pl.DataFrame:
    """Columns: target, the sums, first_seen, last_seen; for graphs that are not rated."""
    return graph.edges.group_by("target").agg(
        pl.col(name for name in PART_SCHEMAS["sums"] if name != "edge").sum(),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
    )
