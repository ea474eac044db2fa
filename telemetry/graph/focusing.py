"""The part of a graph around some nodes."""

from collections.abc import Collection

import numpy as np
import polars as pl

from telemetry.graph.graph import Graph

__all__ = ["focused"]


def focused(graph: Graph, nodes: Collection[int], depth: int) -> Graph:
    """Give the nodes within `depth` calls of these, either way, and the edges between nodes that a path uses."""
    source, target = (graph.edges[end].to_numpy() for end in ("source", "target"))
    kept_nodes = np.zeros(len(graph.nodes), dtype=bool)
    kept_nodes[list(nodes)] = True
    kept = np.zeros(len(source), dtype=bool)
    for ours, theirs in ((source, target), (target, source)):
        reached = np.zeros(len(graph.nodes), dtype=bool)
        reached[list(nodes)] = True
        for _ in range(depth):
            used = reached[ours]
            kept |= used
            before = int(reached.sum())
            reached[theirs[used]] = True
            if int(reached.sum()) == before:
                break
        kept_nodes |= reached
    numbers = np.flatnonzero(kept_nodes).astype(np.uint32)
    return graph.with_nodes(numbers, graph.edges.filter(pl.Series(kept)))
