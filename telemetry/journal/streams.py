"""Frames as Arrow IPC streams."""

from typing import IO, Literal, cast

import polars as pl

__all__ = ["Pieces", "frame", "packed", "packed_texts", "plain", "worth_packing"]

_OFFSETS = pl.CompatLevel.oldest()
"""Texts as Arrow's LargeUtf8, offsets and bytes, in place of Polars' views."""
_WORTH_RATIO = 0.5
"""LZ4 must leave less than this: it costs half of what SQLite takes for the bytes that it saves."""


class Pieces(list[bytes]):
    """A file that keeps what is written as it came: no copy is made before the last."""

    def write(self, piece: bytes) -> int:
        """Keep the piece."""
        self.append(piece)
        return len(piece)

    def flush(self) -> None:
        """Do nothing: it is there."""

    @property
    def size_bytes(self) -> int:
        """How much was written."""
        return sum(map(len, self))

    @property
    def whole(self) -> bytes:
        """All of it."""
        return b"".join(self)


def packed(rows: pl.DataFrame) -> Pieces:
    """Give a frame compressed, one without columns as nothing."""
    return _stream(rows, "lz4")


def packed_texts(rows: pl.DataFrame) -> Pieces:
    """Give a frame compressed as well as LZ4 can, if most of it are texts that are long, or lists.

    Equal ones have views of their own, which compress worse than the texts; short ones stand in their views.
    """
    return _stream(rows, "lz4", _OFFSETS)


def plain(rows: pl.DataFrame) -> Pieces:
    """Give a frame as it is, one without columns as nothing."""
    # Where each text begins takes half of what Polars' own views of it take, which only compression makes small.
    return _stream(rows, "uncompressed", _OFFSETS)


def _stream(
    rows: pl.DataFrame, compression: Literal["uncompressed", "lz4"], compat_level: pl.CompatLevel | None = None
) -> Pieces:
    pieces = Pieces()
    if rows.width:
        # Nothing but write and flush is asked of a file that is written.
        rows.write_ipc_stream(cast(IO[bytes], pieces), compression=compression, compat_level=compat_level)
    return pieces


def frame(content: bytes) -> pl.DataFrame:
    """Give the frame back. Raises PolarsError when the content is no stream."""
    return pl.read_ipc_stream(content) if content else pl.DataFrame()


def worth_packing(column: pl.Series) -> bool:
    """Whether compression saves more than it costs."""
    rows = column.to_frame()
    return packed(rows).size_bytes < _WORTH_RATIO * plain(rows).size_bytes
