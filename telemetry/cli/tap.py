"""`telemetry tap`: live rows from a running service."""

import signal
import sys
import threading
from enum import StrEnum
from typing import Annotated

import typer

from telemetry.cli.asking import Url
from telemetry.printable import printable

__all__ = ["Kind", "tap"]


class Kind(StrEnum):
    """Whose rows: the templates, by their names. Importing telemetry.batch takes too long for every command."""

    logentry = "logentry"
    metric = "metric"
    tracespan = "tracespan"
    edge = "edge"
    hop = "hop"


def tap(
    *,
    match: Annotated[str, typer.Option(metavar="CEL", help="Only rows for which this is true.")] = "",
    template: Annotated[Kind, typer.Option(help="Rows of what.")] = Kind.logentry,
    columns: Annotated[
        list[str] | None, typer.Option(metavar="NAME,…", help="Which columns. Default: some in a table, all in JSON.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many rows.")] = None,
    max_rows_per_s: Annotated[
        float, typer.Option("--max-rows-per-s", min=0.001, max=10_000, help="Of more, a sample is shown.")
    ] = 100.0,
    as_json: Annotated[bool, typer.Option("--json", help="Lines of JSON; so it is without a terminal, too.")] = False,
    url: Url = "http://127.0.0.1:9902",
) -> None:
    """Show rows as they come, redacted, until Ctrl-C. Entries are made for you where no handler takes them.

    CEL is what rules are written in: response.code >= 500 && destination.workload.namespace == "payments".
    What was left out is said on standard error: rows beyond --max-rows-per-s (sampled evenly), and rows that came
    faster than they could be looked at (dropped). Watching slows nothing down.

    Exit codes: 0 ended by Ctrl-C, SIGTERM or --limit; 1 the service is not there, is too busy, or went away; 2 an
    option has faults.
    """
    from telemetry.cli.tapping import Query, Refused, Shown, rows_from  # noqa: PLC0415 - httpx and rich take a while

    chosen = [name.strip() for one in columns or () for name in one.split(",") if name.strip()]
    shown = Shown(template, chosen, as_json=as_json or not sys.stdout.isatty())
    query = Query(url, template, match, shown.asked, limit, max_rows_per_s)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    try:
        end = rows_from(query, shown)
    except KeyboardInterrupt:
        end = "interrupted"
    except Refused as error:
        raise _ended(str(error), error.code) from None
    shown.sum_up()
    if end not in ("limit", "interrupted"):
        raise _ended(f"{url} went away" + (f": {end}" if end else "; it may have been stopped or restarted"), 1)


def _ended(sentence: str, code: int) -> typer.Exit:
    typer.echo(f"telemetry tap: {printable(sentence, keep_newlines=True)}", err=True)
    return typer.Exit(code)
