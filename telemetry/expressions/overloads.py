"""What an operator or function takes and gives, as CEL's own declarations say it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from telemetry.expressions.kinds import Kind

__all__ = ["Overload", "Overloads", "Term", "collect"]


@dataclass(frozen=True, slots=True)
class Term:
    """A compiled part. `constant` is its value when it is a literal; a null of the column is CEL's error."""

    position: int
    kind: Kind
    column: pl.Expr
    constant: object = None


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature of a function.

    `build` makes the column from the arguments' columns; for the arguments named in `literals` it is
    given the value itself, and raises ValueError with the reason when that can't be. What it gives that
    is no column is a literal's value.
    """

    name: str
    takes: tuple[Kind, ...]
    gives: Kind
    build: Callable[..., object]
    literals: frozenset[int] = frozenset()
    method: bool | None = None  # None: either form


Overloads = dict[str, list[Overload]]


def collect(*tables: Iterable[Overload]) -> Overloads:
    """Index the tables' overloads by name."""
    found: Overloads = {}
    for table in tables:
        for overload in table:
            found.setdefault(overload.name, []).append(overload)
    return found
