"""`telemetry schema`: the configuration's JSON Schema, for editors."""

import json

import typer

from telemetry.printable import printable

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema of the configuration, with the options of every adapter installed here.

    For editors with yaml-language-server: save it, and begin the file with
    `# yaml-language-server: $schema=telemetry.schema.json`.
    """
    from telemetry.config.schema import json_schema  # noqa: PLC0415 - pydantic takes a while: not for every command

    try:
        typer.echo(json.dumps(json_schema(), indent=2))
    except (ImportError, TypeError) as error:
        typer.echo(printable(f"telemetry: an installed adapter can't be used: {error}"), err=True)
        raise typer.Exit(1) from None
