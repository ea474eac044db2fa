"""Istio's peer metadata: what a proxy learned of the other end, as it lies in Envoy's filter state.

Since Istio 1.24 it is a Struct with lower-case keys; from 1.6 to 1.23 a FlatBuffer inside a BytesValue; in 1.5 a
serialised Struct inside a BytesValue, keyed as node metadata. All of them come wrapped in an `Any`.
"""

import struct as binary
from collections.abc import Iterator, Mapping
from struct import unpack_from

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import BytesValue

from telemetry.mesh.istio import workload_of_node
from telemetry.mesh.workload import Workload, canonical_revision, canonical_service
from telemetry.node import Node

__all__ = ["workload_of_peer"]


def workload_of_peer(any_bytes: bytes | None) -> Workload | None:
    """Read a peer of any Istio version; None when there is none, or its form is not known."""
    if not any_bytes:
        return None
    try:
        wrapped = AnyMessage.FromString(any_bytes)
        if wrapped.type_url.endswith("google.protobuf.Struct"):
            return _of_struct(Struct.FromString(wrapped.value))
        if wrapped.type_url.endswith("google.protobuf.BytesValue"):
            return _of_bytes(BytesValue.FromString(wrapped.value).value)
    except DecodeError:
        return None
    return None


def _of_struct(struct: Struct) -> Workload | None:
    text = _strings(struct)
    if "NAME" in text or "WORKLOAD_NAME" in text:
        return _of_node_metadata(struct)
    if not text:
        return None
    labels = _strings(struct.fields["labels"].struct_value) if "labels" in struct.fields else {}
    name = text.get("workload") or None
    return Workload(
        name=name,
        namespace=text.get("namespace") or None,
        cluster=text.get("cluster") or None,
        instance=text.get("name") or None,
        app=text.get("app") or labels.get("app"),
        version=text.get("version") or labels.get("version"),
        canonical_service=text.get("service") or canonical_service(labels, name),
        canonical_revision=text.get("revision") or canonical_revision(labels),
    )


def _of_node_metadata(struct: Struct) -> Workload | None:
    metadata: dict[str, object] = dict(_strings(struct))
    if "LABELS" in struct.fields:
        metadata["LABELS"] = _strings(struct.fields["LABELS"].struct_value)
    metadata.setdefault("WORKLOAD_NAME", metadata.get("NAME"))
    return workload_of_node(Node(id="", cluster="", metadata=metadata, version="", log_name=""))


def _of_bytes(value: bytes) -> Workload | None:
    try:
        return _of_flat_node(value)
    except (binary.error, UnicodeDecodeError, IndexError, RecursionError):
        return _of_struct(Struct.FromString(value))


def _strings(struct: Struct) -> Mapping[str, str]:
    return {
        key: value.string_value for key, value in struct.fields.items() if value.WhichOneof("kind") == "string_value"
    }


# --- FlatNode: slots 0 name, 1 namespace, 2 labels, 3 owner, 4 workload_name, 9 cluster_id --------------------------


def _of_flat_node(data: bytes) -> Workload:
    (root,) = unpack_from("<I", data, 0)
    labels = dict(_labels(data, root))
    name = _text(data, root, 4)
    if name is None and not labels and _text(data, root, 1) is None:
        raise IndexError("not a FlatNode")
    return Workload(
        name=name,
        namespace=_text(data, root, 1),
        cluster=_text(data, root, 9),
        instance=_text(data, root, 0),
        owner=_text(data, root, 3),
        app=labels.get("app"),
        version=labels.get("version"),
        canonical_service=canonical_service(labels, name),
        canonical_revision=canonical_revision(labels),
    )


def _slot(data: bytes, table: int, slot: int) -> int | None:
    """Give where a table's field lies: the vtable holds its offset, 0 for absent."""
    vtable = table - int(unpack_from("<i", data, table)[0])
    if vtable < 0:
        raise IndexError("vtable before the buffer")
    (size,) = unpack_from("<H", data, vtable)
    entry = 4 + 2 * slot
    if entry >= size:
        return None
    (offset,) = unpack_from("<H", data, vtable + entry)
    return table + int(offset) if offset else None


def _follow(data: bytes, place: int) -> int:
    return place + int(unpack_from("<I", data, place)[0])


def _text(data: bytes, table: int, slot: int) -> str | None:
    place = _slot(data, table, slot)
    if place is None:
        return None
    start = _follow(data, place)
    (size,) = unpack_from("<I", data, start)
    if start + 4 + size > len(data):
        raise IndexError("string beyond the buffer")
    return data[start + 4 : start + 4 + size].decode() or None


def _labels(data: bytes, root: int) -> Iterator[tuple[str, str]]:
    place = _slot(data, root, 2)
    if place is None:
        return
    vector = _follow(data, place)
    (size,) = unpack_from("<I", data, vector)
    for index in range(size):
        pair = _follow(data, vector + 4 + 4 * index)
        yield _text(data, pair, 0) or "", _text(data, pair, 1) or ""
