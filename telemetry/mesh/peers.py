"""Istio's peer metadata: what a proxy learned of the other end, as it lies in Envoy's filter state.

Since Istio 1.24 it is a Struct with lower-case keys; from 1.6 to 1.23 a FlatBuffer inside a BytesValue; in 1.5 a
serialised Struct inside a BytesValue, keyed as node metadata. The peer's id is a node id as text, `unknown` from native
filters; ambient's baggage is text too; principals are SPIFFE ids. All of them come wrapped in an `Any`.
"""

from collections.abc import Mapping

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from telemetry.mesh.baggage import workload_of_baggage
from telemetry.mesh.flat_node import workload_of_flat_node
from telemetry.mesh.istio import workload_of_node
from telemetry.mesh.workload import Workload, canonical_revision, canonical_service
from telemetry.node import Node

__all__ = ["PEER_KEYS", "principal_of_peer", "workload_of_peer"]

# Filter state key -> the clue it is. Of several keys for one clue, the first with a value counts.
PEER_KEYS = {
    "downstream_peer": "downstream_peer",
    "upstream_peer": "upstream_peer",
    "downstream_peer_obj": "downstream_peer",
    "upstream_peer_obj": "upstream_peer",
    "wasm.downstream_peer": "downstream_peer",
    "wasm.upstream_peer": "upstream_peer",
    "envoy.wasm.metadata_exchange.downstream": "downstream_peer",
    "envoy.wasm.metadata_exchange.upstream": "upstream_peer",
    "wasm.downstream_peer_id": "downstream_peer",
    "wasm.upstream_peer_id": "upstream_peer",
    "envoy.wasm.metadata_exchange.downstream_id": "downstream_peer",
    "envoy.wasm.metadata_exchange.upstream_id": "upstream_peer",
    "io.istio.peer_principal": "peer_principal",
    "io.istio.local_principal": "local_principal",
}


def workload_of_peer(any_bytes: bytes | None) -> Workload | None:
    """Read a peer of any Istio version; None when there is none, or its form is not known."""
    wrapped = _unwrapped(any_bytes)
    if isinstance(wrapped, Struct):
        return _of_struct(wrapped)
    if isinstance(wrapped, bytes):
        return _of_bytes(wrapped)
    return _of_text(wrapped) if wrapped else None


def principal_of_peer(any_bytes: bytes | None) -> str | None:
    """Read a principal: a SPIFFE id as text; None for anything else."""
    wrapped = _unwrapped(any_bytes)
    text = wrapped.decode(errors="replace") if isinstance(wrapped, bytes) else wrapped
    return text if isinstance(text, str) and text.startswith("spiffe://") else None


def _unwrapped(any_bytes: bytes | None) -> Struct | bytes | str | None:
    if not any_bytes:
        return None
    try:
        wrapped = AnyMessage.FromString(any_bytes)
        match wrapped.type_url.rpartition("/")[2]:
            case "google.protobuf.Struct":
                return Struct.FromString(wrapped.value)
            case "google.protobuf.BytesValue":
                return BytesValue.FromString(wrapped.value).value
            case "google.protobuf.StringValue":
                return StringValue.FromString(wrapped.value).value
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
        labels=tuple(labels.items()),
    )


def _of_node_metadata(struct: Struct) -> Workload | None:
    metadata: dict[str, object] = dict(_strings(struct))
    if "LABELS" in struct.fields:
        metadata["LABELS"] = _strings(struct.fields["LABELS"].struct_value)
    metadata.setdefault("WORKLOAD_NAME", metadata.get("NAME"))
    return workload_of_node(Node(id="", cluster="", metadata=metadata, version="", log_name=""))


def _of_bytes(value: bytes) -> Workload | None:
    return workload_of_flat_node(value) or _of_serialised(value) or _of_text(value.decode(errors="replace"))


def _of_serialised(value: bytes) -> Workload | None:
    try:
        return _of_struct(Struct.FromString(value))
    except DecodeError:
        return None


def _of_text(text: str) -> Workload | None:
    if text.count("~") == 3:
        return workload_of_node(Node(id=text, cluster="", metadata={}, version="", log_name=""))
    return workload_of_baggage(text)


def _strings(struct: Struct) -> Mapping[str, str]:
    return {
        key: value.string_value for key, value in struct.fields.items() if value.WhichOneof("kind") == "string_value"
    }
