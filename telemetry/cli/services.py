"""`telemetry services`: every service with its golden signals."""

from typing import Annotated, Any

import typer

from telemetry.cli.asking import AsJson, Url, Window, ask, show_json

__all__ = ["services"]

_PAGE = 1000


def services(
    *,
    window: Window = "10m",
    namespace: Annotated[list[str] | None, typer.Option(help="Only of these namespaces.")] = None,
    as_json: AsJson = False,
    url: Url = "http://127.0.0.1:9902",
) -> None:
    """List services with rate, errors, latency, health, saturation and owner, from a running service."""
    query = {"window": window, "namespace": namespace, "limit": _PAGE}
    answer = ask(url, "/api/v1/services", query)
    after = answer["next"]
    while after is not None:
        page = ask(url, "/api/v1/services", {**query, "cursor": after})
        answer["services"] += page["services"]
        after = page["next"]
    answer["next"] = None
    if as_json:
        show_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - not for every command

    from telemetry.cli.mesh_tables import milliseconds, per_second, percent, seen, show_table  # noqa: PLC0415

    rows = [
        (
            f"{one['namespace']}/{one['name']}" if one["namespace"] else one["name"],
            one["owner"] or "-",
            "idle" if one["idle"] else one["health"] or "-",
            per_second(one.get("requests_per_s")),
            percent(one.get("error_ratio")),
            milliseconds(one.get("p50_ms")),
            milliseconds(one.get("p95_ms")),
            percent(one.get("saturation_ratio")),
        )
        for one in answer["services"]
    ]
    console = Console()
    show_table(console, ("service", "owner", "health", "rate", "errors", "p50", "p95", "saturation"), rows)
    console.print(f"{len(rows)} services; {seen(answer)}", style="dim", markup=False)
