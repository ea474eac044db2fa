"""Functions of strings, maps and lists."""

from collections.abc import Callable, Iterator
from string import ascii_lowercase, ascii_uppercase

import polars as pl

from telemetry.expressions.kinds import BOOL, INT, MAP, STRING, list_of
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
        Overload("trim", one, STRING, lambda a: a.str.strip_chars(), method=True),
        Overload("substring", (STRING, INT), STRING, lambda a, b: _part(a, b, a.str.len_chars()), method=True),
        Overload("substring", (STRING, INT, INT), STRING, _part, method=True),
        Overload("charAt", (STRING, INT), STRING, _character, method=True),
        Overload("indexOf", two, INT, _index, method=True),
        Overload("replace", (STRING, STRING, STRING), STRING, _replaced, literals=frozenset((1, 2)), method=True),
        Overload("split", two, list_of(STRING), lambda a, by: a.str.split(by), literals=frozenset((1,)), method=True),
        Overload("size", (list_of(STRING),), INT, lambda a: a.list.len().cast(pl.Int64)),
        Overload("size", one, INT, lambda a: a.str.len_chars().cast(pl.Int64)),
        Overload("size", (MAP,), INT, lambda a: a.list.len().cast(pl.Int64)),
    )


def _part(text: pl.Expr, start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Give the characters from start to before end; outside of the text that is an error."""
    inside = (start >= 0) & (start <= end) & (end <= text.str.len_chars())
    # Polars takes no negative length, not even where it is not asked.
    return pl.when(inside).then(text.str.slice(pl.when(inside).then(start), pl.when(inside).then(end - start)))


def _character(text: pl.Expr, at: pl.Expr) -> pl.Expr:
    inside = (at >= 0) & (at <= text.str.len_chars())
    return pl.when(inside).then(text.str.slice(pl.when(inside).then(at), 1))


def _index(text: pl.Expr, part: pl.Expr) -> pl.Expr:
    """Give at which character the part begins; -1 for nowhere."""
    # Polars splits a literal by the first row's part: a column it splits by each row's.
    column = pl.when(part.is_not_null()).then(text)
    before = column.str.splitn(part, 2).struct.field("field_0").str.len_chars().cast(pl.Int64)
    there = pl.when(part == "").then(0).when(text.str.contains(part, literal=True)).then(before)
    whole = text.is_not_null() & part.is_not_null()
    return pl.when(whole).then(there.fill_null(-1).cast(pl.Int64))


def _replaced(text: pl.Expr, part: str, by: str) -> pl.Expr:
    return text.str.replace_all(part, by, literal=True)


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
