"""The graph of the demo, as the service's own API tells it, drawn as a tree of calls."""

from collections.abc import Mapping
from typing import Any

import httpx
from rich.text import Text
from rich.tree import Tree

__all__ = ["graph_tree", "read_graph"]


async def read_graph(client: httpx.AsyncClient, url: str) -> Mapping[str, Any]:
    """Ask the service at `url` who called whom in the last ten minutes, by workload."""
    answer = await client.get(f"{url}/api/v1/graph", params={"by": "workload", "window": "10m"})
    answer.raise_for_status()
    graph: Mapping[str, Any] = answer.json()
    return graph


def graph_tree(graph: Mapping[str, Any]) -> Tree:
    """Draw a tree: under each workload those that it calls, with what went between them.

    Who is called by several stands under each; a cycle ends where it begins again.
    """
    nodes = {one["data"]["id"]: one["data"]["name"] for one in graph["elements"]["nodes"]}
    edges = [one["data"] for one in graph["elements"]["edges"]]
    called = {edge["target"] for edge in edges}
    tree = Tree("Who calls whom (GET /api/v1/graph)")
    for root in sorted({edge["source"] for edge in edges} - called) or sorted(nodes)[:1]:
        _grow(tree.add(Text(nodes[root])), root, edges, nodes, (root,))
    return tree


def _grow(branch: Tree, node: str, edges: list[Any], nodes: Mapping[str, str], path: tuple[str, ...]) -> None:
    for edge in sorted((edge for edge in edges if edge["source"] == node), key=lambda edge: str(edge["target"])):
        target = edge["target"]
        below = branch.add(Text.assemble(nodes[target], ("  " + _described(edge), "dim")))
        if target not in path:
            _grow(below, target, edges, nodes, (*path, target))


def _described(edge: Mapping[str, Any]) -> str:
    parts = [str(edge["protocol"] or "")]
    if edge["protocol"] != "tcp":
        parts.append(f"{edge['requests']:,} requests")
        if edge["error_ratio"]:
            parts.append(f"{edge['error_ratio']:.1%} errors")
        parts += [
            f"{name} {edge[column]:.1f} ms"
            for name, column in (("application", "application_mean_ms"), ("network", "network_mean_ms"))
            if edge.get(column) is not None
        ]
    if edge["mtls_ratio"]:
        parts.append("mTLS")
    return ", ".join(part for part in parts if part)
