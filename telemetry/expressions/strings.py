"""Functions of strings, maps and lists."""

from collections.abc import Callable, Iterator
from string import ascii_lowercase, ascii_uppercase

import polars as pl

from telemetry.expressions.kinds import BOOL, INT, MAP, STRING
from telemetry.expressions.overloads import Overload

__all__ = ["overloads"]


def overloads() -> Iterator[Overload]:
    """Give concatenation, the tests of strings, their case, and size."""
    one, two = (STRING,), (STRING, STRING)
    yield from (
        Overload("_+_", two, STRING, _joined),
        Overload("startsWith", two, BOOL, lambda a, b: a.str.starts_with(b), method=True),
        Overload("endsWith", two, BOOL, lambda a, b: a.str.ends_with(b), method=True),
        Overload("contains", two, BOOL, lambda a, b: a.str.contains(b, literal=True), method=True),
        Overload("matches", two, BOOL, _matches, literals=frozenset((1,))),
        Overload("lowerAscii", one, STRING, _mapped(ascii_uppercase, ascii_lowercase), method=True),
        Overload("upperAscii", one, STRING, _mapped(ascii_lowercase, ascii_uppercase), method=True),
        Overload("size", one, INT, lambda a: a.str.len_chars().cast(pl.Int64)),
        Overload("size", (MAP,), INT, lambda a: a.list.len().cast(pl.Int64)),
    )


def _joined(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return pl.concat_str(a, b)


def _mapped(letters: str, into: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda a: a.str.replace_many(list(letters), list(into))


def _matches(text: pl.Expr, pattern: str) -> pl.Expr:
    # Tried on nothing, so that a wrong pattern is found when it is written, not when a request comes.
    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.ComputeError as fault:
        reason = str(fault).split("\n\nThis error", 1)[0].splitlines()[-1].removeprefix("error: ")
        raise ValueError(f"not a regular expression: {reason}") from None
    return text.str.contains(pattern)
