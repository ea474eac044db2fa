"""An explanation as text, for a terminal."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from telemetry.explain import Elsewhere, Entry, Explanation, Point
from telemetry.printable import printable
from telemetry.rules.explaining import Decision, Received, Why

__all__ = ["show"]

_MAX_CELL = 60
_NOT = "not explained here"


def show(explanation: Explanation) -> None:
    """Print it."""
    console = Console()
    for number, entry in enumerate(explanation.entries, start=1):
        _show_attributes(console, number, entry)
        _show_rules(console, entry)
        _show_handlers(console, entry)
        _show_metrics(console, entry.metrics)
    _show_elsewhere(console, explanation.elsewhere)
    for word, counts in (("kept out", explanation.rejected), ("repaired", explanation.repaired)):
        for reason, count in counts.items():
            console.print(f"{count} {word}: {reason}")


def _table(console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    table.add_column(headings[0], no_wrap=True)
    for heading in headings[1:]:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)


def _show_attributes(console: Console, number: int, entry: Entry) -> None:
    rows = []
    for one in entry.attributes:
        made_of = ", ".join(f"{name}={value}" for name, value in one.made_of.items())
        value = "" if one.value is None else str(one.value)
        redaction = f" (redacted: {', '.join(one.concealed_by) or 'by another attribute'})"
        shown = value[:_MAX_CELL] + (redaction if one.concealed else "")
        rows.append((one.name, shown, one.origin[:_MAX_CELL], made_of[:_MAX_CELL]))
    _table(console, f"entry {number}", ("attribute", "value", "from", "made of"), rows)


def _show_rules(console: Console, entry: Entry) -> None:
    rows = [_judged(one) for one in entry.rules]
    if rows:
        _table(console, "\nrules, of the entry", ("rule", "for", "matches"), rows)
    # One line for all metrics of which a rule says the same.
    judged = Counter(_judged(why) for point in entry.metrics for why in point.rules)
    sums = [(*words, f"{points} of {len(entry.metrics)}") for words, points in judged.items()]
    if sums:
        _table(console, "\nrules, of its metrics", ("rule", "for", "matches", "metric points"), sums)


def _show_elsewhere(console: Console, rules: Sequence[Elsewhere]) -> None:
    rows = [(one.rule, ", ".join(one.handlers), f"about {', '.join(one.templates)}: {_NOT}") for one in rules]
    if rows:
        _table(console, "\nother rules", ("rule", "for", ""), rows)


def _judged(why: Why) -> tuple[str, str, str]:
    return why.rule, ", ".join(why.handlers), _verdict(why)


def _verdict(why: Why) -> str:
    if why.matched:
        return "yes"
    return f"no: {why.term} " + ("could not be told (something is absent)" if why.absent else "is false")


def _show_handlers(console: Console, entry: Entry) -> None:
    rows = []
    for at, one in enumerate(entry.handlers):
        decisions = [point.handlers[at].decision for point in entry.metrics]
        accepts = any(decision != "not_accepted" for decision in decisions)
        taken = f"{decisions.count(Decision.DELIVERED)} of {len(decisions)}" if accepts else "not accepted"
        rows.append((one.handler, _received(one), taken))
    if rows:
        _table(console, "\nhandlers", ("handler", "the entry", "metric points"), rows)


def _received(one: Received) -> str:
    by = f" by {', '.join(one.rules)}" if one.rules else ""
    return f"{one.decision.replace('_', ' ')}{by}"


def _show_metrics(console: Console, points: Sequence[Point]) -> None:
    if not points:
        console.print("\ncounts into no metric", highlight=False)
    by_labels: dict[str, list[Point]] = {}
    for point in points:
        by_labels.setdefault(", ".join(f"{name}={value}" for name, value in point.labels.items()), []).append(point)
    for labels, some in by_labels.items():
        rows = [(one.metric, f"{one.value:g} {one.unit}", _takers(one)) for one in some]
        _table(console, "\ncounts into", ("metric", "value", "for"), rows)
        console.print(f"with {printable(labels)}", markup=False, highlight=False)


def _takers(point: Point) -> str:
    return ", ".join(one.handler for one in point.handlers if one.decision == "delivered") or "nobody"
