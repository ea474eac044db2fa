"""Texts of one width as rows of bytes, which numpy looks through many times faster than Polars does texts; and back."""

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Octets", "are_hexadecimal", "are_wide", "octets", "texts"]

Octets = npt.NDArray[np.uint8]
_LOWER_CASE = np.uint8(0x20)
_NOUGHT, _A = np.uint8(ord("0")), np.uint8(ord("a"))
_DECIMALS, _LETTERS = np.uint8(10), np.uint8(6)


def are_wide(values: pl.Series, width: int) -> bool:
    """Tell whether every text has so many bytes, and none is null."""
    return not values.null_count() and bool((values.str.len_bytes() == width).all())


def octets(values: pl.Series, width: int) -> Octets:
    """Give a row of UTF-8 bytes for each text; they are all so wide."""
    rows: Octets = values.cast(pl.Binary).bin.reinterpret(dtype=pl.Array(pl.UInt8, width)).to_numpy()
    return rows


def texts(rows: Octets) -> pl.Series:
    """Give the texts (ASCII) that stand in these bytes, a row each."""
    return pl.Series(rows).cast(pl.List(pl.UInt8)).cast(pl.Binary).cast(pl.String)


def are_hexadecimal(rows: Octets) -> bool:
    """Tell whether all of these bytes are hex digits, of either case."""
    # In place: to ask the system for another array's memory takes longer than the arithmetic.
    small = rows | _LOWER_CASE
    small -= _A
    digit = small < _LETTERS
    # What stands before nought wraps around.
    np.subtract(rows, _NOUGHT, out=small)
    digit |= small < _DECIMALS
    return bool(digit.all())
