"""The decoder's table, split into codes and what they stand for.

Polars would intern a dictionary column's strings in a process-wide table that an attacker can grow; kept apart, they
live as long as their batch. `codes` then serve as cheap keys, and per-distinct work runs over `dictionaries`.
"""

from dataclasses import dataclass

import polars as pl
from arro3.core import DataType, RecordBatch, dictionary_dictionary, dictionary_indices

__all__ = ["Columns", "split"]


@dataclass(frozen=True, slots=True)
class Columns:
    """A decoded batch.

    `rows`: every column of docs/columns.md, dictionary columns as UInt32 codes (null for absent).
    `dictionaries`: for each of those its distinct values, String or Binary; code n stands for value n.
    """

    rows: pl.DataFrame
    dictionaries: dict[str, pl.Series]

    def values(self, name: str) -> pl.Series:
        """Give a dictionary column with its values in place."""
        values = self.dictionaries[name]
        if values.is_empty():
            return pl.Series(name, [None], dtype=values.dtype).new_from_index(0, len(self.rows))
        return values.gather(self.rows[name]).alias(name)


def split(batch: RecordBatch) -> Columns:
    """Split the record batch; nothing is copied but the frame around it."""
    plain: list[str] = []
    codes: dict[str, pl.Series] = {}
    dictionaries: dict[str, pl.Series] = {}
    for name in batch.column_names:
        column = batch.column(name)
        if DataType.is_dictionary(column.type):
            codes[name] = pl.Series(dictionary_indices(column)).alias(name)
            dictionaries[name] = pl.Series(dictionary_dictionary(column)).alias(name)
        else:
            plain.append(name)
    rows = pl.DataFrame(batch.select(plain)).with_columns(codes.values())
    return Columns(rows, dictionaries)
