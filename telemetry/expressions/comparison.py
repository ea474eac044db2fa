"""Equality and order: of equal kinds only, NaN equal to nothing."""

from collections.abc import Callable, Iterator

import polars as pl

from telemetry.expressions.kinds import (
    BOOL,
    DOUBLE,
    DURATION_KIND,
    INT,
    IP,
    STRING,
    TIMESTAMP_KIND,
    UINT,
)
from telemetry.expressions.overloads import Overload

__all__ = ["equal", "overloads"]

_Binary = Callable[[pl.Expr, pl.Expr], pl.Expr]
_ORDER: dict[str, _Binary] = {"_<_": pl.Expr.lt, "_<=_": pl.Expr.le, "_>_": pl.Expr.gt, "_>=_": pl.Expr.ge}


def overloads() -> Iterator[Overload]:
    """Give `== != < <= > >=`."""
    for kind in (INT, UINT, STRING, BOOL, DURATION_KIND, TIMESTAMP_KIND, IP):
        yield Overload("_==_", (kind, kind), BOOL, pl.Expr.eq)
        yield Overload("_!=_", (kind, kind), BOOL, pl.Expr.ne)
        if kind is not IP:
            yield from (Overload(name, (kind, kind), BOOL, compare) for name, compare in _ORDER.items())
    yield Overload("_==_", (DOUBLE, DOUBLE), BOOL, _numbers(pl.Expr.eq))
    yield Overload("_!=_", (DOUBLE, DOUBLE), BOOL, lambda a, b: _numbers(pl.Expr.eq)(a, b).not_())
    yield from (Overload(name, (DOUBLE, DOUBLE), BOOL, _numbers(compare)) for name, compare in _ORDER.items())


def equal(dtype: pl.DataType) -> _Binary:
    """Give the equality of columns of this type."""
    return _numbers(pl.Expr.eq) if dtype == pl.Float64 else pl.Expr.eq


def _numbers(compare: _Binary) -> _Binary:
    # To Polars NaN equals NaN and is the greatest number; to CEL, as to IEEE 754, every comparison is false.
    # An error stays one, even beside a NaN, hence the `when`.
    def compared(a: pl.Expr, b: pl.Expr) -> pl.Expr:
        holds = compare(a, b)
        return pl.when(holds.is_not_null()).then(holds & a.is_not_nan() & b.is_not_nan())

    return compared
