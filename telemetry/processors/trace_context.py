"""Trace, span, parent and sampling flag, from whichever propagation header was logged."""

import polars as pl

__all__ = ["trace_context"]

_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
# https://www.w3.org/TR/trace-context/#traceparent-header, version 00
_TRACEPARENT_BYTES = 55
# https://github.com/openzipkin/b3-propagation: the single header; its trace id has 16 or 32 digits.
_B3_TRACE = r"^([0-9a-f]{16}(?:[0-9a-f]{16})?)-"
_B3_SPAN = r"^[0-9a-f]{16,32}-([0-9a-f]{16})"
_B3_PARENT = r"-([0-9a-f]{16})$"
# Trace, span, flag, parent: what is longer than the first two and the flag has a parent.
_B3_WITHOUT_PARENT_BYTES = 51
# The flag stands alone, or after the span's id; d is debug, which is sampled.
_B3_SAMPLED = r"^(?:[0-9a-f]{16,32}-[0-9a-f]{16}-)?([01d])(?:$|-)"
# An id of zeros is none.
_NO_TRACE, _NO_SPAN = "0" * _TRACE_DIGITS, "0" * _SPAN_DIGITS
_TRUE = ("1", "d", "true")


def trace_context(rows: pl.DataFrame) -> list[pl.Expr]:
    """Give the expressions of trace.id (32 hex digits), .span_id and .parent_id (16), .sampled and .state.

    Null where no header has them. traceparent before b3 before x-b3-*. Most meshes use one of them: a header that no
    row has costs nothing.
    """
    traces: list[pl.Expr] = []
    spans: list[pl.Expr] = []
    parents: list[pl.Expr] = []
    sampled: list[pl.Expr] = []
    if _logged(rows, "traceparent"):
        told = _of_traceparent(rows["request_headers.traceparent"])
        traces.append(pl.lit(told["trace"]))
        spans.append(pl.lit(told["span"]))
        sampled.append(pl.lit(told["whole"]).str.tail(1).is_in(list("13579bdf")))
    if _logged(rows, "b3"):
        header = pl.col("request_headers.b3")
        traces.append(header.str.extract(_B3_TRACE).str.pad_start(_TRACE_DIGITS, "0"))
        spans.append(header.str.extract(_B3_SPAN))
        parents.append(pl.when(header.str.len_bytes() > _B3_WITHOUT_PARENT_BYTES).then(header.str.extract(_B3_PARENT)))
        sampled.append(header.str.extract(_B3_SAMPLED).is_in(_TRUE))
    if _logged(rows, "x-b3-traceid"):
        traces.append(pl.col("request_headers.x-b3-traceid").str.to_lowercase().str.pad_start(_TRACE_DIGITS, "0"))
    if _logged(rows, "x-b3-spanid"):
        spans.append(pl.col("request_headers.x-b3-spanid").str.to_lowercase())
    if _logged(rows, "x-b3-parentspanid"):
        parents.append(pl.col("request_headers.x-b3-parentspanid").str.to_lowercase())
    if _logged(rows, "x-b3-sampled"):
        sampled.append(pl.col("request_headers.x-b3-sampled").is_in(_TRUE))
    state = pl.col("request_headers.tracestate") if _logged(rows, "tracestate") else pl.lit(None, pl.String)
    return [
        _first(traces).alias("trace.id"),
        _first(spans).alias("trace.span_id"),
        _first(parents).alias("trace.parent_id"),
        _first(sampled, pl.Boolean).alias("trace.sampled"),
        state.alias("trace.state"),
    ]


def _of_traceparent(headers: pl.Series) -> pl.DataFrame:
    """Columns: whole (the header), trace, span; null where the header is not well formed.

    In steps: within one, Polars works out anew what several columns are made of.
    """
    header = pl.col("whole")
    formed = (header.str.len_bytes() == _TRACEPARENT_BYTES) & header.str.starts_with("00-")
    whole = headers.alias("whole").to_frame().select(pl.when(formed).then(header))
    parts = whole.with_columns(trace=header.str.slice(3, _TRACE_DIGITS), span=header.str.slice(36, _SPAN_DIGITS))
    named = (pl.col("trace") != _NO_TRACE) & (pl.col("span") != _NO_SPAN)
    return parts if parts.select(named.all()).item() else parts.select(pl.when(named).then(pl.all()))


def _logged(rows: pl.DataFrame, header: str) -> bool:
    name = f"request_headers.{header}"
    return name in rows.columns and rows[name].null_count() < len(rows)


def _first(choices: list[pl.Expr], dtype: type[pl.DataType] = pl.String) -> pl.Expr:
    return pl.coalesce(choices) if choices else pl.lit(None, dtype)
