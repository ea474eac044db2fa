"""`telemetry diff`: what a new configuration would do."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry.cli.faults import CONFIG_FAULTS, config_faults
from telemetry.cli.moments import moment_ns
from telemetry.errors import ConfigError, StartError
from telemetry.printable import printable

if TYPE_CHECKING:
    from telemetry.cli.diffing import Difference, Prediction
    from telemetry.config import Settings
    from telemetry.errors import Fault

__all__ = ["diff"]

_CHANGED = 1
_PROGRESS_S = 1.0


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The configuration that runs.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The one that would take its place.")],
    *,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="History to predict series from. Default: OLD's journal.path.")
    ] = None,
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help="How far back: -10m, or RFC 3339.")] = "-10m",
    max_rows: Annotated[int, typer.Option(min=1, help="Look at no more requests than these, the newest.")] = 1_000_000,
    series: Annotated[bool, typer.Option("--series/--no-series", help="Whether to predict series.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what NEW would change key by key, for handlers, rules and metrics, and how many series it would make.

    Series are counted by running both configurations' metrics over requests that the journal still holds: those that
    the rules of some handler let through. Secrets are masked; one that has another value is a change.

    Exit codes, as diff(1)'s: 0 no change; 1 changes; 2 a file or an option has faults (all are listed).
    """
    try:
        from_ns = moment_ns(from_, time.time_ns())
    except ValueError as error:
        raise _wrong(f"--from {error}") from None
    from telemetry.cli.diffing import difference  # noqa: PLC0415 - polars takes long: mistakes come first

    before, after = _loaded(old, new)
    found = difference(before, after)
    prediction, why_not = None, ""
    if series and (found.changes or journal or before.journal.path is None):
        prediction, why_not = _predicted(before, after, journal, from_ns=from_ns, max_rows=max_rows)
    _show(found, prediction, why_not, as_json=as_json)
    if found.changes:
        raise typer.Exit(_CHANGED)


def _predicted(
    before: "Settings", after: "Settings", journal: Path | None, *, from_ns: int, max_rows: int
) -> "tuple[Prediction | None, str]":
    """Predict the series, or say why that can't be done; a journal that was asked for by name must be there."""
    from telemetry.cli.diffing import predict  # noqa: PLC0415 - as above

    path = journal or before.journal.path
    if path is None:
        return None, "OLD keeps its journal in memory; give --journal FILE, or set journal.path, retention and retain"
    try:
        return predict(before, after, path, from_ns=from_ns, max_rows=max_rows, progress=_Progress()), ""
    except ConfigError as error:
        raise config_faults(error) from None
    except StartError as error:
        if journal:
            raise _wrong(str(error)) from None
        return None, str(error)


def _loaded(old: Path, new: Path) -> "tuple[Settings, Settings]":
    """Load both. Faults of both are listed."""
    from telemetry.config import load  # noqa: PLC0415

    settings: list[Settings] = []
    faults: list[Fault] = []
    for path in (old, new):
        try:
            settings.append(load(path))
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise config_faults(ConfigError(faults))
    return settings[0], settings[1]


def _wrong(message: str) -> typer.Exit:
    typer.echo(printable(f"telemetry diff: {message}"), err=True)
    return typer.Exit(CONFIG_FAULTS)


class _Progress:
    """Says each second how far it is."""

    def __init__(self) -> None:
        self._said_s = time.monotonic()

    def __call__(self, rows: int) -> None:
        if time.monotonic() - self._said_s >= _PROGRESS_S:
            self._said_s = time.monotonic()
            sys.stderr.write(f"telemetry diff: {rows:,} requests looked at\n")


def _show(found: "Difference", prediction: "Prediction | None", why_not: str, *, as_json: bool) -> None:
    if as_json:
        import orjson  # noqa: PLC0415

        series = prediction.as_json() if prediction else None
        body = {**found.as_json(), "series": series, "no_series_because": why_not or None}
        typer.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
        return
    for change in found.changes:
        typer.echo(printable(f"{change}{'  (needs a restart)' if change.needs_restart else ''}"))
    for name, fate in found.handlers.items():
        typer.echo(printable(f"handler {name} is {fate}" if not fate.startswith("goes") else f"handler {name} {fate}"))
    if found.restarts:
        typer.echo("a running service refuses this file: restart it with it, or change those keys back")
    if prediction:
        _show_series(prediction)
    elif why_not and found.changes:
        typer.echo(printable(f"series: not predicted: {why_not}"))


def _show_series(prediction: "Prediction") -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from telemetry.predict import Count, total  # noqa: PLC0415

    console = Console()
    first, last = (datetime.fromtimestamp(ns / 1e9, UTC) for ns in (prediction.from_ns, prediction.to_ns))
    rest = "" if prediction.complete else "; there are more, see --max-rows"
    console.print(
        f"\nseries, of {prediction.rows:,} requests from {first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S} UTC{rest}",
        markup=False, highlight=False,
    )  # fmt: skip
    table = Table(box=None, pad_edge=False)
    table.add_column("metric", overflow="fold")
    for heading in ("old", "new", "change"):
        table.add_column(heading, justify="right")
    rows = {name: (prediction.old.get(name, Count()), prediction.new.get(name, Count()))
            for name in sorted({*prediction.old, *prediction.new})}  # fmt: skip
    for name, (old, new) in {**rows, "all": (total(prediction.old), total(prediction.new))}.items():
        numbers = (f"{old.series:,}", f"{new.series:,}", f"{new.series - old.series:+,}" if new != old else "-")
        table.add_row(Text(name), *numbers)
    console.print(table)
