"""What stands on a node and on an edge where there is room for a line only."""

from typing import Any

__all__ = ["edge_label", "edge_trouble", "node_label"]

_MAX = 200


def node_label(node: dict[str, Any]) -> str:
    """Give a node's name, with its namespace and version."""
    name = node["name"] if node["namespace"] is None else f"{node['namespace']}/{node['name']}"
    full = name if node["version"] is None else f"{name} {node['version']}"
    return full if len(full) <= _MAX else f"{full[:_MAX]}…"


def edge_label(edge: dict[str, Any]) -> str:
    """Give an edge's rate, errors and latency in one line."""
    if edge["protocol"] == "tcp":
        return f"tcp {(edge['request_bytes_per_s'] + edge['response_bytes_per_s']) / 1000:.1f} kB/s"
    parts = [f"{edge['protocol'] or '?'} {edge['requests_per_s']:.2f}/s"]
    if edge["error_ratio"]:
        parts.append(f"{edge['error_ratio'] * 100:.1f} % errors")
    if edge["p95_ms"] is not None:
        parts.append(f"p95 {edge['p95_ms']:.0f} ms")
    return ", ".join(parts)


def edge_trouble(edge: dict[str, Any]) -> bool:
    """Whether an edge is to catch the eye: a tenth of its requests fail, Kiali's tolerance for failure."""
    return (edge["error_ratio"] or 0) >= 0.1
