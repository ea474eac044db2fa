"""Reads the records that the Kafka adapter writes: what a consumer would do."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
import polars as pl
from google.protobuf.json_format import MessageToDict

from telemetry.batch import Template
from telemetry.kafka_records import avro_schema, protobuf
from telemetry.kafka_records.layout import flat

Entry = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """One record as a consumer gets it."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]

    @property
    def template(self) -> Template:
        return Template(self.headers["template"].decode())


def entries(records: Sequence[Record], mode: str = "batch") -> list[Entry]:
    """The entries of these records, names as in Avro; the identity is in every one."""
    return [entry for record in records for entry in read(record, mode)]


def read(record: Record, mode: str) -> Iterator[Entry]:
    kind = record.headers["content-type"].decode()
    if kind == "avro/binary":
        yield from read_avro(record, mode)
    elif kind == "application/json":
        for line in record.value.split(b"\n"):
            yield {name.replace(".", "_"): value for name, value in json.loads(line).items()}
    elif kind == "application/x-protobuf":
        yield from read_protobuf(record, mode)
    else:
        rows = pl.read_ipc_stream(io.BytesIO(record.value))
        yield from flat(rows).rename(lambda name: name.replace(".", "_")).iter_rows(named=True)


def read_avro(record: Record, mode: str) -> Iterator[Entry]:
    if record.value.startswith(b"Obj\x01"):
        yield from fastavro.reader(io.BytesIO(record.value))
        return
    assert record.value[0] == 0
    body = io.BytesIO(record.value[5:])
    if mode == "entry":
        yield fastavro.schemaless_reader(body, avro_schema.entry_schema(record.template), None)
    else:
        yield from fastavro.schemaless_reader(body, avro_schema.batch_schema(record.template), None)["rows"]
    assert not body.read()


def read_protobuf(record: Record, mode: str) -> Iterator[Entry]:
    name = avro_schema.NAMES[record.template]
    if mode == "entry":
        messages = [protobuf.message_class(name).FromString(record.value)]
    else:
        messages = protobuf.message_class(f"{name}Batch").FromString(record.value).rows
    for message in messages:
        whole = MessageToDict(message, preserving_proto_field_name=True)
        yield {**whole, "row": message.row, "sequence": message.sequence, "epoch": message.epoch}


def mark(template: Template, entry: Entry) -> str:
    if template is Template.METRIC:
        labels = entry["labels"]
        if isinstance(labels, dict):
            return labels["mark"]
        return {pair["key"]: pair.get("value", "") for pair in labels}["mark"]
    return entry["source_workload_name" if template is Template.EDGE else "request_id"]


def identity(entry: Entry) -> tuple[str, int, int, int]:
    return entry["receiver"], int(entry["epoch"]), int(entry["sequence"]), entry["row"]
