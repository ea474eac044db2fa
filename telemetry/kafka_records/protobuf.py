"""Entries as protobuf, by proto/telemetry/entry/v1/entry.proto."""

from functools import cache
from typing import Any

import polars as pl
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from telemetry.batch import Batch
from telemetry.descriptors import descriptors
from telemetry.kafka_records.avro_schema import NAMES, NAMESPACE
from telemetry.kafka_records.layout import field_name, flat, layout_of
from telemetry.kafka_records.pieces import joined

__all__ = ["entries", "message_class", "together"]

_ROWS_TAG = b"\x0a"
"""Field 1, of a known length."""


@cache
def message_class(name: str) -> type[Message]:
    """Give the class of a message of our schema, such as LogEntry or LogEntryBatch."""
    pool = descriptors("telemetry.kafka_records", "entry_v1.binpb.gz")
    return GetMessageClass(pool.FindMessageTypeByName(f"{NAMESPACE}.{name}"))


def entries(batch: Batch) -> list[bytes]:
    """Give each row as a message: of pieces, for those of one message may stand in any order."""
    kind = message_class(NAMES[batch.template])
    rows = flat(batch.rows).with_columns(batch.row_numbers.alias("row"))
    prefix = kind(receiver=batch.receiver, epoch=batch.epoch, sequence=batch.sequence).SerializeToString()

    def encode(rows: pl.DataFrame) -> list[bytes]:
        return _encoded(rows, kind)

    return joined(rows, layout_of(batch.template), encode, prefix)


def together(entries: list[bytes]) -> bytes:
    """Give these entries as the message that has them as its `rows`."""
    return b"".join(piece for entry in entries for piece in (_ROWS_TAG, _varint(len(entry)), entry))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _encoded(rows: pl.DataFrame, kind: type[Message]) -> list[bytes]:
    known = [column for column in rows.iter_columns() if column.null_count() < len(column)]
    names = [field_name(column.name) for column in known]
    values = pl.DataFrame([_plain(column) for column in known])
    if not known:
        return [b""] * len(rows)
    return [kind(**_present(names, row)).SerializeToString() for row in values.iter_rows()]


def _present(names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
    return {name: _whole(value) for name, value in zip(names, row, strict=True) if value is not None}


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    """Give the value without what is null in it: protobuf leaves out what is unknown."""
    if isinstance(value, list):
        return [_whole(one) for one in value if one is not None]
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items() if one is not None}
    return value


def _plain(column: pl.Series) -> pl.Series:
    """Give times and durations as nanoseconds, wherever they are."""
    return column.cast(_plain_type(column.dtype))


def _plain_type(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, pl.List):
        return pl.List(_plain_type(dtype.inner))  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _plain_type(field.dtype) for field in dtype.fields})  # type: ignore[arg-type]
    if isinstance(dtype, pl.Datetime | pl.Duration):
        return pl.Int64()
    return pl.String() if isinstance(dtype, pl.Enum) else dtype
