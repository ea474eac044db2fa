"""Captured streams as a file: what an access log service received, message by message."""

import gzip
import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogCommon
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from google.protobuf.any_pb2 import Any
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import StringValue

__all__ = ["Message", "slimmed", "stored", "write"]

# Each message: the number of its stream, its length, its bytes.
_HEAD = struct.Struct(">II")

Message = tuple[int, bytes]


def write(file: Path, messages: Iterable[Message]) -> None:
    """The same messages make the same file."""
    content = b"".join(_HEAD.pack(stream, len(message)) + message for stream, message in messages)
    file.write_bytes(gzip.compress(content, mtime=0))


def stored(file: Path) -> Iterator[Message]:
    """Read what was written."""
    content = gzip.decompress(file.read_bytes())
    at = 0
    while at < len(content):
        stream, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        yield stream, content[at : at + length]
        at += length


def slimmed(message: bytes) -> bytes:
    """Take the list of Envoy's 516 extensions out; put Structs in where Envoy could be told to write JSON only."""
    parsed = StreamAccessLogsMessage.FromString(message)
    if parsed.HasField("identifier"):
        parsed.identifier.node.ClearField("extensions")
    for entry in (*parsed.http_logs.log_entry, *parsed.tcp_logs.log_entry):
        _restore_structs(entry.common_properties)
    return parsed.SerializeToString(deterministic=True)


def _restore_structs(common: AccessLogCommon) -> None:
    for wrapped in common.filter_state_objects.values():
        text = StringValue()
        if wrapped.Unpack(text) and text.value.startswith("{"):
            _wrap(json.loads(text.value), wrapped)


def _wrap(content: dict[str, object], wrapped: Any) -> None:
    made = Struct()
    made.update(content)
    wrapped.Pack(made, deterministic=True)
