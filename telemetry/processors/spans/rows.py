"""TRACESPAN rows: the entry, and what makes a span of it."""

import numpy as np
import polars as pl

from telemetry.attributes import STRING_MAP, TIMESTAMP
from telemetry.batch import SCHEMAS, Template
from telemetry.processors.spans.entry_kinds import Kinds

__all__ = ["span_rows", "taken"]

_SCHEMA = SCHEMAS[Template.TRACESPAN]
_EVENTS = _SCHEMA["span.events"]
_EVENT = pl.Struct({"time": TIMESTAMP, "name": pl.String, "attributes": STRING_MAP})
_AT_ONCE = pl.duration(nanoseconds=0)
_OWN_ANSWER = "via_upstream"


def _retry() -> pl.Expr:
    """One event for all attempts but the first: Envoy tells when the last was handed on, and how many there were."""
    begun = pl.col("request.time") + pl.col("envoy.time_to_first_upstream_tx_byte").fill_null(_AT_ONCE)
    resent = (pl.col("request.attempts") - 1).cast(pl.String)
    attributes = pl.concat_list(pl.struct(key=pl.lit("http.request.resend_count"), value=resent)).cast(STRING_MAP)
    event = pl.struct(time=begun.cast(TIMESTAMP), name=pl.lit("retry"), attributes=attributes).cast(_EVENT)
    return pl.concat_list(event).cast(_EVENTS)


_RETRY = _retry().alias("span.events")
_READ_BY_EVENT = _RETRY.meta.root_names()


_details = pl.col("response.code_details")
_END = pl.col("request.time") + pl.col("response.duration").fill_null(_AT_ONCE)
# The code says the rest.
_MESSAGE = pl.when(pl.col("failed") & (_details != _OWN_ANSWER)).then(_details)
_ORDER = list(_SCHEMA)


def taken(entries: pl.DataFrame, positions: pl.Series) -> pl.DataFrame:
    """Give the rows at these positions (distinct, ascending), copying as little as can be."""
    if len(positions) == len(entries):
        return entries
    # Half of the columns are null throughout, as a rule: any part of such a one is as good as another.
    empty = [name for name in entries.columns if entries[name].null_count() == len(entries)]
    chosen = entries.drop(empty).select_seq(pl.all().gather(positions))
    return chosen.hstack(entries[empty].head(len(positions)))[entries.columns]


def span_rows(entries: pl.DataFrame, positions: pl.Series, told: pl.DataFrame, kinds: Kinds) -> pl.DataFrame:
    """Give TRACESPAN rows of these entries; `told`: those of the columns span.* that the entry alone can't tell."""
    chosen = taken(entries, positions)
    shared = kinds.of(chosen)
    failed = shared.drop_in_place("failed")
    made = [chosen["request.time"].alias("span.start"), chosen.select_seq(_END).to_series().alias("span.end")]
    made += [_messages(chosen, failed), _events(chosen)]
    return chosen.hstack([*told.get_columns(), *shared.get_columns(), *made])[_ORDER]


def _messages(entries: pl.DataFrame, failed: pl.Series) -> pl.Series:
    if not failed.any():
        return pl.Series("span.status_message", [None], pl.String).new_from_index(0, len(entries))
    shown = entries[["response.code_details"]].hstack([failed])
    return shown.select_seq(_MESSAGE.alias("span.status_message")).to_series()


def _events(entries: pl.DataFrame) -> pl.Series:
    again = (entries["request.attempts"].fill_null(0) > 1).arg_true()
    none = pl.Series("span.events", [None], _EVENTS)
    if not len(again):
        return none.new_from_index(0, len(entries))
    made = entries[_READ_BY_EVENT].select_seq(pl.all().gather(again)).select_seq(_RETRY)
    places = np.zeros(len(entries), np.uint32)
    places[again.to_numpy()] = np.arange(1, len(again) + 1)
    # In one piece: to look for each row's piece would take several times as long.
    return none.append(made.to_series()).rechunk().gather(pl.Series(places))
