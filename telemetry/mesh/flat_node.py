"""FlatNode: the FlatBuffer by which Istio 1.6 to 1.23 kept a peer.

Slots: 0 name, 1 namespace, 2 labels, 3 owner, 4 workload_name, 9 cluster_id.
"""

import struct as binary
from collections.abc import Iterator
from struct import unpack_from

from telemetry.mesh.workload import Workload, canonical_revision, canonical_service

__all__ = ["workload_of_flat_node"]


def workload_of_flat_node(data: bytes) -> Workload | None:
    """Read a FlatNode; None when the bytes are none."""
    try:
        return _read(data)
    except (binary.error, UnicodeDecodeError, IndexError):
        return None


def _read(data: bytes) -> Workload:
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
