"""What the shape of a graph says: cycles, and nodes that everything goes through."""

from collections.abc import Mapping

import rustworkx as rx

from telemetry.graph.graph import Graph

__all__ = ["cycles", "reached", "single_points_of_failure"]

_Digraph = rx.PyDiGraph[None, None]


def _digraph(graph: Graph) -> _Digraph:
    made: _Digraph = rx.PyDiGraph(multigraph=False)
    made.add_nodes_from([None] * len(graph.nodes))
    made.add_edges_from_no_data(
        list(zip(graph.edges["source"].to_list(), graph.edges["target"].to_list(), strict=True))
    )
    return made


def cycles(graph: Graph) -> list[list[int]]:
    """Give the sets of nodes that call each other in a circle, directly or not; a node that calls itself is one."""
    digraph = _digraph(graph)
    components = [sorted(one) for one in rx.strongly_connected_components(digraph)]
    return sorted(one for one in components if len(one) > 1 or digraph.has_edge(one[0], one[0]))


def single_points_of_failure(graph: Graph) -> Mapping[int, list[int]]:
    """Give the nodes that stand on every path from outside to others, each with those others.

    Outside are the nodes that nobody calls; of a circle that nobody calls, all its nodes. Without such a node, those
    behind it get no traffic at all: dominators of the graph, Lengauer and Tarjan's.
    """
    digraph = _digraph(graph)
    count = len(graph.nodes)
    outside = digraph.add_node(None)
    for component in rx.strongly_connected_components(digraph):
        members = set(component)
        called = any(set(digraph.predecessor_indices(one)) - members for one in component)
        if not called and outside not in members:
            digraph.add_edges_from_no_data([(outside, one) for one in component])
    above = rx.immediate_dominators(digraph, outside)
    behind: dict[int, list[int]] = {}
    for node in range(count):
        at = above.get(node, outside)
        while at != outside:
            behind.setdefault(at, []).append(node)
            at = above[at]
    return behind


def reached(graph: Graph, start: int, *, upstream: bool) -> Mapping[int, int]:
    """Give the nodes that call `start` (or that it calls), directly or not, with how many calls away they are."""
    digraph = _digraph(graph)
    if upstream:
        digraph.reverse()
    distances = {start: 0}
    frontier = [start]
    while frontier:
        found = {other for one in frontier for other in digraph.successor_indices(one)} - distances.keys()
        distances.update(dict.fromkeys(found, distances[frontier[0]] + 1))
        frontier = sorted(found)
    return {node: distance for node, distance in distances.items() if node != start}
