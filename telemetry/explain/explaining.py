"""Entries through the very code that runs in service, each attribute shown with what it was made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from telemetry import native
from telemetry.attributes import ATTRIBUTES, Attribute
from telemetry.columns import Columns, split
from telemetry.explain.course import Course
from telemetry.explain.explanation import Entry, Explained, Explanation, Point
from telemetry.node import ANONYMOUS, Node, node_of
from telemetry.pipeline import Wanted
from telemetry.processors.contexts import CONTEXT_ATTRIBUTES, Contexts
from telemetry.processors.entries import entry_attributes
from telemetry.processors.normalise import Normalise
from telemetry.rules.explaining import explain

__all__ = ["Explainer"]

_CONCEALED = "[concealed]"
_MADE_OF = {one.meta.output_name(): one.meta.root_names() for one in entry_attributes()}


class Explainer:
    """Explains messages by a normaliser of its own, so that it never waits for, or disturbs, the one at work."""

    def __init__(self, contexts: Contexts, wanted: Wanted, course: Course | None = None) -> None:
        self._course = course or Course()
        self._normalise = Normalise(contexts, overrides=self._course.overrides)
        self._wanted = wanted

    def explain(self, messages: Sequence[bytes], received_ns: int) -> Explanation:
        """Explain the entries of the messages; a message without identifier is its predecessor's Envoy's.

        Not for two threads at once.
        """
        nodes = list(self._nodes(messages))
        decoded = native.decode_access_logs(messages, list(range(len(messages))), **asdict(self._wanted))
        columns = split(decoded.rows)
        entries: list[Entry] = []
        if len(columns.rows):
            rows = self._normalise.rows(columns, nodes, received_ns)
            entries = list(self._entries(rows, _with_values(columns)))
        return Explanation(entries, decoded.rejected, decoded.repaired, self._course.elsewhere())

    def _entries(self, rows: pl.DataFrame, raw: pl.DataFrame) -> Iterator[Entry]:
        rows = self._course.completed(rows)
        redacted = self._course.redacted(rows)
        stored = self._course.named(redacted)
        for at, given in enumerate(raw.iter_rows(named=True)):
            concealed = self._concealed(rows[at], redacted[at])
            attributes = tuple(_explained(stored.row(at, named=True), given, concealed))
            batch = self._course.entry(stored[at])
            [verdict] = explain(self._course.rules, batch, self._course.accepts)
            yield Entry(attributes, verdict.rules, verdict.handlers, tuple(self._points(stored[at])))

    def _concealed(self, row: pl.DataFrame, redacted: pl.DataFrame) -> Mapping[str, tuple[str, ...]]:
        before, after = row.row(0, named=True), redacted.row(0, named=True)
        changed = [name for name in before if before[name] != after[name]]
        return {name: self._course.concealed_by(row, name) for name in changed}

    def _points(self, row: pl.DataFrame) -> Iterator[Point]:
        for batch in self._course.metrics_of(row):
            verdicts = explain(self._course.rules, batch, self._course.accepts)
            for point, verdict in zip(batch.rows.iter_rows(named=True), verdicts, strict=True):
                facts = {name: point[name] for name in ("metric", "kind", "unit", "value", "labels")}
                yield Point(**facts, rules=verdict.rules, handlers=verdict.handlers)

    def _nodes(self, messages: Sequence[bytes]) -> Iterator[Node]:
        node = ANONYMOUS
        for message in messages:
            identifier, _ = native.inspect(message)
            node = node_of(identifier) if identifier is not None else node
            yield node


def _with_values(columns: Columns) -> pl.DataFrame:
    return columns.rows.with_columns(columns.values(name) for name in columns.dictionaries)


def _explained(
    row: Mapping[str, Any], given: Mapping[str, Any], concealed: Mapping[str, tuple[str, ...]]
) -> Iterator[Explained]:
    # One column may be shown in several attributes: what is concealed in one must not be shown beside another.
    hidden = {column for name in concealed for column in _MADE_OF.get(name, ())}
    for attribute in ATTRIBUTES:
        name = attribute.name
        if row[name] is not None or name in concealed:
            made_of = {column: _CONCEALED if column in hidden else value for column, value in _made_of(name, given)}
            rules = concealed.get(name, ())
            yield Explained(name, row[name], _origin(attribute, row), made_of, name in concealed, rules)


def _origin(attribute: Attribute, row: Mapping[str, Any]) -> str:
    """Give the vocabulary's words, and for who-is-who the clue that decided."""
    side, _, rest = attribute.name.partition(".")
    clue = row.get(f"{side}.resolved_by") if attribute.name in CONTEXT_ATTRIBUTES and rest != "principal" else None
    return f"{attribute.origin}; here: {clue}" if clue else attribute.origin


def _made_of(name: str, given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((column, given[column]) for column in _MADE_OF.get(name, ()) if given.get(column) is not None)
