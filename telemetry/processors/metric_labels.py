"""Labels that the operator writes: CEL over a request, as text."""

import polars as pl

from telemetry.batch import Template
from telemetry.expressions import VOCABULARIES, ExpressionError, compile  # noqa: A004 - the verb of that room

__all__ = ["UNKNOWN", "label_of", "number_of", "rows_of"]

UNKNOWN = "unknown"
"""What a label says whose value can't be told, as in Istio."""

_REQUESTS = VOCABULARIES[Template.LOGENTRY]


def label_of(text: str) -> pl.Expr:
    """Compile a label's value; integers and Booleans are written as CEL's string() does. Never null.

    Raises ExpressionError.
    """
    compiled = compile(text, _REQUESTS, want=None)
    if compiled.dtype not in (pl.String, pl.Boolean) and not compiled.dtype.is_integer():
        raise ExpressionError(text, 0, "a label is text", "convert it with string(), or compare it with something")
    return compiled.expression.cast(pl.String).fill_null(UNKNOWN)


def number_of(text: str) -> pl.Expr:
    """Compile a metric's value: a double, null where it can't be told. Raises ExpressionError."""
    return compile(text, _REQUESTS, want=pl.Float64).expression


def rows_of(text: str) -> pl.Expr:
    """Compile which requests; never null. Raises ExpressionError."""
    return compile(text, _REQUESTS).expression
