"""`telemetry validate`: check a configuration file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from telemetry.cli.faults import CONFIG_FAULTS, config_faults
from telemetry.errors import ConfigError
from telemetry.printable import printable

__all__ = ["validate"]


def validate(
    file: Annotated[Path, typer.Argument(help="The configuration file.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False,
) -> None:
    """Check a configuration file and list every fault in it: file:line:column, key, what to do.

    Exit codes: 0 the service would take it, 2 it has faults.
    """
    from telemetry.config import load  # noqa: PLC0415 - pydantic takes a while: not for every command

    try:
        load(file)
    except ConfigError as error:
        if not as_json:
            raise config_faults(error) from None
        typer.echo(json.dumps({"valid": False, "faults": [asdict(fault) for fault in error.faults]}, indent=2))
        raise typer.Exit(CONFIG_FAULTS) from None
    typer.echo(json.dumps({"valid": True, "faults": []}, indent=2) if as_json else f"{printable(str(file))} is valid")
