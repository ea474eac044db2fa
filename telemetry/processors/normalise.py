"""Decoded entries become LOGENTRY rows: one vocabulary, whatever Envoy they came from."""

from collections.abc import Collection, Sequence

import polars as pl

from telemetry.attributes import TIMESTAMP, by_name
from telemetry.batch import SCHEMAS, Template
from telemetry.columns import Columns
from telemetry.node import Node
from telemetry.processors import outcome, times
from telemetry.processors.contexts import CONTEXT_ATTRIBUTES, Contexts
from telemetry.processors.entries import OPTIONAL_HEADERS, VALUES, entry_attributes, protocol_code
from telemetry.processors.flags import flags_text, with_inferred
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
        self._unwanted = [_left_out(name) for name in CONTEXT_ATTRIBUTES if name not in self._context]
        self._attributes = [
            expression if expression.meta.output_name() in self._wanted else _left_out(expression.meta.output_name())
            for expression in entry_attributes()
        ]
        used = {root for one in self._attributes for root in one.meta.root_names()}
        self._values = [name for name in VALUES if name in used]

    def rows(self, columns: Columns, nodes: Sequence[Node], received_ns: int) -> pl.DataFrame:
        """Columns: SCHEMAS[LOGENTRY]. `nodes`: what column `node` counts through; `received_ns`: our clock."""
        rows = _with_optional(columns.rows)
        protocol = rows.select(protocol_code()).to_series()
        context = self._contexts.attributes(columns, nodes, protocol, self._context)
        flags = with_inferred(rows["response_flags"], columns.values("response_code_details"))
        shown = rows.with_columns(
            *(columns.values(name) for name in self._values),
            *context.get_columns(),
            flags,
            pl.Series("logs_types", [node.logs_types for node in nodes], dtype=pl.Boolean).gather(rows["node"]),
            flags_text(flags).alias("context.proxy_error_code"),
            pl.lit(received_ns).cast(TIMESTAMP).alias("context.time"),
        )
        shown = shown.with_columns(*self._attributes, *self._unwanted, *trace_context(rows))
        # Verdicts may ask for the times.
        shown = shown.with_columns(*self._times(shown))
        return shown.with_columns(*self._verdicts(shown)).select(_ORDER)

    def _times(self, shown: pl.DataFrame) -> list[pl.Series] | list[pl.Expr]:
        if self._wanted.isdisjoint(times.PARTS):
            return [times.latency_excluded(), *map(_left_out, times.PARTS)]
        return times.times(shown).get_columns()

    def _verdicts(self, shown: pl.DataFrame) -> list[pl.Series] | list[pl.Expr]:
        if self._wanted.isdisjoint(_VERDICTS):
            return [_left_out(name) for name in _VERDICTS]
        return outcome.verdicts(shown, self._overrides).get_columns()


# What other attributes are made of.
_ALWAYS = ("context.protocol", "context.reporter.kind")
_VERDICTS = ("response.outcome", "response.blame")


def _with_what_they_are_made_of(wanted: frozenset[str], overrides: Sequence[Override]) -> frozenset[str]:
    if not wanted.isdisjoint(_VERDICTS):
        wanted |= outcome.reads(overrides)
    if not wanted.isdisjoint(times.PARTS):
        wanted |= times.READS
    return wanted | times.EXCLUDED_READS if times.EXCLUDED in wanted else wanted


def _left_out(name: str) -> pl.Expr:
    return pl.lit(None, by_name(name).dtype).alias(name)


def _with_optional(rows: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in OPTIONAL_HEADERS if name not in rows.columns]
    return rows.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)
