"""Texts of one width as rows of bytes, which numpy looks through many times faster than Polars does texts; and back."""

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Octets", "are_hexadecimal", "octets", "texts"]

Octets = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
_LOWER_CASE = np.uint8(0x20)
_ZERO, _NINE, _A, _F = (np.uint8(ord(it)) for it in "09af")


def octets(values: pl.Series, width: int) -> tuple[Octets, Bools]:
    """Give a row of UTF-8 bytes for each text, and which of them are so wide; the others' bytes are any."""
    fits = (values.str.len_bytes() == width).fill_null(value=False)
    if not fits.all():
        values = values.zip_with(fits, pl.Series([" " * width]))
    rows = values.cast(pl.Binary).bin.reinterpret(dtype=pl.Array(pl.UInt8, width))
    return rows.to_numpy(), fits.to_numpy()


def texts(rows: Octets) -> pl.Series:
    """Give the texts (ASCII) that stand in these bytes, a row each."""
    return pl.Series(rows).cast(pl.List(pl.UInt8)).cast(pl.Binary).cast(pl.String)


def are_hexadecimal(rows: Octets) -> Bools:
    """Tell which rows are hex digits throughout, of either case; a row's width is a multiple of eight."""
    small = rows | _LOWER_CASE
    # Below nought, and below a, the difference wraps around. The 16 control characters that the bit makes digits are none.
    digit = ((small - _ZERO) <= _NINE - _ZERO) & (rows >= _ZERO)
    digit |= (small - _A) <= _F - _A
    whole: Bools = digit.view(np.uint64)[:, 0] == np.uint64(0x0101010101010101)
    for column in digit.view(np.uint64).T[1:]:
        whole &= column == np.uint64(0x0101010101010101)
    return whole
