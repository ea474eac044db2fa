"""Batches packed for Kafka: records with their keys and identities, in as many of Kafka's own batches as it needs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from telemetry.batch import Batch
from telemetry.kafka_records.encodings import CONTENT_TYPES, Encoding, Format, Prepared
from telemetry.kafka_records.keys import keys_of, partitions_of

__all__ = ["Builder", "Packing", "Parcel", "Parcels", "RecordMode"]

RecordMode = Literal["batch", "entry"]

_RECORD_BYTES = 96
"""The most that Kafka adds to a record and to the first one of its batch, headers and key apart."""

_Headers = list[tuple[str, bytes]]


class Builder(Protocol):
    """One of Kafka's batches while it is being filled."""

    def append(self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Sequence[Any]) -> Any:  # noqa: ANN401 - aiokafka's own
        """Add a record; gives None when there is no room left."""

    def close(self) -> None:
        """Take no more records."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One of Kafka's batches, where it goes, and the positions of the rows in it."""

    partition: int
    builder: Builder
    positions: list[int]


@dataclass(frozen=True, slots=True)
class Parcels:
    """What becomes of a batch. `too_large`: size of the record by position, for rows that no record can hold."""

    parcels: list[Parcel] = field(default_factory=list)
    too_large: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Record:
    positions: Sequence[int]
    key: bytes | None
    value: bytes
    headers: _Headers

    @property
    def size_bytes(self) -> int:
        headers = sum(len(name) + len(text) + 8 for name, text in self.headers)
        return len(self.value) + len(self.key or b"") + headers + _RECORD_BYTES


@dataclass(frozen=True, slots=True)
class Packing:
    """How batches become records."""

    form: Format
    encoding: Encoding
    mode: RecordMode
    key: str

    def pack(
        self, batch: Batch, *, partitions: int, limit: int, schema_id: int | None, new_builder: Callable[[], Builder]
    ) -> Parcels:
        """Pack the batch into records of up to `limit` bytes, headers included; not for an event loop."""
        parcels = Parcels()
        keys = keys_of(batch, self.key)
        where = partitions_of(keys, partitions, batch.sequence)
        prepared = self.encoding(batch, schema_id)
        for partition in np.unique(where).tolist():
            positions = np.flatnonzero(where == partition).tolist()
            if self.mode == "entry":
                records = self._single(batch, prepared, positions, keys)
            else:
                records = self._together(batch, prepared, positions, limit)
            _fill(parcels, partition, records, limit, new_builder)
        return parcels

    def _single(
        self, batch: Batch, prepared: Prepared, positions: list[int], keys: list[bytes | None]
    ) -> Iterator[_Record]:
        common, numbers = self._headers(batch), batch.row_numbers
        for at, number in zip(positions, numbers.gather(positions).to_list(), strict=True):
            yield _Record([at], keys[at], prepared.one(at), [*common, ("row", b"%d" % number)])

    def _together(self, batch: Batch, prepared: Prepared, positions: list[int], limit: int) -> Iterator[_Record]:
        common, numbers = self._headers(batch), batch.row_numbers
        room = limit - _Record((), None, b"", [*common, ("row", b"0" * 10), ("rows", b"0" * 10)]).size_bytes
        for part, value in prepared.many(positions, room):
            where = [("row", b"%d" % numbers[part[0]]), ("rows", b"%d" % len(part))]
            yield _Record(part, None, value, [*common, *where])

    def _headers(self, batch: Batch) -> _Headers:
        return [
            ("content-type", CONTENT_TYPES[self.form]),
            ("template", batch.template.encode()),
            ("receiver", batch.receiver.encode()),
            ("epoch", b"%d" % batch.epoch),
            ("sequence", b"%d" % batch.sequence),
        ]


def _fill(
    parcels: Parcels, partition: int, records: Iterator[_Record], limit: int, new_builder: Callable[[], Builder]
) -> None:
    current: Parcel | None = None
    for record in records:
        if record.size_bytes > limit:
            parcels.too_large[record.positions[0]] = record.size_bytes
            continue
        if current is None or not _added(current, record):
            if current is not None:
                current.builder.close()
            current = Parcel(partition, new_builder(), [])
            parcels.parcels.append(current)
            _added(current, record)
    if current is not None:
        current.builder.close()


def _added(parcel: Parcel, record: _Record) -> bool:
    """Add the record, if there is room; the first one always has it."""
    added = parcel.builder.append(timestamp=None, key=record.key, value=record.value, headers=record.headers)
    if added is None:
        return False
    parcel.positions.extend(record.positions)
    return True
