"""Columns that hold one value throughout: parts of one that is made once, in no memory of their own."""

from functools import lru_cache

import polars as pl

__all__ = ["same"]

_AT_HAND = 1 << 17


def same(value: object, dtype: pl.DataType | type[pl.DataType], count: int) -> pl.Series:
    """Give that value so many times."""
    if count > _AT_HAND:
        return pl.Series([value], dtype=dtype).new_from_index(0, count)
    return _many(value, dtype).head(count)


@lru_cache(maxsize=64)
def _many(value: object, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    return pl.Series([value], dtype=dtype).new_from_index(0, _AT_HAND)
