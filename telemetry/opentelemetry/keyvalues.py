"""Columns as OTLP's KeyValues: each distinct value is encoded once, whatever the number of rows.

https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/common/v1/common.proto
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

from telemetry.attributes import STRING_MAP
from telemetry.wire import Heads, delimited, double, mostly_distinct, texts, varint_field

__all__ = ["KeyValues", "key_value"]

_KEY, _VALUE = 1, 2
_STRING, _BOOL, _INT, _DOUBLE, _KVLIST = 1, 2, 3, 4, 6
_KNOWN_LENGTHS = 4096
_MEMO_BYTES = 1 << 20
_LONGEST_BYTES = 1024
_MOST_KEYS = 4096


def _map(pairs: Iterable[Mapping[str, str]]) -> bytes:
    inner = (delimited(1, key_value(pair["key"] or "", pair["value"] or "")) for pair in pairs)
    return delimited(_KVLIST, b"".join(inner))


def _any_value(value: Any) -> bytes:  # noqa: ANN401 - any of these types
    if isinstance(value, str):
        return delimited(_STRING, value.encode())
    if isinstance(value, bool | int):
        return varint_field(_BOOL if isinstance(value, bool) else _INT, value)
    if isinstance(value, float):
        return double(_DOUBLE, value)
    return _map(value)


def key_value(key: str, value: Any) -> bytes:  # noqa: ANN401 - any of these types
    """Write a KeyValue: of a string, bool, int, float, or a list of key and value."""
    return delimited(_KEY, key.encode()) + delimited(_VALUE, _any_value(value))


class _Memo(dict[Any, bytes]):
    """Encodes a value when it is first seen; forgets all when that has become too much."""

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        super().__init__({None: b""})
        self._encode = encode
        self._bytes = 0

    def __missing__(self, value: Any) -> bytes:  # noqa: ANN401 - whatever the column holds
        encoded = self._encode(value)
        if len(encoded) <= _LONGEST_BYTES:
            if self._bytes >= _MEMO_BYTES:
                self.clear()
                self[None], self._bytes = b"", 0
            self[value] = encoded
            self._bytes += len(encoded)
        return encoded


class _TextHeads(Heads):
    """What stands before a string that is the value of a key: it depends on the string's length alone."""

    def __init__(self, field: int, key: str) -> None:
        super().__init__(field)
        self._key = delimited(_KEY, key.encode())
        self._outer, self._value, self._text = Heads(field), Heads(_VALUE), Heads(_STRING)

    def __missing__(self, length: int) -> bytes:
        text = self._text[length]
        inner = self._key + self._value[len(text) + length] + text
        head = self._outer[len(inner) + length] + inner
        if len(self) < _KNOWN_LENGTHS:
            self[length] = head
        return head


class KeyValues:
    """Encodes the columns of one repeated KeyValue field; keeps what it has encoded, within bounds.

    Strings, Booleans, integers, floats and string maps; durations become seconds (as OpenTelemetry measures them).
    Not for several threads at once.
    """

    def __init__(self, field: int) -> None:
        self._field = field
        self._memos: dict[tuple[str, str], _Memo] = {}
        self._heads: dict[str, _TextHeads] = {}

    def columns(self, frame: pl.DataFrame) -> list[list[bytes]]:
        """Give, for each column that has values at all, its pieces by row; b"" for null."""
        if len(self._memos) + len(self._heads) > _MOST_KEYS:
            self._memos.clear()
            self._heads.clear()
        return [self._pieces(column) for column in frame.get_columns() if column.null_count() < len(column)]

    def _pieces(self, column: pl.Series) -> list[bytes]:
        if isinstance(column.dtype, pl.Duration):
            column = column.dt.total_nanoseconds() / 1e9
        if column.dtype == pl.String and mostly_distinct(column):
            return texts(self._heads_of(column.name), column)
        if column.dtype == STRING_MAP:
            return [b"" if value is None else self._encode(column.name, value) for value in column.to_list()]
        return list(map(self._memo_of(column).__getitem__, column.to_list()))

    def _heads_of(self, key: str) -> _TextHeads:
        if key not in self._heads:
            self._heads[key] = _TextHeads(self._field, key)
        return self._heads[key]

    def _memo_of(self, column: pl.Series) -> _Memo:
        # True and 1 are equal as keys of a dict: one memo for each type.
        which, key = (column.name, str(column.dtype)), column.name
        if which not in self._memos:
            self._memos[which] = _Memo(lambda value: self._encode(key, value))
        return self._memos[which]

    def _encode(self, key: str, value: Any) -> bytes:  # noqa: ANN401 - whatever the column holds
        return delimited(self._field, key_value(key, value))
