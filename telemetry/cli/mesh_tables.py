"""Answers about the mesh on a terminal: tables, trees, and how much of the traffic was seen."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from telemetry.printable import printable

__all__ = ["cell", "milliseconds", "per_second", "percent", "seen", "show_table"]


def show_table(console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; all but the first two columns are numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, heading in enumerate(headings):
        table.add_column(heading, justify="left" if at < 2 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    console.print(table)


def cell(text: str) -> Text:
    """Make a stranger's text safe to print."""
    return Text(printable(text)[:200])


def seen(answer: Mapping[str, Any]) -> str:
    """Say which time an answer is of, and how complete it is."""
    share = answer["completeness"]
    known = "how much of the traffic was seen is not known" if share is None else f"{share * 100:.1f} % of traffic seen"
    return f"{answer['from']} to {answer['to']}; {known}"


def per_second(value: float | None) -> str:
    """Show a rate."""
    return "-" if value is None else f"{value:.2f}/s"


def percent(value: float | None) -> str:
    """Show a share."""
    return "-" if value is None else f"{value * 100:.1f} %"


def milliseconds(value: float | None) -> str:
    """Show a time."""
    return "-" if value is None else f"{value:.1f} ms"
