"""`telemetry graph`: who calls whom, now."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from telemetry.cli.asking import Url, Window, ask, ask_text, show_json

__all__ = ["graph"]


class By(StrEnum):
    """What a node is."""

    service = "service"
    workload = "workload"
    app = "app"
    version = "version"


class Format(StrEnum):
    """In what form."""

    table = "table"
    json = "json"
    dot = "dot"
    mermaid = "mermaid"


def graph(
    *,
    by: Annotated[By, typer.Option(help="What a node is.")] = By.service,
    window: Window = "10m",
    namespace: Annotated[list[str] | None, typer.Option(help="Only edges with an end in there.")] = None,
    focus: Annotated[str | None, typer.Option(help="Only what is around this node.")] = None,
    depth: Annotated[int, typer.Option(help="How many calls away from it.")] = 1,
    form: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    url: Url = "http://127.0.0.1:9902",
) -> None:
    """Show who calls whom: rates, errors, latency and mTLS of every edge, from a running service."""
    query = {"by": by, "window": window, "namespace": namespace, "focus": focus, "depth": depth}
    if form in (Format.dot, Format.mermaid):
        typer.echo(ask_text(url, "/api/v1/graph", {**query, "format": form}), nl=False)
        return
    answer = ask(url, "/api/v1/graph", query)
    if as_json or form is Format.json:
        show_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - not for every command

    from telemetry.cli.mesh_tables import milliseconds, per_second, percent, seen, show_table  # noqa: PLC0415

    nodes = {one["data"]["id"]: one["data"] for one in answer["elements"]["nodes"]}
    edges = [one["data"] for one in answer["elements"]["edges"]]
    rows = [
        (
            _name(nodes[edge["source"]]),
            _name(nodes[edge["target"]]),
            edge["protocol"] or "-",
            per_second(edge["connections_opened_per_s"] if edge["protocol"] == "tcp" else edge["requests_per_s"]),
            percent(edge["error_ratio"]),
            milliseconds(edge["p50_ms"]),
            milliseconds(edge["p95_ms"]),
            percent(edge["mtls_ratio"]),
            percent(edge["saturation_ratio"]),
        )
        for edge in sorted(edges, key=lambda edge: (edge["source"], edge["target"]))
    ]
    console = Console()
    headings = ("from", "to", "protocol", "rate", "errors", "p50", "p95", "mTLS", "saturation")
    show_table(console, headings, rows)
    console.print(f"{len(nodes)} nodes, {len(edges)} edges; {seen(answer)}", style="dim", markup=False)


def _name(node: dict[str, Any]) -> str:
    name = f"{node['namespace']}/{node['name']}" if node["namespace"] else node["name"]
    return f"{name} {node['version']}" if node["version"] else str(name)
