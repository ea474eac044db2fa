"""Decoded entries become LOGENTRY rows: one vocabulary, whatever Envoy they came from."""

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from telemetry.attributes import TIMESTAMP, by_name
from telemetry.batch import SCHEMAS, Template
from telemetry.by_context import ByContext
from telemetry.columns import Columns
from telemetry.node import Node
from telemetry.processors import outcome, times
from telemetry.processors.contexts import CONTEXT_ATTRIBUTES, Contexts
from telemetry.processors.entries import OPTIONAL_HEADERS, VALUES, entry_attributes, protocol_code
from telemetry.processors.flags import flags_text, tells_flags, with_inferred
from telemetry.processors.outcome import Override
from telemetry.processors.trace_context import trace_context

__all__ = ["Normalise"]

_ORDER = list(SCHEMAS[Template.LOGENTRY])


class Normalise:
    """Makes the LOGENTRY frame of decoded entries: every one of them, in their order.

    `wanted`: the attributes that someone will look at. Others may be left null, which saves making them.
    `overrides`: what the operator has decided about outcomes.
    """

    def __init__(
        self, contexts: Contexts, wanted: Collection[str] = _ORDER, overrides: Sequence[Override] = ()
    ) -> None:
        self._overrides = tuple(overrides)
        self._contexts = contexts
        self._wanted = _with_what_they_are_made_of(frozenset(wanted), self._overrides)
        self._context = [name for name in CONTEXT_ATTRIBUTES if name in self._wanted or name in _ALWAYS]
        self._timed = not self._wanted.isdisjoint(times.PARTS)
        self._judged = not self._wanted.isdisjoint(_VERDICTS)
        own = {one.meta.output_name(): one for one in entry_attributes()}
        self._attributes = {
            name: (expression, frozenset(expression.meta.root_names()))
            for name, expression in own.items()
            if name in self._wanted
        }
        made = {*_ALWAYS_MADE, *self._context, *self._attributes}.union(
            times.PARTS if self._timed else (), _VERDICTS if self._judged else (), self._wanted & _TRACE
        )
        self._unwanted = [_left_out(name) for name in _ORDER if name not in made]
        self._made_of = frozenset[str]().union(*(roots for _, roots in self._attributes.values()))
        self._values = [name for name in VALUES if name in self._made_of]

    def rows(self, columns: Columns, nodes: Sequence[Node], received_ns: int) -> pl.DataFrame:
        """Columns: SCHEMAS[LOGENTRY]. `nodes`: what column `node` counts through; `received_ns`: our clock."""
        return self.entries(columns, nodes, received_ns)[0]

    def entries(self, columns: Columns, nodes: Sequence[Node], received_ns: int) -> tuple[pl.DataFrame, ByContext]:
        """Give the `rows`, and what of them follows from context.key."""
        rows = _with_optional(_with_all_flags(columns))
        protocol = rows.select(protocol_code()).to_series()
        context, known = self._contexts.attributes(columns, nodes, protocol, self._context)
        # Codes give way to their values.
        plain = rows[[name for name in rows.columns if name not in columns.dictionaries]]
        shown = plain.hstack([
            *(columns.values(name) for name in self._values),
            *context.get_columns(),
            pl.Series("logs_types", [node.logs_types for node in nodes], dtype=pl.Boolean).gather(rows["node"]),
            flags_text(rows["response_flags"]).alias("context.proxy_error_code"),
        ])  # fmt: skip
        received = pl.lit(received_ns).cast(TIMESTAMP).alias("context.time")
        trace = [one for one in trace_context(rows) if one.meta.output_name() in self._wanted]
        shown = shown.with_columns(*self._entries_own(shown), *trace, *self._unwanted, received)
        shown = shown.hstack(times.times(shown)) if self._timed else shown.with_columns(times.latency_excluded())
        # Verdicts may ask for the times.
        if self._judged:
            shown = shown.hstack(outcome.verdicts(shown, self._overrides))
        return shown[_ORDER], known

    def _entries_own(self, rows: pl.DataFrame) -> Iterator[pl.Expr]:
        """Give the entry's own attributes; of nothing but nulls, nothing else is made."""
        absent = {name for name in self._made_of if rows[name].null_count() == len(rows)}
        for name, (expression, roots) in self._attributes.items():
            yield _left_out(name) if roots and roots <= absent else expression


# What other attributes are made of.
_ALWAYS = ("context.protocol", "context.reporter.kind")
_VERDICTS = ("response.outcome", "response.blame")
_TRACE = frozenset({"trace.id", "trace.span_id", "trace.parent_id", "trace.sampled", "trace.state"})
_ALWAYS_MADE = ("context.key", "context.time", "context.proxy_error_code", times.EXCLUDED)


def _with_what_they_are_made_of(wanted: frozenset[str], overrides: Sequence[Override]) -> frozenset[str]:
    if not wanted.isdisjoint(_VERDICTS):
        wanted |= outcome.reads(overrides)
    if not wanted.isdisjoint(times.PARTS):
        wanted |= times.READS
    return wanted | times.EXCLUDED_READS if times.EXCLUDED in wanted else wanted


def _left_out(name: str) -> pl.Expr:
    return pl.lit(None, by_name(name).dtype).alias(name)


def _with_all_flags(columns: Columns) -> pl.DataFrame:
    details = "response_code_details"
    if not tells_flags(columns.dictionaries[details]):
        return columns.rows
    return columns.rows.with_columns(with_inferred(columns.rows["response_flags"], columns.values(details)))


def _with_optional(rows: pl.DataFrame) -> pl.DataFrame:
    null = pl.Series([None], dtype=pl.String)
    missing = [name for name in OPTIONAL_HEADERS if name not in rows.columns]
    return rows.hstack([null.new_from_index(0, len(rows)).alias(name) for name in missing])
