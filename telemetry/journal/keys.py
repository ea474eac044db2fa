"""The keys of a frame's rows, and which of its columns follow from them."""

from functools import cached_property

import numpy as np
import polars as pl

from telemetry.journal.likeness import same

__all__ = ["CODES", "Keys"]

CODES = "codes"
"""The column that has for each row the number of its key's row."""


class Keys:
    """The rows of a frame by the key that they agree in.

    `name` is the column's. `codes` number the keys, whose values are in `present`; `first` has each key's first row.
    """

    def __init__(self, keys: pl.Series) -> None:
        values = keys.to_numpy()
        first: np.ndarray[tuple[int], np.dtype[np.signedinteger]]
        top = int(values.max()) + 1
        if top > 4 * len(values):
            present, first, codes = np.unique(values, return_index=True, return_inverse=True)
        else:  # small numbers, as normalise gives them: by far the faster way
            at = np.full(top, -1, np.int32)
            at[values[::-1]] = np.arange(len(values) - 1, -1, -1, dtype=np.int32)
            present = np.flatnonzero(at >= 0)
            first = at[present]
            number = np.zeros(top, np.uint32)
            number[present] = np.arange(len(present), dtype=np.uint32)
            codes = number[values]
        self.name = keys.name
        self.present = present
        self.first = pl.Series(first.astype(np.uint32))
        self.codes = pl.Series(CODES, codes.astype(np.min_scalar_type(len(first))))

    @classmethod
    def of(cls, rows: pl.DataFrame, column: str) -> "Keys | None":
        """Give the keys, or None where there are none: no such column, nulls in it, or hardly two rows with one key."""
        if column not in rows.columns or not rows[column].dtype.is_unsigned_integer() or rows[column].null_count():
            return None
        keys = cls(rows[column])
        return keys if len(keys.first) * 2 <= len(rows) else None

    def first_rows(self, rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
        """Give of these columns the row in which each key is first."""
        return rows[names][self.first] if names else pl.DataFrame()

    def decided(self, rows: pl.DataFrame, first: pl.DataFrame) -> set[str]:
        """Find the columns of `first` (the keys' first rows) in which rows with equal keys have equal values."""
        asked = [column for column in first if column.name != self.name]
        once = {column.name: _everywhere(column, rows[column.name]) for column in asked}
        told_apart = [name for name, everywhere in once.items() if everywhere is None]
        alike = rows[told_apart][self._alike] if told_apart else rows.select()
        found = {name for name, everywhere in once.items() if everywhere}
        found |= {column.name for column in alike if same(column, rows[column.name])}
        return found | ({self.name} if len(asked) < first.width else set())

    @cached_property
    def _alike(self) -> pl.Series:
        """For each row the first that has its key."""
        return self.first.gather(self.codes.cast(pl.UInt32))


def _everywhere(first: pl.Series, column: pl.Series) -> bool | None:
    """Whether the one value that all first rows have is that of all rows; None where they have several.

    That is quickly told, and true of many columns.
    """
    nulls = first.null_count()
    if nulls == len(first):
        return column.null_count() == len(column)
    if nulls or first.dtype.is_nested() or not (first == first[:1]).all():
        return None
    return not column.null_count() and bool((column == first[:1]).all())
