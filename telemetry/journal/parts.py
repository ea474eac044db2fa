"""A frame taken apart by its layout."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from telemetry.by_context import ByContext
from telemetry.journal.keyed import AT, KeyTable
from telemetry.journal.keys import CODES, Keys
from telemetry.journal.layout import Kind, Layout
from telemetry.journal.likeness import is_one, same
from telemetry.journal.spans import spans
from telemetry.journal.texts import beginnings

__all__ = ["Parts", "take_apart"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is stored of a frame. Columns go by their position in it."""

    columns: list[Any]
    """What became of each: a kind, or a kind and its argument (SAME, PREFIX: the other's position, SPAN: the least,
    ONE: the value, FEW: the texts)."""
    keyed: pl.DataFrame
    """A row for each key; the column `codes` of `packed` or `plain` tells which row belongs to which."""
    shared: KeyTable | None
    """More columns of `keyed`, in rows that its column `at` tells."""
    packed: pl.DataFrame
    """What is worth compressing."""
    plain: pl.DataFrame
    """What is not."""


def take_apart(rows: pl.DataFrame, keys: Keys | None, layout: Layout, known: ByContext | None = None) -> Parts:
    """Take a frame (columns named by position) apart. What the layout does not fit is packed.

    `known`: what need not be looked at, and what its keys are called.
    """
    fits = _Fits(rows, keys, layout, known if keys else None)
    columns: list[Any] = []
    packed: list[pl.Series] = []
    plain: list[pl.Series] = []
    for kind, twin, column in zip(layout.kinds, layout.twins, rows.get_columns(), strict=True):
        how, values = fits.stored(kind, twin, column)
        columns.append(how)
        if values is not None:
            (plain if column.name in layout.plain else packed).append(values)
    if keys:
        (plain if CODES in layout.plain else packed).append(keys.codes)
    return Parts(columns, fits.keyed, fits.shared, pl.DataFrame(packed), pl.DataFrame(plain))


class _Fits:
    """For which columns the layout holds in these rows, too."""

    def __init__(self, rows: pl.DataFrame, keys: Keys | None, layout: Layout, known: ByContext | None) -> None:
        self.keyed = pl.DataFrame()
        self.shared: KeyTable | None = None
        self._follows: set[str] = set()
        self._rows, self._words = rows, layout.words
        if keys:
            told = known.columns if known else ()
            self._keep(keys, [name for name in layout.names(Kind.KEYED) if name not in told])
            if known:
                self._share(keys, known, layout)
        self._spans = spans(rows, layout.names(Kind.SPAN))

    def _keep(self, keys: Keys, asked: list[str]) -> None:
        first = keys.first_rows(self._rows, asked)
        self._follows = keys.decided(self._rows, first)
        left = [name for name in asked if name not in self._follows]
        self.keyed = first.drop(left) if left else first

    def _share(self, keys: Keys, known: ByContext, layout: Layout) -> None:
        twins = {name: twin for name, twin in layout.same.items() if name in known.columns}
        names = [*(name for name in layout.names(Kind.KEYED) if name in known.columns), *twins]
        if not names:
            return
        slots = known.slots[keys.present]
        self.shared = table = layout.tables.of(known.origin, slots, self._rows[names], keys.first, twins)
        at = table.at(slots).astype(np.uint16 if len(table.slots) <= 1 << 16 else np.uint32)
        self.keyed = self.keyed.hstack([pl.Series(AT, at)])
        self._follows.update(names)

    def stored(self, kind: Kind, twin: int, column: pl.Series) -> tuple[Any, pl.Series | None]:
        """Say what becomes of the column, and give what is stored for each row, if anything is."""
        if column.name in self._follows:
            alike = self.shared and column.name in self.shared.alike
            return ([kind, twin] if alike else Kind.KEYED), None
        if kind is Kind.NULL and column.null_count() == len(column):
            return kind, None
        if kind is Kind.SAME and same(self._rows[str(twin)], column):
            return [kind, twin], None
        if kind is Kind.ONE and is_one(column):
            return [kind, column[0]], None
        if found := self._shortened(kind, twin, column):
            return found
        return kind if kind is Kind.PLAIN else Kind.PACKED, column

    def _shortened(self, kind: Kind, twin: int, column: pl.Series) -> tuple[Any, pl.Series | None] | None:
        """Give what the values were taken from, and what is left of them."""
        if kind is Kind.SPAN and (span := self._spans.get(column.name)):
            least, above = span
            return [Kind.ONE if above is None else kind, least], above
        if kind is Kind.FEW and (numbers := self._words.numbers(column)):
            return [kind, numbers[0]], numbers[1]
        if kind is Kind.PREFIX and (lengths := beginnings(column, self._rows.to_series(twin))) is not None:
            return [kind, twin], lengths
        return None
