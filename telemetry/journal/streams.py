"""Frames as Arrow IPC streams."""

from io import BytesIO
from typing import Literal

import polars as pl

__all__ = ["frame", "packed", "packed_texts", "plain", "stream", "worth_packing"]

_OFFSETS = pl.CompatLevel.oldest()
"""Texts as Arrow's LargeUtf8, offsets and bytes, in place of Polars' views."""
_WORTH_RATIO = 0.5
"""LZ4 must leave less than this: it costs half of what SQLite takes for the bytes that it saves."""


def packed(rows: pl.DataFrame) -> bytes:
    """Give a frame compressed, one without columns as nothing."""
    return stream(rows, "lz4")


def packed_texts(rows: pl.DataFrame) -> bytes:
    """Give a frame compressed as well as LZ4 can, if most of it are texts that are long, or lists.

    Equal ones have views of their own, which compress worse than the texts; short ones stand in their views.
    """
    return stream(rows, "lz4", _OFFSETS)


def plain(rows: pl.DataFrame) -> bytes:
    """Give a frame as it is, one without columns as nothing."""
    # Where each text begins takes half of what Polars' own views of it take, which only compression makes small.
    return stream(rows, "uncompressed", _OFFSETS)


def stream(
    rows: pl.DataFrame, compression: Literal["uncompressed", "lz4"], compat_level: pl.CompatLevel | None = None
) -> bytes:
    """Give a frame as a stream, one without columns as nothing."""
    if not rows.width:
        return b""
    buffer = BytesIO()
    rows.write_ipc_stream(buffer, compression=compression, compat_level=compat_level)
    return buffer.getvalue()


def frame(content: bytes) -> pl.DataFrame:
    """Give the frame back. Raises PolarsError when the content is no stream."""
    return pl.read_ipc_stream(content) if content else pl.DataFrame()


def worth_packing(column: pl.Series) -> bool:
    """Whether compression saves more than it costs."""
    rows = column.to_frame()
    return len(packed(rows)) < _WORTH_RATIO * len(plain(rows))
