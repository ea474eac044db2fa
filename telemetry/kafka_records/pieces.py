"""Rows encoded in pieces: what repeats once for each distinct combination, what doesn't row by row."""

import secrets
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from telemetry.kafka_records.layout import Layout

__all__ = ["Encode", "joined"]

Encode = Callable[[pl.DataFrame], Sequence[bytes]]
"""Gives each row's encoded fields: those of the frame's columns, in their order."""

# With a known seed, rows could be made whose hashes collide: one would show the other's values.
_SEED = secrets.randbits(64)


def joined(rows: pl.DataFrame, layout: Layout, encode: Encode, prefix: bytes) -> list[bytes]:
    """Give each row as the prefix and its fields in the layout's order."""
    columns: list[Sequence[bytes]] = [[prefix] * len(rows)]
    if layout.shared:
        columns.append(_distinct(rows.select("context.key"), rows.select(layout.shared), encode))
    if layout.repeating:
        repeating = rows.select(layout.repeating)
        columns.append(_distinct(_known(repeating), repeating, encode))
    columns.append(encode(rows.select(layout.own)))
    return [b"".join(pieces) for pieces in zip(*columns, strict=True)]


def _known(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(column.name for column in rows.iter_columns() if column.null_count() < len(column))


def _distinct(key: pl.DataFrame, rows: pl.DataFrame, encode: Encode) -> list[bytes]:
    if not key.width:
        return [*encode(rows.head(1))] * len(rows)
    hashes = key.hash_rows(_SEED).to_numpy()
    _, firsts, codes = np.unique(hashes, return_index=True, return_inverse=True)
    pieces = encode(rows[firsts])
    return [pieces[code] for code in codes.tolist()]
