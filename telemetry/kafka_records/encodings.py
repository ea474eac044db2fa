"""One interface to the formats: a batch prepared once, then cut into values of any number of rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Literal, Protocol

import numpy as np
import polars as pl

from telemetry.batch import Batch
from telemetry.json_lines import JsonLines
from telemetry.kafka_records import avro, protobuf
from telemetry.kafka_records.layout import ROW

__all__ = ["CONTENT_TYPES", "Encoding", "Format", "Prepared", "encoding"]

Format = Literal["avro", "json", "protobuf", "arrow"]

CONTENT_TYPES = {
    "avro": b"avro/binary",
    "json": b"application/json",
    "protobuf": b"application/x-protobuf",
    "arrow": b"application/vnd.apache.arrow.stream",
}

Positions = Sequence[int]

_FILLED = 0.9


class Prepared(Protocol):
    """A batch, encoded as far as can be without knowing which rows go together."""

    def one(self, position: int) -> bytes:
        """Give the value of a record that holds this row alone."""

    def many(self, positions: Positions, limit: int) -> Iterator[tuple[Positions, bytes]]:
        """Give values of up to `limit` bytes that hold these rows; one row alone may be longer."""


Encoding = Callable[[Batch, int | None], Prepared]
"""Prepares a batch. The number is what a schema registry gave to its Avro schema, if there is one."""


def encoding(form: Format) -> Encoding:
    """Give a format's encoding; what it remembers of batches belongs to its one user."""
    if form == "json":
        lines = JsonLines()
        return lambda batch, _: _Rows(lines.objects(batch), bytes, b"\n".join, 0)
    return {"avro": _avro, "protobuf": _protobuf, "arrow": _arrow}[form]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows that are encoded one by one, and how values are made of them."""

    entries: list[bytes]
    single: Callable[[bytes], bytes]
    together: Callable[[list[bytes]], bytes]
    overhead: int
    """The most that a value of many has beside the rows."""
    each: int = 1
    """The most that it has for each row."""

    def one(self, position: int) -> bytes:
        return self.single(self.entries[position])

    def many(self, positions: Positions, limit: int) -> Iterator[tuple[Positions, bytes]]:
        ends = np.cumsum([len(self.entries[at]) + self.each for at in positions])
        start, before = 0, 0
        while start < len(positions):
            room = before + limit - self.overhead
            end = max(start + 1, int(np.searchsorted(ends, room, side="right")))
            yield positions[start:end], self.together([self.entries[at] for at in positions[start:end]])
            start, before = end, int(ends[end - 1])


def _avro(batch: Batch, schema_id: int | None) -> Prepared:
    entries = avro.entries(batch)
    if schema_id is not None:
        # Confluent's wire format: a zero, the schema's number, the datum.
        head = b"\0" + schema_id.to_bytes(4, "big")
        return _Rows(entries, lambda entry: head + entry, lambda many: head + avro.array(many), 16, 0)
    mark = sha256(f"{batch.receiver}\n{batch.epoch}\n{batch.sequence}".encode()).digest()[:16]

    def contained(entries: list[bytes]) -> bytes:
        return avro.container(batch.template, entries, mark)

    return _Rows(entries, lambda entry: contained([entry]), contained, len(contained([])) + 20, 0)


def _protobuf(batch: Batch, _: int | None) -> Prepared:
    return _Rows(protobuf.entries(batch), bytes, protobuf.together, 0, 6)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Rows in columns: cut in halves until they fit."""

    rows: pl.DataFrame

    def one(self, position: int) -> bytes:
        return self._value([position])

    def many(self, positions: Positions, limit: int) -> Iterator[tuple[Positions, bytes]]:
        if not len(positions):
            return
        value = self._value(positions)
        if len(value) <= limit or len(positions) == 1:
            yield positions, value
            return
        # Rows are of about one size; those that still are too many are cut again.
        step = max(1, int(len(positions) * limit / len(value) * _FILLED))
        for start in range(0, len(positions), step):
            yield from self.many(positions[start : start + step], limit)

    def _value(self, positions: Positions) -> bytes:
        buffer = BytesIO()
        self.rows[list(positions)].write_ipc_stream(buffer)
        return buffer.getvalue()


def _arrow(batch: Batch, _: int | None) -> Prepared:
    identity = (
        pl.lit(batch.receiver).alias("receiver"),
        pl.lit(batch.epoch, pl.Int64).alias("epoch"),
        pl.lit(batch.sequence, pl.Int64).alias("sequence"),
        batch.row_numbers.alias(ROW),
    )
    return _Frame(batch.rows.select(*identity, pl.all()))
