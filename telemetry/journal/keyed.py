"""What rows of one key share is mostly what they shared in the batch before: encoded once, it is stored with many."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from telemetry.journal.likeness import same

__all__ = ["AT", "KeyTable", "KeyTables", "Numbers"]

AT = "at"
"""The column that has for each key the number of its row in the KeyTable."""

Numbers = np.ndarray[tuple[int], np.dtype[np.integer]]


@dataclass(slots=True)
class KeyTable:
    """A row for each key that there was of late, by the hash of what names it; hashes ascend."""

    hashes: Numbers
    rows: pl.DataFrame
    _encoded: bytes | None = None

    def encoded(self, encode: Callable[[pl.DataFrame], bytes]) -> bytes:
        """Give the rows as bytes; made once."""
        if self._encoded is None:
            self._encoded = encode(self.rows)
        return self._encoded

    def at(self, hashes: Numbers) -> Numbers:
        """Give the row of each hash: any where there is none."""
        return np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)

    def with_rows(self, hashes: Numbers, rows: pl.DataFrame) -> "KeyTable":
        """Give a table that has these, too; itself if it has."""
        new = self.hashes[self.at(hashes)] != hashes
        if not new.any():
            return self
        found, first = np.unique(np.concatenate([self.hashes, hashes[new]]), return_index=True)
        return KeyTable(found, pl.concat([self.rows, rows.filter(pl.Series(new))])[pl.Series(first)])

    def without(self, columns: Collection[str]) -> "KeyTable":
        """Give a table that does not have these columns; itself if it never had."""
        return KeyTable(self.hashes, self.rows.drop(columns)) if columns else self


class KeyTables:
    """Remembers the table, and which columns change from batch to batch and so are not in it.

    A batch is stored with the whole table: it has at most twice the batch's keys.
    """

    def __init__(self) -> None:
        self._table: KeyTable | None = None
        self._changing: set[str] = set()

    def split(self, rows: pl.DataFrame, naming: Collection[str]) -> tuple[KeyTable | None, pl.DataFrame]:
        """Give a table, and of these rows (one for each key) what is not in it, with the column AT.

        `naming`: columns that keys are known by; those of them that are texts are used. Without, there is no table.
        """
        if self._table is not None:  # columns that come and go, too
            self._changing |= set(rows.columns).symmetric_difference(self._table.rows.columns)
        steady = rows[[name for name in rows.columns if name not in self._changing]]
        names = [name for name, dtype in steady.schema.items() if name in naming and dtype == pl.String]
        if not names:
            return None, rows
        hashes = steady[names].hash_rows().to_numpy()
        table = self._with(hashes, steady)
        at = table.at(hashes)
        changed = _changed(table.rows[pl.Series(at)], steady)
        if changed.intersection(names):  # two keys of one hash
            self._table = None
            return None, rows
        self._changing |= changed
        self._table = table = table.without(changed)
        number = pl.Series(AT, at.astype(np.uint16 if len(table.hashes) <= 1 << 16 else np.uint32))
        return table, pl.DataFrame([number, *(column for column in rows if column.name in self._changing)])

    def _with(self, hashes: Numbers, rows: pl.DataFrame) -> KeyTable:
        if self._table is not None:
            table = self._table.without(set(self._table.rows.columns).difference(rows.columns))
            table = table.with_rows(hashes, rows)
            if len(table.hashes) <= 2 * len(hashes):
                return table
        found, first = np.unique(hashes, return_index=True)
        return KeyTable(found, rows[pl.Series(first)])


def _changed(one: pl.DataFrame, other: pl.DataFrame) -> set[str]:
    nested = [name for name, dtype in one.schema.items() if dtype.is_nested()]
    flat = [name for name in one.columns if name not in nested]
    if one[flat].equals(other[flat]):  # by far the faster way to ask
        return {name for name in nested if not same(one[name], other[name])}
    return {left.name for left, right in zip(one, other, strict=True) if not same(left, right)}
