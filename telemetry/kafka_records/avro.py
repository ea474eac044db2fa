"""Entries as Avro: Polars encodes the columns, and where a row ends is worked out from their values."""

import json
from io import BytesIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.batch import Batch, Template
from telemetry.kafka_records.avro_schema import entry_schema, stored
from telemetry.kafka_records.layout import field_name, flat, layout_of
from telemetry.kafka_records.pieces import joined

__all__ = ["array", "container", "entries", "long"]

_SYNC_BYTES = 16
_LARGEST = np.array([(1 << (7 * size)) - 1 for size in range(1, 10)], dtype=np.uint64)
"""The largest number that fits into so many bytes of seven bits each, from one byte on."""

_Sizes = NDArray[np.int64]


def entries(batch: Batch) -> list[bytes]:
    """Give each row as a datum of `entry_schema(batch.template)`."""
    rows = flat(batch.rows).with_columns(batch.row_numbers.alias("row"))
    prefix = _text(batch.receiver) + long(batch.epoch) + long(batch.sequence)
    return joined(rows, layout_of(batch.template), _encoded, prefix)


def array(entries: list[bytes]) -> bytes:
    """Give these entries as a datum of `batch_schema`."""
    return b"".join((long(len(entries)), *entries, b"\0")) if entries else b"\0"


def container(template: Template, entries: list[bytes], mark: bytes) -> bytes:
    """Give these entries as a file of Avro, its schema in front. `mark`: 16 bytes, the end of its block."""
    body = b"".join(entries)
    return b"".join((_head(template), mark, long(len(entries)), long(len(body)), body, mark))


def _head(template: Template) -> bytes:
    if template not in _HEADS:
        schema = json.dumps(entry_schema(template), separators=(",", ":"))
        _HEADS[template] = b"Obj\x01" + long(2) + _text("avro.schema") + _text(schema)
        _HEADS[template] += _text("avro.codec") + _text("null") + b"\0"
    return _HEADS[template]


_HEADS: dict[Template, bytes] = {}


def long(number: int) -> bytes:
    """Give a number as Avro writes it."""
    rest = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return long(len(encoded)) + encoded


def _encoded(rows: pl.DataFrame) -> list[bytes]:
    """Give each row's fields, every one a union with null."""
    # One selection: Polars takes longer to begin one than to cast a column.
    rows = rows.select(
        pl.col(name).cast(stored(dtype), wrap_numerical=True).alias(field_name(name))
        for name, dtype in rows.schema.items()
    ).rechunk()
    texts = rows.select(pl.col(pl.String).str.len_bytes().cast(pl.Int64))
    sizes = np.zeros(len(rows), dtype=np.int64)
    for column in rows.iter_columns():
        sizes += _sizes_of_texts(texts[column.name]) if column.dtype == pl.String else _sizes(column)
    body = _body(rows)
    ends = np.cumsum(sizes)
    if len(rows) and ends[-1] != len(body):
        # Should Polars ever write something else than we think: slower, and right all the same.
        return [_body(rows[at : at + 1]) for at in range(len(rows))]
    return [body[start:end] for start, end in zip((ends - sizes).tolist(), ends.tolist(), strict=True)]


def _body(rows: pl.DataFrame) -> bytes:
    """Give what Polars writes without the frame around it: the schema in front, marks between blocks."""
    file = BytesIO()
    rows.write_avro(file)
    written = file.getvalue()
    at = written.index(written[-_SYNC_BYTES:]) + _SYNC_BYTES
    blocks = []
    while at < len(written):
        _, at = _read_long(written, at)
        size, at = _read_long(written, at)
        blocks.append(written[at : at + size])
        at += size + _SYNC_BYTES
    return b"".join(blocks)


def _read_long(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at


def _sizes(column: pl.Series) -> _Sizes:
    """Give how many bytes each value takes: one that says whether it is null, and itself."""
    sizes = np.ones(len(column), dtype=np.int64)
    if column.null_count() == len(column):
        return sizes
    if not column.null_count():
        return sizes + _sizes_of_values(column)
    valid = column.is_not_null().to_numpy()
    sizes[valid] += _sizes_of_values(column.drop_nulls())
    return sizes


def _sizes_of_values(column: pl.Series) -> _Sizes | int:
    """Give how many bytes each value takes; none is null."""
    if column.dtype == pl.Boolean:
        return 1
    if column.dtype == pl.Float64:
        return 8
    if column.dtype == pl.String:
        return _sizes_of_texts(column.str.len_bytes().cast(pl.Int64)) - 1
    if isinstance(column.dtype, pl.Struct):
        fields = [_sizes(column.struct.field(name)) for name in column.struct.fields]
        total: _Sizes = np.sum(fields, axis=0, dtype=np.int64)
        return total
    if isinstance(column.dtype, pl.List):
        return _sizes_of_lists(column)
    numbers: NDArray[np.int64] = column.to_numpy()
    return _sizes_of_longs(numbers)


def _sizes_of_texts(lengths: pl.Series) -> _Sizes | int:
    """Give how many bytes texts of these lengths take; null: no text."""
    if lengths.null_count() == len(lengths):
        return 1
    known: _Sizes = lengths.fill_null(0).to_numpy() if lengths.null_count() else lengths.to_numpy()
    sizes: _Sizes = known + _sizes_of_longs(known) + 1
    # An empty text has a length, a null has none.
    return sizes if not lengths.null_count() else sizes - lengths.is_null().to_numpy()


def _sizes_of_lists(column: pl.Series) -> _Sizes:
    counts = column.list.len().to_numpy().astype(np.int64)
    items = _sizes(column.list.explode(empty_as_null=False))
    ends: _Sizes = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(items)))
    lasts = np.cumsum(counts)
    # A count, the items and the end; nothing but the end where there is no item.
    heads = np.where(counts > 0, _sizes_of_longs(counts), 0)
    sizes: _Sizes = ends[lasts] - ends[lasts - counts] + heads + 1
    return sizes


def _sizes_of_longs(numbers: NDArray[np.int64]) -> _Sizes | int:
    zigzag = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    least, most = np.searchsorted(_LARGEST, np.array([zigzag.min(), zigzag.max()]))
    if least == most:
        return int(least) + 1
    return np.searchsorted(_LARGEST, zigzag).astype(np.int64) + 1
