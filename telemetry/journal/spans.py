"""Integers as what they are above the least of them: most of those in a batch lie close together."""

from collections.abc import Collection

import numpy as np
import polars as pl
from polars.datatypes import DataTypeClass

__all__ = ["can_span", "narrowest", "spans"]

_LIMIT = 1 << 32


def can_span(dtype: pl.DataType | DataTypeClass) -> bool:
    """Whether a column of this dtype is integers at heart."""
    return dtype.is_integer() or dtype.is_temporal()


def spans(rows: pl.DataFrame, names: Collection[str]) -> dict[str, tuple[int, pl.Series | None]]:
    """Give for each of these columns the least of its integers, and what they are above it as UInt8, 16 or 32.

    Nulls stay null; None where all are equal. Columns that this won't do for are left out.
    """
    # All at once: asked of a column alone, it costs ten times as much.
    numbers = rows.select(pl.col(*names).to_physical()) if names else rows.select()
    found = {column.name: _span(column) for column in numbers}
    return {name: span for name, span in found.items() if span}


def _span(numbers: pl.Series) -> tuple[int, pl.Series | None] | None:
    if numbers.null_count():
        return _with_nulls(numbers)
    values = numbers.to_numpy()  # for most columns, at a fraction of what Polars' expressions cost
    low, high = int(values.min()), int(values.max())
    if low == high:
        return low, None
    if high - low >= _LIMIT:
        return None
    above = values - values.dtype.type(low) if low else values
    return low, pl.Series(numbers.name, above.astype(np.min_scalar_type(high - low)))


def _with_nulls(numbers: pl.Series) -> tuple[int, pl.Series] | None:
    low, high = numbers.min(), numbers.max()
    if not isinstance(low, int) or not isinstance(high, int) or high - low >= _LIMIT:
        return None
    # Nothing wraps: they fit. To see so once more costs the most of it.
    return low, (numbers - low if low else numbers).cast(narrowest(high - low), wrap_numerical=True)


def narrowest(largest: int) -> type[pl.DataType]:
    """Give the dtype for integers from 0 to this one, below 2^32."""
    return pl.UInt8 if largest < 1 << 8 else pl.UInt16 if largest < 1 << 16 else pl.UInt32
