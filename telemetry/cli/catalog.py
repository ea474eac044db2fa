"""`telemetry catalog`: check a service catalog, and the schema of one."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from telemetry.cli.faults import CONFIG_FAULTS, config_faults
from telemetry.errors import ConfigError
from telemetry.printable import printable

__all__ = ["catalog"]

catalog = typer.Typer(help="Check a service catalog, and the schema of one.", no_args_is_help=True)


@catalog.command()
def validate(
    file: Annotated[Path, typer.Argument(help="The catalog file.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False,
) -> None:
    """Check a catalog file and list every fault in it: file:line:column, key, what to do.

    Exit codes: 0 the service would take it, 2 it has faults.
    """
    from telemetry.catalog import load  # noqa: PLC0415 - pydantic takes a while: not for every command

    try:
        count = len(load(file).services)
    except ConfigError as error:
        if not as_json:
            raise config_faults(error) from None
        typer.echo(json.dumps({"valid": False, "faults": [asdict(fault) for fault in error.faults]}, indent=2))
        raise typer.Exit(CONFIG_FAULTS) from None
    services = f"{count} service" if count == 1 else f"{count} services"
    words = f"{printable(str(file))} is valid: {services}"
    typer.echo(json.dumps({"valid": True, "faults": []}, indent=2) if as_json else words)


@catalog.command()
def schema() -> None:
    """Print the JSON Schema of a catalog, for editors.

    For editors with yaml-language-server: save it, and begin the file with
    `# yaml-language-server: $schema=catalog.schema.json`.
    """
    from telemetry.catalog.schema import json_schema  # noqa: PLC0415

    typer.echo(json.dumps(json_schema(), indent=2))
