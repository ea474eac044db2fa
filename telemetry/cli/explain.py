"""`telemetry explain`: what would become of an entry."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry.cli.faults import config_faults
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from telemetry.explain import Entry, Explanation, Point
    from telemetry.rules.explaining import Received, Why

__all__ = ["explain"]

_MAX_CELL = 60


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
    Exit code 2: some input is in none of these forms, or the configuration has faults.
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
        _show(explanation)


def _show(explanation: "Explanation") -> None:
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    for number, entry in enumerate(explanation.entries, start=1):
        _show_attributes(console, number, entry)
        _show_rules(console, entry)
        _show_handlers(console, entry)
        _show_metrics(console, entry.metrics)
    for word, counts in (("kept out", explanation.rejected), ("repaired", explanation.repaired)):
        for reason, count in counts.items():
            console.print(f"{count} {word}: {reason}")


def _table(console: "Console", title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from telemetry.printable import printable  # noqa: PLC0415

    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    table.add_column(headings[0], no_wrap=True)
    for heading in headings[1:]:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)


def _show_attributes(console: "Console", number: int, entry: "Entry") -> None:
    rows = []
    for one in entry.attributes:
        made_of = ", ".join(f"{name}={value}" for name, value in one.made_of.items())
        value = "" if one.value is None else str(one.value)
        redaction = f" (redacted: {', '.join(one.concealed_by) or 'by another attribute'})"
        shown = value[:_MAX_CELL] + (redaction if one.concealed else "")
        rows.append((one.name, shown, one.origin[:_MAX_CELL], made_of[:_MAX_CELL]))
    _table(console, f"entry {number}", ("attribute", "value", "from", "made of"), rows)


def _show_rules(console: "Console", entry: "Entry") -> None:
    rows = [(one.rule, ", ".join(one.handlers), _verdict(one)) for one in entry.rules]
    if rows:
        _table(console, "\nrules, of the entry", ("rule", "for", "matches"), rows)


def _verdict(why: "Why") -> str:
    if why.matched:
        return "yes"
    return f"no: {why.term} " + ("could not be told (something is absent)" if why.absent else "is false")


def _show_handlers(console: "Console", entry: "Entry") -> None:
    from telemetry.rules.explaining import Decision  # noqa: PLC0415

    rows = []
    for at, one in enumerate(entry.handlers):
        decisions = [point.handlers[at].decision for point in entry.metrics]
        accepts = any(decision != "not_accepted" for decision in decisions)
        taken = f"{decisions.count(Decision.DELIVERED)} of {len(decisions)}" if accepts else "not accepted"
        rows.append((one.handler, _received(one), taken))
    if rows:
        _table(console, "\nhandlers", ("handler", "the entry", "metric points"), rows)


def _received(one: "Received") -> str:
    by = f" by {', '.join(one.rules)}" if one.rules else ""
    return f"{one.decision.replace('_', ' ')}{by}"


def _show_metrics(console: "Console", points: Sequence["Point"]) -> None:
    from telemetry.printable import printable  # noqa: PLC0415

    by_labels: dict[str, list[Point]] = {}
    for point in points:
        by_labels.setdefault(", ".join(f"{name}={value}" for name, value in point.labels.items()), []).append(point)
    for labels, some in by_labels.items():
        rows = [(one.metric, f"{one.value:g} {one.unit}", _takers(one)) for one in some]
        _table(console, "\ncounts into", ("metric", "value", "for"), rows)
        console.print(f"with {printable(labels)}", markup=False, highlight=False)


def _takers(point: "Point") -> str:
    return ", ".join(one.handler for one in point.handlers if one.decision == "delivered") or "nobody"
