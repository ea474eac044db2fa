"""`telemetry explain`: what would become of an entry."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from telemetry.cli.faults import config_faults
from telemetry.errors import ConfigError

__all__ = ["explain"]


def explain(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Entries: see below; - reads standard input.")],
    *,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The configuration; none means all defaults.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every attribute of an entry and what it was made of, which rules match it, and who would receive what.

    FILE holds entries in protobuf's JSON form (HTTPAccessLogEntry, TCPAccessLogEntry or StreamAccessLogsMessage, which
    names its Envoy too), or objects or lines of Envoy's file access log, one after the other or as an array.
    Attributes are shown as they would be stored: redacted. Of rules that don't match, the term is shown that is false.
    Exit code 2: some input is in none of these forms, there is none, or the configuration has faults.
    """
    # Polars and protobuf take long to import: not for every command.
    from telemetry.cli.explaining import explanation_of  # noqa: PLC0415
    from telemetry.config import load  # noqa: PLC0415
    from telemetry.explain import Unreadable  # noqa: PLC0415

    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        explanation = explanation_of(text, load(config))
    except ConfigError as error:
        raise config_faults(error) from None
    except (Unreadable, OSError) as error:
        typer.echo(f"telemetry explain: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        import orjson  # noqa: PLC0415

        typer.echo(orjson.dumps(explanation.as_json(), option=orjson.OPT_INDENT_2, default=str).decode())
    else:
        from telemetry.cli.explained import show  # noqa: PLC0415

        show(explanation)
