"""Of an entry what places its span in a trace."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.hashes import Hashes, combined, request_ids, text
from telemetry.processors.spans.identifiers import SEED

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


def _if_hexadecimal(name: str, digits: int) -> pl.Expr:
    value = pl.col(name)
    return pl.when((value.str.len_bytes() == digits) & value.str.decode("hex", strict=False).is_not_null()).then(value)


_IS_CLIENT = pl.col("context.reporter.kind").eq_missing("outbound")
# A header may hold anything; what is no id would break whoever reads our spans.
_VALID = [_if_hexadecimal(name, digits) for name, digits in _DIGITS.items()]
_WITHIN_TRACE = pl.when(pl.col("trace.id").is_not_null()).then(pl.col("trace.span_id", "trace.parent_id"))
_START = pl.col("request.time").to_physical().fill_null(0)
_SHOWN = [
    _IS_CLIENT.alias("client"),
    _START.alias("start"),
    (_START + pl.col("response.duration").to_physical().fill_null(0)).alias("end"),
    pl.col("request.attempts").cast(pl.Int64).fill_null(0).alias("attempts"),
    pl.col("trace.id", "trace.span_id", "trace.parent_id", "trace.state", "trace.sampled", "request.id"),
    pl.col("context.reporter.uid").alias("reporter"),
    pl.when(_IS_CLIENT).then("upstream.local.ip").otherwise("downstream.ip").alias("from.ip"),
    pl.when(_IS_CLIENT).then("upstream.local.port").otherwise("downstream.port").fill_null(0).alias("from.port"),
    pl.when(_IS_CLIENT).then("upstream.ip").otherwise("downstream.local.ip").alias("to.ip"),
    pl.when(_IS_CLIENT).then("upstream.port").otherwise("downstream.local.port").fill_null(0).alias("to.port"),
]  # fmt: skip


def outline(rows: pl.DataFrame, tail: pl.Expr | None) -> pl.DataFrame:
    """Give OUTLINE (frame and row 0 and up) of LOGENTRY rows; `wanted`: tail rules keep its trace."""
    wanted = pl.lit(value=False) if tail is None else tail
    shown = _with_valid_ids(rows.select(*_SHOWN, wanted.alias("wanted")))
    hashed: dict[str, npt.NDArray[Any]] = {
        "trace": text(shown["trace.id"], SEED),
        "span": text(shown["trace.span_id"], SEED),
        "id": request_ids(shown["request.id"], SEED),
        "node": text(shown["reporter"], SEED),
        "from": _address(shown, "from"),
        "to": _address(shown, "to"),
        "row": np.arange(len(shown), dtype=np.uint32),
        "frame": np.zeros(len(shown), np.uint32),
    }
    return shown.with_columns(pl.Series(name, values) for name, values in hashed.items()).select(list(OUTLINE))


def _with_valid_ids(shown: pl.DataFrame) -> pl.DataFrame:
    if shown["trace.id"].null_count() == len(shown):
        return shown
    return shown.with_columns(_VALID).with_columns(_WITHIN_TRACE)


def _address(shown: pl.DataFrame, end: str) -> Hashes:
    ip = text(shown[f"{end}.ip"], SEED)
    return np.where(ip == 0, np.uint64(0), combined(ip, shown[f"{end}.port"].to_numpy()))
