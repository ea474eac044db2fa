"""Trace and span id, from whichever propagation header was logged."""

import polars as pl

__all__ = ["trace_context"]

_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
# https://www.w3.org/TR/trace-context/#traceparent-header, version 00
_TRACEPARENT_BYTES = 55
# https://github.com/openzipkin/b3-propagation: the single header; its trace id has 16 or 32 digits.
_B3_TRACE = r"^([0-9a-f]{16}(?:[0-9a-f]{16})?)-"
_B3_SPAN = r"^[0-9a-f]{16,32}-([0-9a-f]{16})"


def trace_context(rows: pl.DataFrame) -> list[pl.Expr]:
    """Give the expressions of trace.id (32 hex digits) and trace.span_id (16), null where no header has them.

    traceparent before b3 before x-b3-*. Most meshes use one of them: a header that no row has costs nothing.
    """
    traces, spans = [], []
    if _logged(rows, "traceparent"):
        header = pl.col("request_headers.traceparent")
        whole = pl.when((header.str.len_bytes() == _TRACEPARENT_BYTES) & header.str.starts_with("00-")).then(header)
        traces.append(whole.str.slice(3, _TRACE_DIGITS))
        spans.append(whole.str.slice(36, _SPAN_DIGITS))
    if _logged(rows, "b3"):
        header = pl.col("request_headers.b3")
        traces.append(header.str.extract(_B3_TRACE).str.pad_start(_TRACE_DIGITS, "0"))
        spans.append(header.str.extract(_B3_SPAN))
    if _logged(rows, "x-b3-traceid"):
        traces.append(pl.col("request_headers.x-b3-traceid").str.to_lowercase().str.pad_start(_TRACE_DIGITS, "0"))
    if _logged(rows, "x-b3-spanid"):
        spans.append(pl.col("request_headers.x-b3-spanid").str.to_lowercase())
    return [_first(traces).alias("trace.id"), _first(spans).alias("trace.span_id")]


def _logged(rows: pl.DataFrame, header: str) -> bool:
    name = f"request_headers.{header}"
    return name in rows.columns and rows[name].null_count() < len(rows)


def _first(choices: list[pl.Expr]) -> pl.Expr:
    return pl.coalesce(choices) if choices else pl.lit(None, pl.String)
