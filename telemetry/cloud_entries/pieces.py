"""Columns as pieces of protobuf that only google.logging.v2 needs: labels, times, many numbers at once."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.wire import Heads, delimited, mostly_distinct, varint

__all__ = ["Labels", "Texts", "label", "moments", "numbers", "present"]

_BILLION = 1_000_000_000
_SECONDS_BYTES = _NANOS_BYTES = 5
_MOST_REMEMBERED = 8192
_LONGEST_REMEMBERED = 1024


class Texts:
    """Writes a column of strings as a field; remembers what repeats, within bounds."""

    def __init__(self, field: int) -> None:
        self._heads = Heads(field)
        self._known: dict[bytes | None, bytes] = {None: b""}

    def pieces(self, column: pl.Series) -> list[bytes]:
        """Give a piece a row; nothing for null."""
        values = column.cast(pl.Binary).to_list()
        if column.null_count() == len(column):
            return [b""] * len(column)
        if mostly_distinct(column):
            return [b"" if value is None else self._write(value) for value in values]
        known = self._known
        return [known[value] if value in known else self._remember(value) for value in values]

    def _write(self, value: bytes) -> bytes:
        return self._heads[len(value)] + value

    def _remember(self, value: bytes) -> bytes:
        written = self._write(value)
        if len(written) <= _LONGEST_REMEMBERED:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known = {None: b""}
            self._known[value] = written
        return written


class _LabelHeads(Heads):
    """What stands before a label's value: it depends on the value's length alone."""

    def __init__(self, field: int, key: str) -> None:
        super().__init__(field)
        self._key = delimited(1, key.encode())
        self._outer, self._value = Heads(field), Heads(2)

    def __missing__(self, length: int) -> bytes:
        inner = self._key + self._value[length]
        head = self._outer[len(inner) + length] + inner
        if len(self) < _MOST_REMEMBERED:
            self[length] = head
        return head


class Labels(Texts):
    """Writes a column of strings as one key of a map<string, string>."""

    def __init__(self, field: int, key: str) -> None:
        super().__init__(field)
        self._heads = _LabelHeads(field, key)


def label(field: int, key: str, value: str) -> bytes:
    """Write one entry of a map<string, string>."""
    return delimited(field, delimited(1, key.encode()) + delimited(2, value.encode()))


def _varints(values: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """Write numbers from 0 below 2**(7 * width), each in so many bytes: longer than need be, which is allowed."""
    shifts = np.arange(width, dtype=np.int64) * 7
    groups = (values[:, None] >> shifts & 0x7F).astype(np.uint8)
    groups[:, :-1] |= 0x80
    return groups


def _joined(parts: Sequence[NDArray[np.uint8]]) -> list[bytes]:
    rows = np.ascontiguousarray(np.concatenate(parts, axis=1))
    pieces: list[bytes] = rows.view(f"V{rows.shape[1]}").ravel().tolist()
    return pieces


def _constant(text: bytes, rows: int) -> NDArray[np.uint8]:
    return np.tile(np.frombuffer(text, np.uint8), (rows, 1))


def numbers(*columns: tuple[int, NDArray[np.int64], int]) -> list[bytes]:
    """Write non-negative integers side by side, each as field, values and width in bytes: one piece a row."""
    parts: list[NDArray[np.uint8]] = []
    for field, values, width in columns:
        parts += [_constant(varint(field << 3), len(values)), _varints(values, width)]
    return _joined(parts)


def moments(field: int, values_ns: NDArray[np.int64]) -> list[bytes]:
    """Write nanoseconds, from 0 to some 1,000 years, as google.protobuf.Timestamp or Duration."""
    rows, body = len(values_ns), 2 + _SECONDS_BYTES + _NANOS_BYTES
    values_ns = values_ns.clip(0)
    return _joined(
        [
            _constant(varint(field << 3 | 2) + bytes([body, 0x08]), rows),
            _varints(values_ns // _BILLION, _SECONDS_BYTES),
            _constant(b"\x10", rows),
            _varints(values_ns % _BILLION, _NANOS_BYTES),
        ]
    )


def present(pieces: list[bytes], column: pl.Series) -> list[bytes]:
    """Leave out what stands for null."""
    if not column.null_count():
        return pieces
    return [piece if there else b"" for piece, there in zip(pieces, column.is_not_null().to_list(), strict=True)]
