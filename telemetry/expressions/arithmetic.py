"""Arithmetic and conversions of numbers, with CEL's errors (overflow, division by zero) as nulls."""

from collections.abc import Iterator

import polars as pl

from telemetry.expressions.kinds import BOOL, DOUBLE, DURATION_KIND, INT, STRING, TIMESTAMP_KIND, UINT, Kind
from telemetry.expressions.overloads import Overload

__all__ = ["overloads"]


def overloads() -> Iterator[Overload]:
    """Give `+ - * / %`, negation, and the functions int, uint, double and string."""
    for kind in (INT, UINT):
        yield from _whole(kind)
    yield from (
        Overload("_+_", (DOUBLE, DOUBLE), DOUBLE, pl.Expr.add),
        Overload("_-_", (DOUBLE, DOUBLE), DOUBLE, pl.Expr.sub),
        Overload("_*_", (DOUBLE, DOUBLE), DOUBLE, pl.Expr.mul),
        Overload("_/_", (DOUBLE, DOUBLE), DOUBLE, _divided),
        Overload("-_", (DOUBLE,), DOUBLE, pl.Expr.neg),
        Overload("-_", (INT,), INT, lambda a: _narrow(pl.lit(0, pl.Int128) - _wide(a), INT)),
    )
    for taken in (INT, UINT, DOUBLE, STRING, BOOL):
        yield from _conversions(taken)
    yield Overload("int", (TIMESTAMP_KIND,), INT, lambda a: a.to_physical().floordiv(10**9), method=False)
    yield from _times()


def _divided(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    # Polars multiplies by a literal's reciprocal, by which 49.0 / 49.0 isn't 1.0: a column it divides by.
    return a / pl.when(a.is_not_null()).then(b)


def _whole(kind: Kind) -> Iterator[Overload]:
    both = (kind, kind)
    yield Overload("_+_", both, kind, lambda a, b: _narrow(_wide(a) + _wide(b), kind))
    yield Overload("_-_", both, kind, lambda a, b: _narrow(_wide(a) - _wide(b), kind))
    # 64 × 64 bits fit 128 only with their sign: unsigned ones need all of them.
    factor = pl.UInt128 if kind is UINT else pl.Int128
    yield Overload("_*_", both, kind, lambda a, b: _narrow(a.cast(factor) * b.cast(factor), kind))
    yield Overload("_/_", both, kind, lambda a, b: _narrow(_quotient(a, b), kind))
    yield Overload("_%_", both, kind, lambda a, b: _remainder(a, b, kind))


def _wide(column: pl.Expr) -> pl.Expr:
    return column.cast(pl.Int128)


def _narrow(column: pl.Expr, kind: Kind) -> pl.Expr:
    return column.cast(kind.dtype, strict=False)


def _quotient(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    # Towards zero, as CEL divides; Polars' floors. By zero it is null.
    a, b = _wide(a), _wide(b)
    return a.abs().floordiv(b.abs()) * a.sign() * b.sign()


def _remainder(a: pl.Expr, b: pl.Expr, kind: Kind) -> pl.Expr:
    # The dividend's sign; an error where the quotient is one (-2⁶³ by -1).
    quotient = _narrow(_quotient(a, b), kind)
    return _narrow(pl.when(quotient.is_not_null()).then(_wide(a) - _wide(quotient) * _wide(b)), kind)


def _converted(a: pl.Expr, taken: Kind, kind: Kind) -> pl.Expr:
    # A double of -2⁶³ may stand for a smaller number: CEL's range of doubles for int leaves both ends out.
    # And -0.5 is below uint's, though it would be cut to 0.
    lowest = {INT: a > -(2.0**63), UINT: a >= 0} if taken is DOUBLE else {}
    inside = pl.when(lowest[kind]).then(a) if kind in lowest else a
    return inside.cast(kind.dtype, strict=False)


def _conversions(taken: Kind) -> Iterator[Overload]:
    def to(kind: Kind, name: str) -> Overload:
        return Overload(name, (taken,), kind, lambda a: _converted(a, taken, kind), method=False)

    if taken is not BOOL:
        yield from (to(INT, "int"), to(UINT, "uint"), to(DOUBLE, "double"))
    if taken is not DOUBLE:  # of which CEL and Polars have different spellings
        yield to(STRING, "string")


def _times() -> Iterator[Overload]:
    def add(a: pl.Expr, b: pl.Expr) -> pl.Expr:
        return _narrow(_wide(a.to_physical()) + _wide(b.to_physical()), INT)

    def subtract(a: pl.Expr, b: pl.Expr) -> pl.Expr:
        return _narrow(_wide(a.to_physical()) - _wide(b.to_physical()), INT)

    moment, span = TIMESTAMP_KIND, DURATION_KIND
    yield from (
        Overload("_+_", (span, span), span, lambda a, b: add(a, b).cast(span.dtype)),
        Overload("_+_", (moment, span), moment, lambda a, b: add(a, b).cast(moment.dtype)),
        Overload("_+_", (span, moment), moment, lambda a, b: add(a, b).cast(moment.dtype)),
        Overload("_-_", (span, span), span, lambda a, b: subtract(a, b).cast(span.dtype)),
        Overload("_-_", (moment, span), moment, lambda a, b: subtract(a, b).cast(moment.dtype)),
        Overload("_-_", (moment, moment), span, lambda a, b: subtract(a, b).cast(span.dtype)),
    )
