"""What the receiver learns of a message without decoding it."""

import json

from envoy.config.core.v3.base_pb2 import BuildVersion, Extension, Locality, Node
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from envoy.type.v3.semantic_version_pb2 import SemanticVersion
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.native import Identifier, inspect
from tests.native import specification, strategies
from tests.native.wire import field, http_message, named

Of = StreamAccessLogsMessage.Identifier
nodes = st.builds(
    Node,
    id=st.text(),
    cluster=st.text(),
    metadata=strategies.structs,
    locality=st.builds(Locality, region=st.text(), zone=st.text(), sub_zone=st.text()),
    user_agent_name=st.text(),
    user_agent_version=st.text(),
    extensions=st.lists(st.builds(Extension, name=st.text()), max_size=3),
)


def identifier(message: StreamAccessLogsMessage) -> Identifier:
    found, _ = inspect(message.SerializeToString())
    assert found is not None
    return found


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(nodes, st.text())
def test_an_identifier_says_what_the_node_says(node: Node, log_name: str) -> None:
    found = identifier(StreamAccessLogsMessage(identifier=Of(node=node, log_name=log_name)))
    assert found.log_name == log_name
    assert (found.node_id, found.node_cluster) == (node.id, node.cluster)
    assert json.loads(found.metadata_json) == specification.struct(node.metadata)
    assert (found.region, found.zone) == (node.locality.region, node.locality.zone)
    assert found.sub_zone == node.locality.sub_zone
    assert (found.user_agent_name, found.version) == (node.user_agent_name, node.user_agent_version)


def test_a_build_version_is_written_with_dots() -> None:
    version = SemanticVersion(major_number=1, minor_number=40, patch=2)
    node = Node(user_agent_build_version=BuildVersion(version=version))
    assert identifier(StreamAccessLogsMessage(identifier=Of(node=node))).version == "1.40.2"


def test_an_empty_identifier_is_an_identifier() -> None:
    found = identifier(StreamAccessLogsMessage(identifier=Of()))
    assert (found.node_id, found.version, found.metadata_json) == ("", "", b"{}")


def test_without_an_identifier_there_is_none() -> None:
    assert inspect(http_message([named("a")])) == (None, 1)
    assert inspect(b"") == (None, 0)


def test_entries_of_both_kinds_are_counted() -> None:
    message = field(1, b"") + http_message([named("a"), b"malformed"]) + field(3, field(1, b"") * 3)
    found, entries = inspect(message)
    assert found is not None
    assert entries == 5


def test_of_a_broken_message_what_can_be_read_is_given() -> None:
    node = field(1, b"id") + field(3, b"\x0a\x09") + field(2, b"never reached")
    found, entries = inspect(field(1, field(2, b"name") + field(1, node)) + http_message([named("a")]) + b"\x12\x09")
    assert found is not None
    assert (found.log_name, found.node_id, found.node_cluster) == ("name", "id", "")
    assert (found.metadata_json, entries) == (b"{}", 1)


def test_metadata_nested_too_deep_ends_in_null() -> None:
    struct = b""
    for _ in range(5_000):
        struct = field(1, field(1, b"a") + field(2, field(5, struct)))
    found, _ = inspect(field(1, field(1, field(3, struct))))
    assert found is not None
    assert found.metadata_json == b'{"a":' * 32 + b"null" + b"}" * 32
