"""`telemetry explain`: what would become of an entry."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from telemetry.explain import Explanation

__all__ = ["explain"]

_MAX_CELL = 60


def explain(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Entries: see below; - reads standard input.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every attribute of an entry, its value, and what it was made of.

    FILE holds entries in protobuf's JSON form (HTTPAccessLogEntry, TCPAccessLogEntry or StreamAccessLogsMessage, which
    names its Envoy too), or objects or lines of Envoy's file access log, one after the other or as an array.
    Exit code 2: some input is in none of these forms.
    """
    # Polars and protobuf take long to import: not for every command.
    from telemetry.cli.explaining import explanation_of  # noqa: PLC0415
    from telemetry.explain import Unreadable  # noqa: PLC0415

    try:
        explanation = explanation_of(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except (Unreadable, OSError) as error:
        typer.echo(f"telemetry explain: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        import orjson  # noqa: PLC0415

        typer.echo(orjson.dumps(explanation.as_json(), option=orjson.OPT_INDENT_2, default=str).decode())
    else:
        _show(explanation)


def _show(explanation: "Explanation") -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from telemetry.printable import printable  # noqa: PLC0415

    console = Console()
    for number, entry in enumerate(explanation.entries, start=1):
        table = Table(title=f"entry {number}", box=None, pad_edge=False)
        table.add_column("attribute", no_wrap=True)
        for heading in ("value", "from", "made of"):
            table.add_column(heading, overflow="fold")
        for one in entry:
            made_of = ", ".join(f"{name}={value}" for name, value in one.made_of.items())
            cells = (one.name, str(one.value), one.origin, made_of)
            table.add_row(*(printable(cell)[:_MAX_CELL] for cell in cells))
        console.print(table, markup=False)
    for word, counts in (("kept out", explanation.rejected), ("repaired", explanation.repaired)):
        for reason, count in counts.items():
            console.print(f"{count} {word}: {reason}")
