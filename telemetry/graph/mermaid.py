"""A graph in Mermaid, for Markdown pages."""

import re
from collections.abc import Iterator

from telemetry.graph.graph import Graph
from telemetry.graph.labels import edge_label, edge_trouble, node_label

__all__ = ["mermaid"]

# Everything else is written as Mermaid's character code, so that nothing in a name is markup.
_PLAIN = re.compile(r"[^A-Za-z0-9 ./_,:%-]")


def mermaid(graph: Graph) -> str:
    """Write a rated graph (telemetry.graph.rates) as a flowchart."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield "flowchart LR"
    for number, node in enumerate(graph.nodes.iter_rows(named=True)):
        opening, closing = ('(["', '"])') if node["kind"] == "service" else ('["', '"]')
        yield f"  n{number}{opening}{_escaped(node_label(node))}{closing}"
    troubled = []
    for number, edge in enumerate(graph.edges.iter_rows(named=True)):
        yield f'  n{edge["source"]} -->|"{_escaped(edge_label(edge))}"| n{edge["target"]}'
        if edge_trouble(edge):
            troubled.append(str(number))
    if troubled:
        yield f"  linkStyle {','.join(troubled)} stroke:red"


def _escaped(text: str) -> str:
    return _PLAIN.sub(lambda match: f"#{ord(match[0])};", text)
