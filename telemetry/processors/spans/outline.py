"""Of an entry what places its span in a trace."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.addresses import addresses, numbers
from telemetry.processors.hops.hashes import request_ids, texts
from telemetry.processors.spans.identifiers import SEED, is_identifier

__all__ = ["OUTLINE", "outline"]

OUTLINE = {
    "frame": pl.UInt32,
    "row": pl.UInt32,
    "client": pl.Boolean,
    "start": pl.Int64,
    "end": pl.Int64,
    "attempts": pl.Int64,
    "trace.id": pl.String,
    "trace.span_id": pl.String,
    "trace.parent_id": pl.String,
    "trace.state": pl.String,
    "trace.sampled": pl.Boolean,
    "request.id": pl.String,
    "wanted": pl.Boolean,
    # Hashes; 0 where there is none.
    "trace": pl.UInt64,
    "span": pl.UInt64,
    "id": pl.UInt64,
    "node": pl.UInt64,
    "from": pl.UInt64,
    "to": pl.UInt64,
}

_DIGITS = {"trace.id": 32, "trace.span_id": 16, "trace.parent_id": 16}


def _if_hexadecimal(name: str) -> pl.Expr:
    value = pl.col(name)
    is_hexadecimal = value.str.decode("hex", strict=False).is_not_null()
    return pl.when((value.str.len_bytes() == _DIGITS[name]) & is_hexadecimal).then(value)


_WITHIN_TRACE = [pl.when(pl.col("trace.id").is_not_null()).then(name).alias(name) for name in list(_DIGITS)[1:]]
_HASHED = ("trace.id", "trace.span_id", "context.reporter.uid")
_CARRIED = [*_DIGITS, "trace.state", "trace.sampled", "request.id"]


def outline(rows: pl.DataFrame, tail: pl.Expr | None) -> pl.DataFrame:
    """Give OUTLINE (frame and row 0 and up) of LOGENTRY rows; `wanted`: tail rules keep its trace."""
    shown = _with_valid_ids(rows[_CARRIED])
    client = rows["context.reporter.kind"].eq_missing("outbound")
    start, duration, attempts = (
        numbers(rows[name]).astype(np.int64, copy=False)
        for name in ("request.time", "response.duration", "request.attempts")
    )
    sender, receiver = addresses(rows, client, SEED)
    hashes = texts(shown.hstack([rows["context.reporter.uid"]]), _HASHED, SEED)
    made: dict[str, npt.NDArray[Any]] = {
        "frame": np.zeros(len(rows), np.uint32),
        "row": np.arange(len(rows), dtype=np.uint32),
        "start": start,
        "end": start + duration,
        "attempts": attempts,
        "trace": hashes["trace.id"],
        "span": hashes["trace.span_id"],
        "id": request_ids(shown["request.id"], SEED),
        "node": hashes["context.reporter.uid"],
        "from": sender.key,
        "to": receiver.key,
    }
    wanted = pl.Series(np.zeros(len(rows), np.bool_)) if tail is None else rows.select_seq(tail).to_series()
    columns = [pl.Series(name, values) for name, values in made.items()]
    return shown.hstack([client.alias("client"), wanted.alias("wanted"), *columns])[list(OUTLINE)]


def _with_valid_ids(shown: pl.DataFrame) -> pl.DataFrame:
    """Give the rows without what is no id: a header may hold anything, and that would break who reads our spans."""
    wrong = [name for name, digits in _DIGITS.items() if not is_identifier(shown[name], digits)]
    if wrong:
        shown = shown.with_columns(map(_if_hexadecimal, wrong))
    spans = [shown[name].is_not_null() for name in list(_DIGITS)[1:] if shown[name].null_count() < len(shown)]
    bare = shown["trace.id"].is_null()
    return shown.with_columns(_WITHIN_TRACE) if any((bare & has).any() for has in spans) else shown
