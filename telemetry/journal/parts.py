"""A frame taken apart by its layout."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import polars as pl

from telemetry.journal.keyed import KeyTable
from telemetry.journal.keys import Keys
from telemetry.journal.layout import CODES, Kind, Layout, spans
from telemetry.journal.likeness import same
from telemetry.journal.texts import beginnings

__all__ = ["Parts", "take_apart"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is stored of a frame. Columns go by their position in it."""

    columns: list[Any]
    """What became of each: a kind, or a kind and its argument (SAME, PREFIX: the other's position, SPAN: the least,
    FEW: the texts)."""
    keyed: pl.DataFrame
    """A row for each key; the column `codes` of `packed` tells which row belongs to which."""
    shared: KeyTable | None
    """More columns of `keyed`, in rows that its column `at` tells."""
    packed: pl.DataFrame
    """What is worth compressing."""
    plain: pl.DataFrame
    """What is not."""


def take_apart(rows: pl.DataFrame, keys: Keys | None, layout: Layout, told: Collection[str] = ()) -> Parts:
    """Take a frame (columns named by position) apart. What the layout does not fit is packed.

    `told`: columns that are known to follow from the keys, which nobody has to look at again.
    """
    fits = _Fits(rows, keys, layout, told if keys else ())
    columns: list[Any] = []
    packed: list[pl.Series] = []
    plain: list[pl.Series] = []
    for kind, twin, column in zip(layout.kinds, layout.twins, rows.get_columns(), strict=True):
        how, values = fits.stored(kind, twin, column)
        columns.append(how)
        if values is not None:
            # One byte each mostly repeats; four hardly do.
            (plain if kind is Kind.PLAIN or values.dtype == pl.UInt32 else packed).append(values)
    if keys:
        packed.append(keys.codes.alias(CODES))
    return Parts(columns, fits.keyed, fits.shared, pl.DataFrame(packed), pl.DataFrame(plain))


class _Fits:
    """For which columns the layout holds in these rows, too."""

    def __init__(self, rows: pl.DataFrame, keys: Keys | None, layout: Layout, told: Collection[str]) -> None:
        wanted = layout.names(Kind.KEYED)
        self.keyed, self.shared = pl.DataFrame(), None
        self._keyed: set[str] = set()
        self._rows, self._first, self._words = rows, pl.DataFrame(), layout.words
        self._told = frozenset(told)
        if keys:
            self._first = rows[list({*wanted, *told})][keys.first]
            self._keyed = keys.decided(rows, self._first[list(set(wanted).difference(told))]).union(told)
            kept = self._first[[name for name in wanted if name in self._keyed]]
            self.shared, self.keyed = layout.tables.split(kept, told)
        self._spans = spans(rows, layout.names(Kind.SPAN))

    def stored(self, kind: Kind, twin: int, column: pl.Series) -> tuple[Any, pl.Series | None]:
        """Say what becomes of the column, and give what is stored for each row, if anything is."""
        follows = (
            (kind is Kind.SAME and self._same(str(twin), column.name))
            or (kind is Kind.KEYED and column.name in self._keyed)
            or (kind is Kind.NULL and column.null_count() == len(column))
        )
        if follows:
            return ([kind, twin] if kind is Kind.SAME else kind), None
        if found := self._shortened(kind, twin, column):
            return [kind, found[0]], found[1]
        return kind if kind is Kind.PLAIN else Kind.PACKED, column

    def _shortened(self, kind: Kind, twin: int, column: pl.Series) -> tuple[Any, pl.Series] | None:
        """Give what the values were taken from, and what is left of them."""
        if kind is Kind.SPAN:
            return self._spans.get(column.name)
        if kind is Kind.FEW:
            return self._words.numbers(column)
        lengths = beginnings(column, self._rows.to_series(twin)) if kind is Kind.PREFIX else None
        return None if lengths is None else (twin, lengths)

    def _same(self, one: str, other: str) -> bool:
        """Whether two columns are equal: where both follow from the keys, one row for each key tells."""
        frame = self._first if {one, other} <= self._told else self._rows
        return same(frame[one], frame[other])
