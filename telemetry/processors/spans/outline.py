"""Of an entry what places its span in a trace."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.hashes import Hashes, text
from telemetry.processors.hops.reading import SEED, Reading
from telemetry.processors.spans.identifiers import identifiers

__all__ = ["OUTLINE", "outline"]

OUTLINE = {
    "frame": pl.UInt32,
    "row": pl.UInt32,
    # Of the reading's kinds.
    "kind": pl.UInt32,
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


_WITHIN = ("trace.span_id", "trace.parent_id")
_WITHIN_TRACE = [pl.when(pl.col("trace.id").is_not_null()).then(name).alias(name) for name in _WITHIN]
_CARRIED = [*_DIGITS, "trace.state", "trace.sampled", "request.id"]


def outline(rows: pl.DataFrame, reading: Reading, tail: pl.Expr | None) -> pl.DataFrame:
    """Give OUTLINE (frame and row 0 and up) of LOGENTRY rows; `wanted`: tail rules keep its trace."""
    shown, hashes = _with_valid_ids(rows[_CARRIED])
    made: dict[str, npt.NDArray[Any]] = {
        "frame": np.zeros(len(rows), np.uint32),
        "row": np.arange(len(rows), dtype=np.uint32),
        "kind": reading.kind.astype(np.uint32),
        "client": reading.client,
        "start": reading.start,
        "end": reading.end,
        "attempts": reading.attempts,
        "trace": hashes["trace.id"],
        "span": hashes["trace.span_id"],
        "id": reading.id,
        "node": text(rows["context.reporter.uid"], SEED),
        "from": reading.sender,
        "to": reading.receiver,
    }
    wanted = pl.Series(np.zeros(len(rows), np.bool_)) if tail is None else rows.select_seq(tail).to_series()
    columns = [pl.Series(name, values) for name, values in made.items()]
    return shown.hstack([wanted.alias("wanted"), *columns])[list(OUTLINE)]


def _with_valid_ids(shown: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Hashes]]:
    """Give the rows without what is no id, and hashes of the ids.

    A header may hold anything, and that would break who reads our spans.
    """
    hashes = {name: identifiers(shown[name], digits) for name, digits in _DIGITS.items()}
    wrong = [name for name, hashed in hashes.items() if hashed is None]
    if wrong:
        shown = shown.with_columns(map(_if_hexadecimal, wrong))
    bare = shown["trace.id"].is_null()
    if any((bare & shown[name].is_not_null()).any() for name in _WITHIN if shown[name].null_count() < len(shown)):
        shown, wrong = shown.with_columns(_WITHIN_TRACE), [*wrong, *_WITHIN]
    hashes |= {name: identifiers(shown[name], _DIGITS[name]) for name in wrong}
    return shown, {name: hashed for name, hashed in hashes.items() if hashed is not None}
