"""How each column of a batch is stored: whatever follows from something else is left out."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from telemetry.journal.keyed import KeyTables
from telemetry.journal.keys import Keys
from telemetry.journal.likeness import comparable, same
from telemetry.journal.texts import Words, beginnings, is_few

__all__ = ["CODES", "Kind", "Layout", "can_span", "layout_of", "spans"]

CODES = "codes"
"""The column that has for each row the number of its key's row."""
_SAMPLE = 256


class Kind(StrEnum):
    """What stands for a column."""

    NULL = "null"
    """Nothing: all null."""
    KEYED = "keyed"
    """A row for each key: rows with equal keys have equal values."""
    SAME = "same"
    """Another column's name: the two are equal."""
    SPAN = "span"
    """What its integers (times, durations) are above the least of them, in as few bytes as that takes."""
    FEW = "few"
    """Which of few texts it is, and those texts."""
    PREFIX = "prefix"
    """Another column's name and, for each row, how many bytes of that text its own is."""
    PACKED = "packed"
    """The column, compressed."""
    PLAIN = "plain"
    """The column as it is: compressing it would cost more than the bytes that it saves."""


_WHOLE = (Kind.PACKED, Kind.PLAIN)


@dataclass(frozen=True, slots=True)
class Layout:
    """The kinds of a frame's columns, in their order."""

    kinds: tuple[Kind, ...]
    twins: tuple[int, ...]
    """For SAME: the position of the column that it equals; for PREFIX: of the one that it begins."""
    words: Words = field(default_factory=Words, compare=False)
    """What its FEW columns have had so far."""
    tables: KeyTables = field(default_factory=KeyTables, compare=False)
    """What its KEYED columns have had so far."""

    def names(self, kind: Kind) -> list[str]:
        """Give the columns of a kind, by position."""
        return [str(at) for at, one in enumerate(self.kinds) if one is kind]

    @classmethod
    def simple(cls, rows: pl.DataFrame) -> "Layout":
        """Give the layout of a small frame: nothing is worth looking for but columns without values."""
        nulls = [column.null_count() == len(column) for column in rows]
        return cls(tuple(Kind.NULL if null else Kind.PACKED for null in nulls), tuple(range(len(nulls))))


def layout_of(rows: pl.DataFrame, keys: Keys | None) -> Layout:
    """Work out the layout that fits these rows, and will most likely fit the next of this schema."""
    names = [column.name for column in rows if comparable(column.dtype)]
    keyed = keys.decided(rows, rows.select(names)[keys.first]) if keys else set()
    kinds: list[Kind] = []
    twins: list[int] = []
    for at, column in enumerate(rows):
        kind = _kind(column, keyed)
        if kind is not Kind.NULL and (twin := _twin(rows, kinds, column)) is not None:
            kind = Kind.SAME
        elif kind in _WHOLE and (twin := _longer(rows, kinds, column)) is not None:
            kind = Kind.PREFIX
        else:
            twin = at
        kinds.append(kind)
        twins.append(twin)
    return Layout(tuple(kinds), tuple(twins))


def spans(rows: pl.DataFrame, names: Collection[str]) -> dict[str, tuple[int, pl.Series]]:
    """Give for each of these columns the least of its integers, and what they are above it as UInt8, 16 or 32.

    Nulls stay null. Columns that this won't do for are left out.
    """
    # All at once: asked of a column alone, it costs ten times as much.
    numbers = rows.select(pl.col(*names).to_physical()) if names else rows.select()
    found = {column.name: _span(column) for column in numbers}
    return {name: span for name, span in found.items() if span}


def _span(numbers: pl.Series) -> tuple[int, pl.Series] | None:
    if numbers.null_count():
        low, high = numbers.min(), numbers.max()
        if not isinstance(low, int) or not isinstance(high, int) or high - low >= 1 << 32:
            return None
        return low, (numbers - low if low else numbers).cast(_narrowest(high - low))
    values = numbers.to_numpy()  # for most columns, at a fraction of what Polars' expressions cost
    low, high = int(values.min()), int(values.max())
    if high - low >= 1 << 32:
        return None
    above = values - values.dtype.type(low) if low else values
    return low, pl.Series(numbers.name, above.astype(_narrowest(high - low).__name__.lower()))


def can_span(dtype: pl.DataType) -> bool:
    """Whether a column of this dtype is integers at heart."""
    return dtype.is_integer() or dtype.is_temporal()


def _narrowest(reach: int) -> type[pl.DataType]:
    return pl.UInt8 if reach < 1 << 8 else pl.UInt16 if reach < 1 << 16 else pl.UInt32


def _kind(column: pl.Series, keyed: Collection[str]) -> Kind:
    if column.null_count() == len(column):
        return Kind.NULL
    if column.name in keyed:
        return Kind.KEYED
    if can_span(column.dtype):
        return Kind.SPAN
    if column.dtype == pl.String and is_few(column):
        return Kind.FEW
    return Kind.PLAIN if _distinct(column) else Kind.PACKED


def _twin(rows: pl.DataFrame, kinds: list[Kind], column: pl.Series) -> int | None:
    if not comparable(column.dtype):
        return None
    for at, kind in enumerate(kinds):
        other = rows.to_series(at)
        if kind in (Kind.NULL, Kind.SAME) or other.dtype != column.dtype:
            continue
        if same(other[:_SAMPLE], column[:_SAMPLE]) and same(other, column):
            return at
    return None


def _longer(rows: pl.DataFrame, kinds: list[Kind], column: pl.Series) -> int | None:
    """Find a text that begins with this one in every row: a path with its query begins with the path."""
    sample = column[:_SAMPLE]
    # Ids are of one length; that one begins another is a coincidence, and as a rule over at the next request.
    if column.dtype != pl.String or sample.str.len_bytes().n_unique() == 1:
        return None
    texts = (at for at, kind in enumerate(kinds) if kind in _WHOLE and rows.to_series(at).dtype == pl.String)
    likely = (at for at in texts if beginnings(sample, rows.to_series(at)[:_SAMPLE]) is not None)
    return next((at for at in likely if beginnings(column, rows.to_series(at)) is not None), None)


def _distinct(column: pl.Series) -> bool:
    """Whether the text in the column hardly repeats: ids and paths. To compress them costs more than to write them."""
    sample = column[:_SAMPLE].drop_nulls()
    return column.dtype in (pl.String, pl.Binary) and len(sample) > 0 and sample.n_unique() > 0.5 * len(sample)
