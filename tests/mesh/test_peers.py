"""Peer metadata is read in the form of every Istio version, and garbage is not believed."""

from struct import pack

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import BytesValue, StringValue
from hypothesis import given
from hypothesis import strategies as st

from telemetry.mesh.baggage import workload_of_baggage
from telemetry.mesh.clues import Clues
from telemetry.mesh.peers import PEER_KEYS, principal_of_peer, workload_of_peer


def packed(message) -> bytes:
    wrapper = Any()
    wrapper.Pack(message)
    return wrapper.SerializeToString()


def struct(**fields) -> Struct:
    made = Struct()
    made.update(fields)
    return made


def flat_node(**texts: str) -> bytes:
    """A FlatNode by the format's own rules: root offset, vtable, table, strings, one label."""
    slots = {"name": 0, "namespace": 1, "labels": 2, "owner": 3, "workload_name": 4, "cluster_id": 9}
    vtable = pack("<HH", 4 + 2 * 10, 4 + 4 * 10) + b"".join(
        pack("<H", 4 + 4 * slot if any(slots[name] == slot for name in texts) else 0) for slot in range(10)
    )
    table_at = 4 + len(vtable)
    tail_at = table_at + 4 + 4 * 10
    offsets, tail = [0] * 10, b""
    for name, text in texts.items():
        offsets[slots[name]] = tail_at + len(tail) - (table_at + 4 + 4 * slots[name])
        raw = text.encode()
        tail += _labels(raw, tail_at + len(tail)) if name == "labels" else pack("<I", len(raw)) + raw + b"\0"
    return pack("<I", table_at) + vtable + pack("<i", len(vtable)) + pack("<10I", *offsets) + tail


def _labels(pair: bytes, at: int) -> bytes:
    """A vector of one KeyVal table: its vtable, itself, its two strings."""
    key, value = pair.split(b"=")
    body_at = at + 8
    vtable = pack("<HHHH", 8, 12, 4, 8)
    table_at = body_at + len(vtable)
    key_at = table_at + 12
    value_at = key_at + 4 + len(key) + 1
    table = pack("<iII", len(vtable), key_at - (table_at + 4), value_at - (table_at + 8))
    strings = pack("<I", len(key)) + key + b"\0" + pack("<I", len(value)) + value + b"\0"
    return pack("<II", 1, table_at - (at + 4)) + vtable + table + strings


def test_the_struct_of_istio_1_24_is_read():
    peer = workload_of_peer(packed(struct(
        workload="reviews-v1", namespace="shop", cluster="east", service="reviews", revision="v1", app="reviews",
        version="v1", name="reviews-v1-abc",
    )))  # fmt: skip
    assert (peer.name, peer.namespace, peer.cluster, peer.instance) == ("reviews-v1", "shop", "east", "reviews-v1-abc")
    assert (peer.canonical_service, peer.canonical_revision) == ("reviews", "v1")
    assert (peer.app, peer.version) == ("reviews", "v1")


def test_labels_in_the_struct_fill_what_it_does_not_say_itself():
    peer = workload_of_peer(packed(struct(workload="w", labels={"app": "a", "version": "v9"})))
    assert (peer.app, peer.version, peer.canonical_service, peer.canonical_revision) == ("a", "v9", "a", "v9")


def test_the_flatbuffer_of_istio_1_6_to_1_23_is_read():
    flat = flat_node(name="pod", namespace="shop", labels="app=reviews", workload_name="reviews-v1", cluster_id="east")
    peer = workload_of_peer(packed(BytesValue(value=flat)))
    assert (peer.name, peer.namespace, peer.instance, peer.cluster) == ("reviews-v1", "shop", "pod", "east")
    assert (peer.app, peer.canonical_service) == ("reviews", "reviews")


def test_the_serialised_struct_of_istio_1_5_is_read():
    inner = struct(NAME="pod", NAMESPACE="shop", WORKLOAD_NAME="reviews-v1", LABELS={"app": "reviews"})
    peer = workload_of_peer(packed(BytesValue(value=inner.SerializeToString())))
    assert (peer.name, peer.namespace, peer.app) == ("reviews-v1", "shop", "reviews")


BAGGAGE = (
    "k8s.cluster.name=east,k8s.namespace.name=shop,k8s.deployment.name=reviews-v1,service.name=reviews,"
    "service.version=v1,app.name=reviews-app,k8s.instance.name=reviews-v1-abc"
)


@pytest.mark.parametrize("wrap", [lambda text: StringValue(value=text), lambda text: BytesValue(value=text.encode())])
def test_baggage_in_either_wrapping_is_read(wrap):
    peer = workload_of_peer(packed(wrap(BAGGAGE)))
    assert (peer.name, peer.namespace, peer.cluster, peer.instance) == ("reviews-v1", "shop", "east", "reviews-v1-abc")
    assert (peer.canonical_service, peer.canonical_revision) == ("reviews", "v1")
    assert (peer.app, peer.version) == ("reviews-app", "v1")


@pytest.mark.parametrize("kind", ["deployment", "cronjob", "job", "pod"])
def test_baggage_names_each_kind_of_workload(kind):
    assert workload_of_baggage(f"k8s.{kind}.name=w%2D1; x=y , k8s.namespace.name = shop").name == "w-1"


def test_baggage_without_a_workload_names_nobody():
    assert workload_of_baggage("k8s.namespace.name=shop,service.name=reviews") is None


def test_the_peers_id_is_read_and_ignored_when_unknown():
    id_ = b"sidecar~10.0.0.1~reviews-abc.shop~shop.svc.cluster.local"
    peer = workload_of_peer(packed(BytesValue(value=id_)))
    assert (peer.instance, peer.namespace) == ("reviews-abc", "shop")
    assert workload_of_peer(packed(BytesValue(value=b"unknown"))) is None


@pytest.mark.parametrize("wrap", [lambda text: StringValue(value=text), lambda text: BytesValue(value=text.encode())])
def test_principals_are_read(wrap):
    assert principal_of_peer(packed(wrap("spiffe://td/ns/a/sa/b"))) == "spiffe://td/ns/a/sa/b"
    assert principal_of_peer(packed(wrap("somebody"))) is None
    assert principal_of_peer(packed(Struct())) is None
    assert principal_of_peer(None) is None


def test_each_peer_key_is_a_clue():
    assert set(PEER_KEYS.values()) <= set(Clues.__dataclass_fields__)


def test_other_contents_name_nobody():
    assert workload_of_peer(None) is None
    assert workload_of_peer(b"") is None
    assert workload_of_peer(packed(StringValue(value="hello"))) is None
    assert workload_of_peer(packed(Struct())) is None


@given(st.binary(max_size=200))
def test_garbage_never_raises(garbage):
    for wrapped in (garbage, packed(BytesValue(value=garbage))):
        workload_of_peer(wrapped)
        principal_of_peer(wrapped)


@given(st.text() | st.text("k8s.deployment=,;~%unkow", max_size=60))
def test_no_text_raises(text):
    workload_of_peer(packed(StringValue(value=text)))
    workload_of_peer(packed(BytesValue(value=text.encode())))


@given(st.data())
def test_a_damaged_flatbuffer_never_raises(data):
    flat = bytearray(flat_node(name="pod", labels="a=b", workload_name="w"))
    for _ in range(data.draw(st.integers(1, 8))):
        flat[data.draw(st.integers(0, len(flat) - 1))] = data.draw(st.integers(0, 255))
    workload_of_peer(packed(BytesValue(value=bytes(flat))))
