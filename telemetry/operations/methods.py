"""The methods that an operation may name."""

import polars as pl

from telemetry.operations.memo import Numbers

__all__ = ["METHODS", "OTHER_METHOD", "method_codes"]

OTHER_METHOD = "_OTHER"
"""Every other method, as OpenTelemetry writes it."""

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY", OTHER_METHOD)

_ENUM = pl.Enum(METHODS)


def method_codes(methods: pl.Series) -> Numbers:
    """Give each method (String) its index in METHODS."""
    codes = methods.cast(_ENUM, strict=False).to_physical().fill_null(METHODS.index(OTHER_METHOD))
    return codes.cast(pl.UInt32).to_numpy()
