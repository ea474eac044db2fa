"""How each column of a batch is stored: whatever follows from something else is left out."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl

from telemetry.journal.likeness import comparable, same

__all__ = ["Keys", "Kind", "Layout", "can_span", "layout_of", "spans"]

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
    PACKED = "packed"
    """The column, compressed."""
    PLAIN = "plain"
    """The column as it is: compressing it would cost more than the bytes that it saves."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The kinds of a frame's columns, in their order."""

    kinds: tuple[Kind, ...]
    twins: tuple[int, ...]
    """For SAME: the position of the column that it equals."""

    def names(self, kind: Kind) -> list[str]:
        """Give the columns of a kind, by position."""
        return [str(at) for at, one in enumerate(self.kinds) if one is kind]

    @classmethod
    def simple(cls, rows: pl.DataFrame) -> "Layout":
        """Give the layout of a small frame: nothing is worth looking for but columns without values."""
        nulls = [column.null_count() == len(column) for column in rows]
        return cls(tuple(Kind.NULL if null else Kind.PACKED for null in nulls), tuple(range(len(nulls))))


class Keys:
    """The rows of a frame by the key that they agree in: `codes` number the keys, `first` has each key's first row."""

    def __init__(self, keys: pl.Series) -> None:
        values = keys.to_numpy()
        top = int(values.max()) + 1
        if top > 4 * len(values):
            _, first, codes = np.unique(values, return_index=True, return_inverse=True)
        else:  # small numbers, as normalise gives them: by far the faster way
            at = np.full(top, -1, np.int64)
            at[values[::-1]] = np.arange(len(values) - 1, -1, -1)
            present = np.flatnonzero(at >= 0)
            first = at[present]
            number = np.zeros(top, np.uint32)
            number[present] = np.arange(len(present), dtype=np.uint32)
            codes = number[values]
        self.first = pl.Series(first.astype(np.uint32))
        self.codes = pl.Series(codes.astype(np.uint16 if len(first) <= 1 << 16 else np.uint32))
        self._alike = pl.Series(first[codes].astype(np.uint32))

    @classmethod
    def of(cls, rows: pl.DataFrame, column: str) -> "Keys | None":
        """Give the keys, or None where there are none: no such column, nulls in it, or hardly two rows with one key."""
        if column not in rows.columns or not rows[column].dtype.is_unsigned_integer() or rows[column].null_count():
            return None
        keys = cls(rows[column])
        return keys if len(keys.first) * 2 <= len(rows) else None

    def decided(self, rows: pl.DataFrame, names: Collection[str]) -> set[str]:
        """Find those of the columns in which rows with equal keys have equal values."""
        alike = rows.select(names)[self._alike] if names else rows.select()
        return {column.name for column in alike if same(column, rows[column.name])}


def layout_of(rows: pl.DataFrame, keys: Keys | None) -> Layout:
    """Work out the layout that fits these rows, and will most likely fit the next of this schema."""
    names = [column.name for column in rows if comparable(column.dtype)]
    keyed = keys.decided(rows, names) if keys else set()
    kinds: list[Kind] = []
    twins: list[int] = []
    for at, column in enumerate(rows):
        kind = _kind(column, keyed)
        twin = None if kind is Kind.NULL else _twin(rows, kinds, column)
        kinds.append(kind if twin is None else Kind.SAME)
        twins.append(at if twin is None else twin)
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


def _distinct(column: pl.Series) -> bool:
    """Whether the text in the column hardly repeats: ids, mostly, which no quick compression makes much smaller."""
    sample = column[:_SAMPLE].drop_nulls()
    return column.dtype in (pl.String, pl.Binary) and len(sample) > 0 and sample.n_unique() > 0.9 * len(sample)
