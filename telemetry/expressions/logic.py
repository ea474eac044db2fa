"""Logic over columns in which null is CEL's error: what is decided without the faulty term stays decided."""

from collections.abc import Callable, Sequence

import polars as pl

__all__ = ["all_of", "any_of", "choice", "none_of", "one_of"]


def all_of(terms: Sequence[pl.Expr]) -> pl.Expr:
    """`&&`: false if any is false, else an error if any is one."""
    return _balanced(terms, pl.Expr.and_)


def any_of(terms: Sequence[pl.Expr]) -> pl.Expr:
    """`||`: true if any is true, else an error if any is one."""
    return _balanced(terms, pl.Expr.or_)


def none_of(terms: Sequence[pl.Expr]) -> pl.Expr:
    """`!`: an error stays one."""
    return any_of(terms).not_()


def _balanced(terms: Sequence[pl.Expr], join: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> pl.Expr:
    # As a tree, not a chain: Polars' planner recurses, and a long list of terms must not exhaust its stack.
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return join(_balanced(terms[:middle], join), _balanced(terms[middle:], join))


def choice(condition: pl.Expr, then: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
    """`condition ? then : otherwise`: an error if the condition is one."""
    return pl.when(condition).then(then).when(condition.not_()).then(otherwise)


def one_of(column: pl.Expr, items: Sequence[pl.Expr], equal: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> pl.Expr:
    """`column in [items]`: an error if the column or any item is one."""
    if not items:
        return pl.when(column.is_not_null()).then(pl.lit(False))
    whole = all_of([column.is_not_null(), *(item.is_not_null() for item in items)])
    return pl.when(whole).then(any_of([equal(column, item) for item in items]))
