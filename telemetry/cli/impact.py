"""`telemetry impact`: who must be told."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry.cli.asking import AsJson, Url, Window, ask, show_json

if TYPE_CHECKING:
    from rich.tree import Tree

__all__ = ["impact"]


def impact(
    service: Annotated[str, typer.Argument(help="The service: its name, or namespace/name.")],
    *,
    window: Window = "1d",
    as_json: AsJson = False,
    url: Url = "http://127.0.0.1:9902",
) -> None:
    """Show who calls a service, directly or not, and whom to tell; and what it depends on itself."""
    answer = ask(url, "/api/v1/impact", {"service": service, "window": window})
    if as_json:
        show_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - not for every command
    from rich.tree import Tree  # noqa: PLC0415

    from telemetry.cli.mesh_tables import cell, seen  # noqa: PLC0415

    found = answer["service"]
    tree = Tree(cell(_described(found)))
    for heading, key in (("called by", "callers"), ("depends on", "dependencies")):
        branch = tree.add(f"{heading} ({len(found[key])})")
        for one in found[key]:
            _add(branch, one)
    for heading, key in (
        ("in a circle with", "cycle"),
        ("all its traffic goes through", "single_points_of_failure"),
        ("without it no traffic reaches", "cuts_off"),
    ):
        if found[key]:
            branch = tree.add(heading)
            for name in found[key]:
                branch.add(cell(name))
    console = Console()
    console.print(tree)
    console.print(seen(answer), style="dim", markup=False)


def _add(branch: "Tree", one: dict[str, Any]) -> None:
    from telemetry.cli.mesh_tables import cell, per_second  # noqa: PLC0415

    away = "directly" if one["direct"] else f"{one['distance']} calls away, via {', '.join(one['via'])}"
    traffic = f"{one['requests']} requests, {per_second(one['requests_per_s'])}, last {one['last_seen']}"
    branch.add(cell(f"{_described(one)}: {away}; {traffic}"))


def _described(one: dict[str, Any]) -> str:
    name = f"{one['namespace']}/{one['name']}" if one["namespace"] else one["name"]
    contacts = ", ".join(str(value) for value in one["contacts"].values())
    owner = f" [{one['owner']}{f'; {contacts}' if contacts else ''}]" if one["owner"] else ""
    return f"{name}{owner}"
