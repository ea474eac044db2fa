"""Entries through the very code that runs in service, each attribute shown with what it was made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from telemetry import native
from telemetry.attributes import ATTRIBUTES, Attribute
from telemetry.columns import Columns, split
from telemetry.node import ANONYMOUS, Node, node_of
from telemetry.pipeline import Wanted
from telemetry.processors.contexts import CONTEXT_ATTRIBUTES, Contexts
from telemetry.processors.entries import entry_attributes
from telemetry.processors.normalise import Normalise

__all__ = ["Explained", "Explainer", "Explanation"]

_MADE_OF = {one.meta.output_name(): one.meta.root_names() for one in entry_attributes()}


@dataclass(frozen=True, slots=True)
class Explained:
    """One attribute of one entry. `made_of`: the decoded columns that it was made of, with their values."""

    name: str
    value: Any
    origin: str
    made_of: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a text's entries: their attributes, and how many were kept out or repaired, by reason."""

    entries: Sequence[Sequence[Explained]]
    rejected: Mapping[str, int]
    repaired: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Give it as plain data."""
        return asdict(self)


class Explainer:
    """Explains messages by a normaliser of its own, so that it never waits for, or disturbs, the one at work."""

    def __init__(self, contexts: Contexts, wanted: Wanted) -> None:
        self._contexts = contexts
        self._normalise = Normalise(contexts)
        self._wanted = wanted

    def explain(self, messages: Sequence[bytes], received_ns: int) -> Explanation:
        """Explain the entries of the messages; a message without identifier is its predecessor's Envoy's.

        Not for two threads at once.
        """
        nodes = list(self._nodes(messages))
        decoded = native.decode_access_logs(messages, list(range(len(messages))), **asdict(self._wanted))
        columns = split(decoded.rows)
        entries: list[list[Explained]] = []
        if len(columns.rows):
            rows = self._normalise.rows(columns, nodes, received_ns)
            raw = _with_values(columns)
            entries = [list(_explained(row, given)) for row, given in zip(rows.to_dicts(), raw.to_dicts(), strict=True)]
        return Explanation(entries, decoded.rejected, decoded.repaired)

    def _nodes(self, messages: Sequence[bytes]) -> Iterator[Node]:
        node = ANONYMOUS
        for message in messages:
            identifier, _ = native.inspect(message)
            node = node_of(identifier) if identifier is not None else node
            yield node


def _with_values(columns: Columns) -> pl.DataFrame:
    return columns.rows.with_columns(columns.values(name) for name in columns.dictionaries)


def _explained(row: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Explained]:
    for attribute in ATTRIBUTES:
        value = row[attribute.name]
        if value is not None:
            yield Explained(attribute.name, value, _origin(attribute, row), _made_of(attribute, given))


def _origin(attribute: Attribute, row: Mapping[str, Any]) -> str:
    """Give the vocabulary's words, and for who-is-who the clue that decided."""
    side, _, rest = attribute.name.partition(".")
    clue = row.get(f"{side}.resolved_by") if attribute.name in CONTEXT_ATTRIBUTES and rest != "principal" else None
    return f"{attribute.origin}; here: {clue}" if clue else attribute.origin


def _made_of(attribute: Attribute, given: Mapping[str, Any]) -> Mapping[str, Any]:
    used = _MADE_OF.get(attribute.name, ())
    return {name: given[name] for name in used if given.get(name) is not None}
