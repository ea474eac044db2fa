"""`telemetry replay`: send journal history or dead letters to a handler."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry.cli.faults import CONFIG_FAULTS, config_faults, no_start
from telemetry.cli.moments import moment_ns
from telemetry.errors import ConfigError, StartError

if TYPE_CHECKING:
    from telemetry.cli.replaying import Request
    from telemetry.replay import Replayed

__all__ = ["replay"]

_UNFINISHED = 1
_REFUSED = 3


def replay(
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")],
    handler: Annotated[str, typer.Option(metavar="NAME", help="Which of its handlers; one made for this too.")],
    *,
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help="Rows kept since; see below.")] = "",
    to: Annotated[str, typer.Option(metavar="TIME", help="Rows kept until.")] = "now",
    dead_letters: Annotated[bool, typer.Option("--dead-letters", help="Send the handler's dead letters.")] = False,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With --dead-letters: those in this folder; another handler's.")
    ] = None,
    no_rules: Annotated[bool, typer.Option("--no-rules", help="Send what the handler's rules leave out, too.")] = False,
    give_up_after: Annotated[
        str, typer.Option(metavar="DURATION", help="End after this, such as 10m. Default: when all is sent.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send to a handler what is kept already: rows keep their identity, so that a sink may drop what it has.

    TIME is RFC 3339 with its zone (2026-11-21T12:00:00Z), or how long ago (-15m, -2h), or now; it is that of the
    journal's taking, by which rules' rate limits count too. Dead letters ask no rules; their files go once every row
    in them is taken.

    Exit codes: 0 all was sent and taken; 1 not all was sent (given up, interrupted, not to be started); 2 the
    configuration or an option has faults; 3 all was sent, but the sink rejected rows, or files could not be read.
    """
    if bool(from_) is dead_letters:
        raise _wrong("give either --from TIME (the journal's history) or --dead-letters")
    span_ns, limit_s = _times(from_, to, give_up_after)
    if not dead_letters and span_ns[0] >= span_ns[1]:
        raise _wrong("--from is not before --to, so nothing lies between them; give the earlier time to --from")
    from telemetry.cli.replaying import Request  # noqa: PLC0415 - polars takes long: mistakes are told before

    request = Request(handler, None if dead_letters else span_ns, folder, rules=not no_rules, limit_s=limit_s)
    result = _replayed(request, config)
    _show(result, as_json=as_json)
    if not result.complete:
        raise typer.Exit(_REFUSED if result.finished else _UNFINISHED)


def _times(from_: str, to: str, give_up_after: str) -> tuple[tuple[int, int], float | None]:
    """Read the span (nanoseconds since 1970), and after how many seconds to give up."""
    now_ns = time.time_ns()
    try:
        span_ns = (moment_ns(from_, now_ns) if from_ else 0, moment_ns(to, now_ns))
        return span_ns, (now_ns - moment_ns(f"-{give_up_after}", now_ns)) / 1e9 if give_up_after else None
    except ValueError as error:
        raise _wrong(f"--from, --to or --give-up-after: {error}") from None


def _replayed(request: "Request", config: Path) -> "Replayed":
    from telemetry.cli.replaying import run  # noqa: PLC0415 - as above
    from telemetry.config import load  # noqa: PLC0415 - likewise

    try:
        return run(request, load(config))
    except ConfigError as error:
        raise config_faults(error) from None
    except StartError as error:
        raise no_start(error) from None
    except ValueError as error:
        raise _wrong(str(error)) from None


def _wrong(message: str) -> typer.Exit:
    typer.echo(f"telemetry replay: {message}", err=True)
    return typer.Exit(CONFIG_FAULTS)


def _show(result: "Replayed", *, as_json: bool) -> None:
    from telemetry.printable import printable  # noqa: PLC0415

    if as_json:
        import orjson  # noqa: PLC0415

        typer.echo(orjson.dumps(result.as_json(), option=orjson.OPT_INDENT_2).decode())
        return
    # To stderr: the handler's adapter may be the one that writes to standard output.
    facts = {name: value for name, value in result.as_json().items() if type(value) is int}
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' ')}: {value}", err=True)
    for reason, rows in result.reasons.most_common(10):
        typer.echo(f"rejected, {rows} rows: {printable(reason)}", err=True)
    if not result.finished:
        typer.echo(f"not everything was sent; last error: {printable(result.last_error) or 'none'}", err=True)
