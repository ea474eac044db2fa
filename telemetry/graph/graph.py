"""A graph as two frames: nodes, and the edges between them by their numbers."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import polars as pl

from telemetry.edges import Window

__all__ = ["By", "Graph"]


class By(StrEnum):
    """What one node stands for."""

    SERVICE = "service"
    WORKLOAD = "workload"
    APP = "app"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Graph:
    """`nodes`: id, kind, namespace, name, version, cluster; a node's number is its row.

    `edges`: source and target (UInt32, numbers of nodes), protocol, the sums of SUMS and of the latency, members (the
    kept edges that it is made of), first_seen, last_seen, and any derived columns. `window`: the time of the sums.
    """

    by: By
    window: Window
    nodes: pl.DataFrame
    edges: pl.DataFrame

    def only(self, edges: pl.Series) -> "Graph":
        """Give the graph of the edges that are marked (Boolean), and of the nodes that they join."""
        kept = self.edges.filter(edges)
        joined = np.union1d(kept["source"].to_numpy(), kept["target"].to_numpy())
        return self.with_nodes(joined, kept)

    def with_nodes(self, numbers: np.ndarray[tuple[int], np.dtype[np.uint32]], edges: pl.DataFrame) -> "Graph":
        """Give the graph of these nodes, ascending, and of `edges`, which are between them."""
        renumbered = np.zeros(len(self.nodes), dtype=np.uint32)
        renumbered[numbers] = np.arange(len(numbers), dtype=np.uint32)
        ends = {end: pl.Series(renumbered[edges[end].to_numpy()]) for end in ("source", "target")}
        return replace(self, nodes=self.nodes[numbers], edges=edges.with_columns(**ends))

    def find(self, name: str) -> list[int]:
        """Give the numbers of the nodes meant: by id, by `namespace/name`, or by name."""
        full_name = pl.format("{}/{}", pl.col("namespace").fill_null(""), "name")
        for told in (pl.col("id") == name, full_name == name, pl.col("name") == name):
            found = self.nodes.select(told.fill_null(value=False)).to_series().arg_true()
            if len(found):
                return [int(at) for at in found]
        return []
