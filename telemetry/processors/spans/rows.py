"""TRACESPAN rows: the entry, and what makes a span of it."""

import polars as pl

from telemetry.attributes import STRING_MAP, TIMESTAMP
from telemetry.batch import SCHEMAS, Template
from telemetry.opentelemetry.conventions import KIND, NAME, STATUS

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
    return pl.when(pl.col("request.attempts") > 1).then(pl.concat_list(event)).cast(_EVENTS)


_details = pl.col("response.code_details")
_MADE = {
    "span.name": NAME,
    "span.kind": KIND,
    "span.start": pl.col("request.time"),
    "span.end": pl.col("request.time") + pl.col("response.duration").fill_null(_AT_ONCE),
    "span.status": STATUS,
    # The code says the rest.
    "span.status_message": pl.when((STATUS == "error") & (_details != _OWN_ANSWER)).then(_details),
    "span.events": _retry(),
}
_NO_EVENTS = pl.lit(None, _EVENTS).alias("span.events")


def taken(entries: pl.DataFrame, positions: pl.Series) -> pl.DataFrame:
    """Give the rows at these positions (distinct, ascending), copying as little as can be."""
    if len(positions) == len(entries):
        return entries
    # Half of the columns are null throughout, as a rule: any part of such a one is as good as another.
    empty = [name for name in entries.columns if entries[name].null_count() == len(entries)]
    chosen = entries.select(pl.exclude(empty)).select(pl.all().gather(positions))
    return chosen.hstack(entries.select(empty).head(len(positions))).select(entries.columns)


def span_rows(entries: pl.DataFrame, positions: pl.Series, told: pl.DataFrame) -> pl.DataFrame:
    """Give TRACESPAN rows of these entries; `told`: those of the columns span.* that the entry alone can't tell."""
    chosen = taken(entries, positions)
    made = dict(_MADE)
    if (chosen["request.attempts"].max() or 0) <= 1:  # type: ignore[operator]
        made["span.events"] = _NO_EVENTS
    return pl.concat([chosen, told, chosen.select(**made)], how="horizontal").select(list(_SCHEMA))
