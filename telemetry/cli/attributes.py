"""`telemetry attributes`: the vocabulary."""

import json
from typing import Annotated

import typer

__all__ = ["attributes"]


def attributes(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every attribute of a normalised entry: name, type, unit, meaning, where it comes from."""
    # Polars takes long to import: not for every command.
    from telemetry.attributes import ATTRIBUTES  # noqa: PLC0415

    rows = [
        {"name": one.name, "type": str(one.dtype), "unit": one.unit, "meaning": one.meaning, "origin": one.origin}
        for one in ATTRIBUTES
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("name", "type", "unit", "meaning", "origin", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row.values())
    Console().print(table, markup=False)
