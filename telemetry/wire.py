"""Protobuf's wire format, by hand: what encoders of whole columns put together.

A message class costs 10 µs and more for each row of 40 fields; bytes made once for each distinct value and joined cost
two. https://protobuf.dev/programming-guides/encoding/. Field numbers are below 16 wherever a column is written.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = [
    "Heads",
    "delimited",
    "double",
    "doubles",
    "fixed64",
    "messages",
    "mostly_distinct",
    "packed",
    "texts",
    "varint",
    "varint_field",
    "zigzag",
]

_VARINT, _FIXED64, _DELIMITED = 0, 1, 2
_KNOWN_LENGTHS = 4096
_SAMPLE = 128


def varint(value: int) -> bytes:
    """Write an integer, a negative one as its 64-bit two's complement."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def zigzag(value: int) -> int:
    """Map a sint32 or sint64 to what is written as its varint."""
    return (value << 1) ^ (value >> 63)


def varint_field(field: int, value: int) -> bytes:
    """Write an integer, a bool or an enum."""
    return varint(field << 3 | _VARINT) + varint(value)


def delimited(field: int, payload: bytes) -> bytes:
    """Write a string, bytes, a message or a packed field."""
    return varint(field << 3 | _DELIMITED) + varint(len(payload)) + payload


class Heads(dict[int, bytes]):
    """What stands before a payload of each length: tag and length; made once, `heads[len(payload)] + payload`."""

    def __init__(self, field: int) -> None:
        super().__init__()
        self._tag = varint(field << 3 | _DELIMITED)

    def __missing__(self, length: int) -> bytes:
        head = self._tag + varint(length)
        if len(self) < _KNOWN_LENGTHS:
            self[length] = head
        return head


def fixed64(*columns: tuple[int, NDArray[Any]]) -> list[bytes]:
    """Write 64-bit columns (integers or doubles), each with its field, side by side: one piece a row."""
    layout: list[tuple[str, Any]] = []
    for at, (_, values) in enumerate(columns):
        layout += [(f"tag{at}", np.uint8), (f"value{at}", np.dtype(values.dtype).newbyteorder("<"))]
    rows = np.zeros(len(columns[0][1]), np.dtype(layout))
    for at, (field, values) in enumerate(columns):
        rows[f"tag{at}"] = field << 3 | _FIXED64
        rows[f"value{at}"] = values
    pieces: list[bytes] = rows.view(f"V{rows.itemsize}").tolist()
    return pieces


def doubles(field: int, values: NDArray[np.float64], present: NDArray[np.bool_]) -> list[bytes]:
    """Write a column of doubles; nothing where absent."""
    pieces = fixed64((field, values))
    return [piece if there else b"" for piece, there in zip(pieces, present.tolist(), strict=True)]


def packed(field: int, lists: pl.Series, dtype: str) -> list[bytes]:
    """Write lists of 64-bit numbers as packed fixed64 or doubles (`dtype`: numpy's, such as <u8); nothing for none."""
    ends = np.cumsum(lists.list.len().fill_null(0).to_numpy()) * 8
    flat = lists.drop_nulls().explode().drop_nulls().to_numpy().astype(dtype, copy=False).tobytes()
    heads, start, pieces = Heads(field), 0, []
    for end in ends.tolist():
        pieces.append(heads[end - start] + flat[start:end] if end > start else b"")
        start = end
    return pieces


def texts(heads: Heads, column: pl.Series) -> list[bytes]:
    """Write a column of strings (or binaries); nothing for null."""
    values = column.cast(pl.Binary).to_list()
    return [b"" if value is None else heads[len(value)] + value for value in values]


def mostly_distinct(column: pl.Series) -> bool:
    """Say whether remembering what a value was encoded to is of no use; judged by the first values."""
    sample = column.head(_SAMPLE)
    return sample.n_unique() > len(sample) // 2


def messages(heads: Heads, parts: Sequence[Iterable[bytes]]) -> list[bytes]:
    """Join each row's pieces into a message and put its head before it."""
    return [heads[len(body)] + body for body in map(b"".join, zip(*parts, strict=True))]


def double(field: int, value: float) -> bytes:
    """Write one double."""
    return varint(field << 3 | _FIXED64) + struct.pack("<d", value)
