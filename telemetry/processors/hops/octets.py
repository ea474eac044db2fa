"""Texts of one width as rows of bytes, which numpy looks through many times faster than Polars does texts; and back."""

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Octets", "are_hexadecimal", "binary", "octets", "texts"]

Octets = npt.NDArray[np.uint8]
_LOWER_CASE = np.uint8(0x20)
_NOUGHT, _A = np.uint8(ord("0")), np.uint8(ord("a"))
_DECIMALS, _LETTERS = np.uint8(10), np.uint8(6)


def octets(values: pl.Series, width: int) -> Octets | None:
    """Give a row of UTF-8 bytes for each text, if all have so many; else, or where one is null, None."""
    # What is of another width becomes null.
    rows = values.cast(pl.Binary).bin.reinterpret(dtype=pl.Array(pl.UInt8, width))
    return None if rows.null_count() else rows.to_numpy()


def binary(rows: Octets) -> pl.Series:
    """Give these bytes, a value for each row."""
    return pl.Series(rows).cast(pl.List(pl.UInt8)).cast(pl.Binary)


def texts(rows: Octets) -> pl.Series:
    """Give the texts (ASCII) that stand in these bytes, a row each."""
    return binary(rows).cast(pl.String)


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
