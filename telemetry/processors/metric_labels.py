"""Labels that the operator writes: CEL over a request, as text."""

from collections.abc import Mapping

import polars as pl

from telemetry.batch import Template
from telemetry.expressions import VOCABULARIES, ExpressionError, compile  # noqa: A004 - the verb of that room

__all__ = ["TIMES_NS", "UNKNOWN", "label_of", "number_of", "rows_of"]

UNKNOWN = "unknown"
"""What a label says whose value can't be told, as in Istio."""

TIMES_NS: Mapping[str, int] = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9,
}  # fmt: skip
"""UCUM's units of time."""

_REQUESTS = VOCABULARIES[Template.LOGENTRY]


def label_of(text: str) -> pl.Expr:
    """Compile a label's value; integers and Booleans are written as CEL's string() does. Never null.

    Raises ExpressionError.
    """
    compiled = compile(text, _REQUESTS, want=None)
    if compiled.dtype not in (pl.String, pl.Boolean) and not compiled.dtype.is_integer():
        raise ExpressionError(text, 0, "a label is text", "convert it with string(), or compare it with something")
    return compiled.expression.cast(pl.String).fill_null(UNKNOWN)


def number_of(text: str, unit: str) -> pl.Expr:
    """Compile a metric's value: a double, null where it can't be told; a duration is told in the metric's `unit`.

    Raises ExpressionError, also for a duration where the unit is not one of TIMES_NS.
    """
    compiled = compile(text, _REQUESTS, want=None)
    if compiled.dtype != pl.Duration:
        return compile(text, _REQUESTS, want=pl.Float64).expression
    if unit not in TIMES_NS:
        hint = f"write its unit: ms, or {', '.join(name for name in TIMES_NS if name != 'ms')}"
        raise ExpressionError(text, 0, f"this is a duration, but {unit} is no unit of time", hint)
    span_ns = compiled.expression.to_physical()
    # Polars multiplies by a literal's reciprocal, which may lift 49 ms over the bound 49: a column it divides by.
    return span_ns / pl.when(span_ns.is_not_null()).then(pl.lit(float(TIMES_NS[unit])))


def rows_of(text: str) -> pl.Expr:
    """Compile which requests; never null. Raises ExpressionError."""
    return compile(text, _REQUESTS).expression
