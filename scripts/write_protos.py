"""Write proto/telemetry/entry/v1/entry.proto from our schemas, and its descriptors: run after a column has been added.

Fields keep the numbers that the file gives them; new ones get the next. Needs grpcio-tools, for protoc.
"""

import gzip
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc_tools
import polars as pl
from grpc_tools import protoc

from telemetry.attributes import ATTRIBUTES, STRING_MAP, TIMESTAMP
from telemetry.batch import Template
from telemetry.kafka_records.avro_schema import NAMES
from telemetry.kafka_records.layout import ROW, DType, field_name, layout_of

ROOT = Path(__file__).parent.parent
PROTO = ROOT / "proto" / "telemetry" / "entry" / "v1" / "entry.proto"
DESCRIPTORS = ROOT / "telemetry" / "kafka_records" / "entry_v1.binpb.gz"

HEAD = """\
// What Mesh Telemetry hands to Kafka as protobuf: one message for each template of its batches.
//
// Written by scripts/write_protos.py from telemetry/batch.py; docs/attributes.md says what the fields mean. A field
// that is absent is unknown. Times are nanoseconds since 1970, durations nanoseconds. Numbers are never used again.

syntax = "proto3";

package telemetry.entry.v1;

message Pair {
  optional string key = 1;
  optional string value = 2;
}
"""
IDENTITY = ("string receiver", "uint64 epoch", "uint64 sequence", "uint32 row")
FIRST = 10
"""Numbers below are the identity's."""

SCALARS = {
    pl.String: "string",
    pl.Boolean: "bool",
    pl.Float64: "double",
    pl.Int8: "sint32",
    pl.Int32: "sint32",
    pl.UInt64: "uint64",
    pl.Datetime: "int64",
    pl.Duration: "int64",
    pl.Enum: "string",
}
MEANINGS = {attribute.name: attribute.meaning for attribute in ATTRIBUTES}

Numbers = dict[str, dict[str, int]]


def numbers_of(text: str) -> Numbers:
    """Read which number each field of each message has."""
    found: Numbers = defaultdict(dict)
    for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}", text, re.M | re.S):
        for field, number in re.findall(r"(\w+) = (\d+);", body):
            found[name][field] = int(number)
    return found


class Writer:
    """Messages as text, those that others need before them."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        self.written: list[str] = []

    def message(self, name: str, fields: dict[str, tuple[str, str]], reserved: tuple[str, ...] = ()) -> None:
        """Write a message; `fields`: type and comment by name."""
        known = self.numbers[name]
        if gone := set(known) - set(fields) - {one.split()[-1] for one in reserved}:
            sys.exit(f"{name} has no columns {sorted(gone)} any more: reserve their numbers by hand")
        fresh = count(max([FIRST - 1 if reserved else 0, *known.values()]) + 1)
        lines = [f"  {field} = {at};" for at, field in enumerate(reserved, 1)]
        for field, (kind, comment) in fields.items():
            number = known.get(field) or next(fresh)
            lines.append(f"  {kind} {field} = {number};" + (f"  // {comment}" if comment else ""))
        self.written.append(f"message {name} {{\n" + "\n".join(lines) + "\n}\n")

    def kind(self, dtype: DType, name: str) -> str:
        """Give the field's type, its label in front; messages of their own are named after it."""
        if dtype == STRING_MAP:
            return "repeated Pair"
        if isinstance(dtype, pl.List):
            return "repeated " + self.kind(dtype.inner, f"{name}Item").removeprefix("optional ")
        if isinstance(dtype, pl.Struct):
            self.message(name, {one.name: (self.kind(one.dtype, name + camel(one.name)), "") for one in dtype.fields})
            return f"optional {name}"
        return f"optional {SCALARS.get(dtype.base_type(), 'uint32')}"


def camel(text: str) -> str:
    """Give a name as messages have it."""
    return "".join(part.capitalize() for part in re.split(r"[._]", text))


def comments(name: str, dtype: DType) -> Iterator[str]:
    """Say what a reader must know of a column."""
    if dtype in (TIMESTAMP, pl.Duration):
        yield "ns"
    if meaning := MEANINGS.get(name):
        yield meaning


def text(numbers: Numbers) -> str:
    """Give the whole file."""
    writer = Writer(numbers)
    for template in Template:
        layout = layout_of(template)
        dtypes = {name: dtype for name, dtype in layout.dtypes.items() if name != ROW}
        name = NAMES[template]
        fields = {
            field_name(column): (writer.kind(dtype, name + camel(column)), "; ".join(comments(column, dtype)))
            for column, dtype in dtypes.items()
        }
        writer.message(name, fields, IDENTITY)
        writer.message(f"{name}Batch", {"rows": (f"repeated {name}", "")})
    return "\n".join([HEAD, *writer.written])


def descriptors() -> bytes:
    """Compile the file."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        includes = (f"-I{ROOT / 'proto'}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}")
        if protoc.main(["protoc", *includes, f"--descriptor_set_out={out}", str(PROTO)]):
            sys.exit("protoc failed")
        return out.read_bytes()


def main() -> None:
    """Write both; the same input gives the same bytes."""
    PROTO.write_text(text(numbers_of(PROTO.read_text() if PROTO.exists() else "")))
    DESCRIPTORS.write_bytes(gzip.compress(descriptors(), mtime=0))
    print(f"{PROTO}\n{DESCRIPTORS}")


if __name__ == "__main__":
    main()
