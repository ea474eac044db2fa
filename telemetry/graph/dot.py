"""A graph in DOT, for Graphviz."""

from collections.abc import Iterator

from telemetry.graph.graph import Graph
from telemetry.graph.labels import edge_label, edge_trouble, node_label
from telemetry.printable import printable

__all__ = ["dot"]

_SHAPES = {"workload": "box", "service": "ellipse", "app": "component", "version": "box", "unknown": "diamond"}


def dot(graph: Graph) -> str:
    """Write a rated graph (telemetry.graph.rates) as a digraph."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield "digraph mesh {"
    yield "  rankdir=LR;"
    ids = [_quoted(one) for one in graph.nodes["id"]]
    for name, node in zip(ids, graph.nodes.iter_rows(named=True), strict=True):
        shape = _SHAPES.get(node["kind"], "octagon")
        yield f"  {name} [label={_quoted(node_label(node))}, shape={shape}];"
    for edge in graph.edges.iter_rows(named=True):
        colour = ", color=red" if edge_trouble(edge) else ""
        yield f"  {ids[edge['source']]} -> {ids[edge['target']]} [label={_quoted(edge_label(edge))}{colour}];"
    yield "}"


def _quoted(text: str) -> str:
    """Quote a string: in a label Graphviz obeys backslashes, too."""
    escaped = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
