"""TRACESPAN rows: the entry, and what makes a span of it."""

from datetime import timedelta

import numpy as np
import polars as pl

from telemetry.attributes import STRING_MAP, TIMESTAMP
from telemetry.batch import SCHEMAS, Template
from telemetry.processors.hops.constant import same

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


_ORDER = list(_SCHEMA)


def taken(entries: pl.DataFrame, positions: pl.Series) -> pl.DataFrame:
    """Give the rows at these positions (distinct, ascending), copying as little as can be."""
    if len(positions) == len(entries):
        return entries
    # Half of the columns are null throughout, as a rule: any part of such a one is as good as another.
    empty = [name for name in entries.columns if entries[name].null_count() == len(entries)]
    chosen = entries.drop(empty)[positions]
    return chosen.hstack(entries[empty].head(len(positions)))[entries.columns]


def span_rows(entries: pl.DataFrame, positions: pl.Series, told: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """Give TRACESPAN rows of these entries.

    `told`: those of the columns span.* that the entry alone can't tell; `shared`: what Kinds says of each.
    """
    chosen = taken(entries, positions)
    made = [shared[name] for name in ("span.name", "span.kind", "span.status")]
    made += [chosen["request.time"].alias("span.start"), _ends(chosen)]
    made += [_messages(chosen, shared["failed"]), _events(chosen, shared["retried"])]
    return chosen.hstack([*told.get_columns(), *made])[_ORDER]


def _ends(entries: pl.DataFrame) -> pl.Series:
    begun, took = entries["request.time"], entries["response.duration"]
    return (begun + (took.fill_null(timedelta(0)) if took.null_count() else took)).alias("span.end")


def _messages(entries: pl.DataFrame, failed: pl.Series) -> pl.Series:
    if not failed.any():
        return same(None, pl.String, len(entries)).alias("span.status_message")
    details = entries["response.code_details"]
    # The code says the rest.
    telling = failed & (details != _OWN_ANSWER)
    return details.zip_with(telling, same(None, pl.String, len(entries))).alias("span.status_message")


def _events(entries: pl.DataFrame, retried: pl.Series) -> pl.Series:
    again = np.flatnonzero(retried.to_numpy())
    if not len(again):
        return same(None, _EVENTS, len(entries)).alias("span.events")
    made = entries[_READ_BY_EVENT][pl.Series(again)].select_seq(_RETRY)
    places = np.zeros(len(entries), np.uint32)
    places[again] = np.arange(1, len(again) + 1)
    # In one piece: to look for each row's piece would take several times as long.
    none = pl.Series("span.events", [None], _EVENTS)
    return none.append(made.to_series()).rechunk().gather(pl.Series(places))
